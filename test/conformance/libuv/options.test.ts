/**
 * What is executed, with what, and as whom.
 */

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdirSync } from "node:fs";
import { spawn } from "brood";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { TemporaryFiles } from "../../helpers/files.js";
import { inNode } from "../../helpers/in-node.js";
import { stateOf } from "../../helpers/processes.js";
import { reportOf } from "../../helpers/report.js";
import { test } from "../../helpers/test.js";

test("L2: the file is required, and sought on PATH of the child's environment or a path of the caller's choice", async () => {
  assert.throws(() => spawn(undefined as never), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE", message: /^file must be/ });
  assert.throws(() => spawn(""), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  using files = new TemporaryFiles();
  mkdirSync(files.path("bin"));
  mkdirSync(files.path("other"));
  files.write("bin/tool", "#!/bin/sh\necho env\n", 0o755);
  files.write("other/tool", "#!/bin/sh\necho option\n", 0o755);
  const said = async (options: object): Promise<unknown> => (await spawn("tool", [], options).output()).stdout;
  assert.equal(await said({ env: { PATH: files.path("bin") } }), "env\n");
  assert.equal(await said({ env: { PATH: files.path("bin") }, path: [files.path("other")] }), "option\n");
  assert.throws(() => spawn("tool"), { name: "SpawnError", code: "ENOENT", stage: "exec" });
});

test("L2: argv[0] is free, and the directory is the child's", async () => {
  const report = await reportOf({ argv0: "a name", cwd: "/proc" });
  assert.deepEqual([report.argv[0], report.cwd], ["a name", "/proc"]);
});

test("L2: extendEnv false gives exactly env, {} included; without env the child has the parent's", async () => {
  assert.deepEqual((await reportOf({ extendEnv: false, env: {} })).environ, []);
  assert.deepEqual((await reportOf({ extendEnv: false, env: { A: "1" } })).environ, ["A=1"]);
  const environ = await inNode<string[]>(`process.env.OF_PARENT = "yes"; done((await reportOf()).environ);`);
  assert.ok(environ.includes("OF_PARENT=yes"));
});

test("L4: groups, gid, then uid, all ids of each; an explicit 0 is honoured", async () => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  const file = files.path("report");
  copyFileSync(childPath("report"), file);
  for (const [uid, gid] of [
    [0, 0],
    [12345, 23456],
  ] as const) {
    // Each of the first two needs what the last one takes away.
    const report = await reportOf({ groups: [0, 7], gid, uid }, { file });
    assert.deepEqual([report.groups, report.gids, report.uids], [["0", "7"], Array(4).fill(`${gid}`), Array(4).fill(`${uid}`)]);
  }
});

test("L4: a refused change of ids is EPERM and names its step", async () => {
  const stages = await inNode<string[]>(
    `(await launch("true")).closed;
     process.setgroups([]);
     process.setgid(65533);
     process.setuid(65533);
     const stages = [];
     for (const options of [{ groups: [] }, { gid: 0 }, { gid: 0, groups: [0] }, { uid: 0, gid: 65533, groups: [] }, { user: "root" }])
       try { spawn("/bin/true", [], { ...options, stdio: "ignore" }); stages.push("started"); }
       catch (error) { stages.push(error.code + " at " + error.stage); }
     done(stages);`,
  );
  assert.deepEqual(stages, ["EPERM at setgroups", "EPERM at setgid", ...Array(3).fill("EPERM at setgroups")]);
});

test("L5: a detached child leads a session and a group, has no terminal, and survives the parent", async () => {
  // Nothing of a detached child holds the loop.
  const alive = setInterval(() => {}, 1000);
  const report = await reportOf({ detached: true });
  clearInterval(alive);
  assert.deepEqual([report.sid, report.pgid, report.tty], [report.pid, report.pid, 0]);
  const pid = await inNode<number>(
    `const child = spawn(${JSON.stringify(act)}, ["say", "3", "ready", "pause"], { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe"] });
     // Nothing of a detached child holds the loop.
     const alive = setInterval(() => {}, 1000);
     await child.fds.get(3).lines().next();
     clearInterval(alive);
     done(child.pid);`,
  );
  assert.match(stateOf(pid) ?? "gone", /[SR]/);
  process.kill(-pid, "SIGKILL");
});

test("L5: session and process group each by itself", async () => {
  const session = await reportOf({ session: true });
  assert.deepEqual([session.sid, session.pgid], [session.pid, session.pid]);
  const group = await reportOf({ processGroup: "new" });
  assert.deepEqual([group.pgid, group.sid === group.pid], [group.pid, false]);
});
