/**
 * Whom the child runs as. We are root here; what an ordinary user can't do is tried in a process that became one.
 */

import assert from "node:assert/strict";
import { chmodSync, copyFileSync } from "node:fs";
import { run, type SpawnOptions } from "brood";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { type Report, reportOf } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

/** A report from a place where every user can execute it. */
async function reportAs(options: SpawnOptions): Promise<Report> {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  copyFileSync(childPath("report"), files.path("report"));
  chmodSync(files.path("report"), 0o755);
  return await reportOf(options, { file: files.path("report") });
}

const all = (id: number): string[] => Array<string>(4).fill(String(id));
const sorted = (groups: string[]): string[] => groups.toSorted((a, b) => Number(a) - Number(b));

test("uid, gid and groups: all three ids of each, and nothing else", async () => {
  const report = await reportAs({ uid: 12345, gid: 23456, groups: [1, 34567, 2] });
  assert.deepEqual(report.uids, all(12345));
  assert.deepEqual(report.gids, all(23456));
  assert.deepEqual(sorted(report.groups), ["1", "2", "34567"]);
});

test("gid alone, groups alone, and an empty list of groups", async () => {
  const ours = await reportAs({});
  const gid = await reportAs({ gid: 23456 });
  assert.deepEqual([gid.uids, gid.gids, gid.groups], [ours.uids, all(23456), ours.groups]);
  const groups = await reportAs({ groups: [7] });
  assert.deepEqual([groups.uids, groups.gids, groups.groups], [ours.uids, ours.gids, ["7"]]);
  assert.deepEqual((await reportAs({ groups: [] })).groups, []);
});

test("an explicit 0 is honoured, and the largest id is one", async () => {
  const zero = await reportAs({ uid: 0, gid: 0, groups: [0] });
  assert.deepEqual([zero.uids, zero.gids, zero.groups], [all(0), all(0), ["0"]]);
  const most = 0xfffffffe;
  const report = await reportAs({ uid: most, gid: most, groups: [most] });
  assert.deepEqual([report.uids, report.gids, report.groups], [all(most), all(most), [String(most)]]);
});

test("user, and uid alone, take the account's group and groups", async () => {
  for (const name of ["daemon", "nobody", "root"]) {
    const ids = async (flag: string): Promise<string> => (await run("id", [flag, name])).stdout.trim();
    const [uid, gid, groups] = await Promise.all([ids("-u"), ids("-g"), ids("-G")]);
    for (const options of [{ user: name }, { uid: Number(uid) }]) {
      const report = await reportAs(options);
      assert.deepEqual(report.uids, all(Number(uid)));
      assert.deepEqual(report.gids, all(Number(gid)));
      assert.deepEqual(sorted(report.groups), sorted(groups.split(" ")));
    }
  }
});

test("what is given wins over the account's", async () => {
  const gid = await reportAs({ user: "daemon", gid: 4321 });
  assert.deepEqual([gid.uids, gid.gids], [all(1), all(4321)]);
  const groups = await reportAs({ uid: 1, groups: [99] });
  assert.deepEqual([groups.gids, groups.groups], [all(1), ["99"]]);
});

test("a uid without an account needs a gid, and then has no groups", async () => {
  await assert.rejects(launch("true", [], { uid: 54321 }), { code: "ERR_INVALID_ARG_VALUE", message: /gid/ });
  const report = await reportAs({ uid: 54321, gid: 54321 });
  assert.deepEqual([report.uids, report.gids, report.groups], [all(54321), all(54321), []]);
  await assert.rejects(launch("true", [], { user: "no-such-user" }), { code: "ERR_INVALID_ARG_VALUE" });
  await assert.rejects(launch("true", [], { user: "root", uid: 0 }), { code: "ERR_OPTION_CONFLICT" });
});

test("PITFALL 19: we stay who we are, and keep the dumpable flag, after success and failure", async () => {
  const before = [process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getgroups?.()];
  assert.equal(self.getDumpable(), 1);
  await reportAs({ uid: 12345, gid: 23456, groups: [] });
  assert.equal(self.getDumpable(), 1);
  await assert.rejects(launch("/nonexistent", [], { uid: 12345, gid: 23456, groups: [] }), { code: "ENOENT" });
  assert.equal(self.getDumpable(), 1);
  assert.deepEqual([process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getgroups?.()], before);
});

test("PITFALL 19: a process that is not dumpable does not become so", async () => {
  self.setDumpable(0);
  try {
    await (await launch("true", [], { uid: 12345, gid: 23456, groups: [] })).closed;
    assert.equal(self.getDumpable(), 0);
  } finally {
    self.setDumpable(1);
  }
});

test("the executable must be one for the new user", async () => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  const file = files.path("ours");
  copyFileSync(childPath("report"), file);
  chmodSync(file, 0o700);
  const options = { uid: 12345, gid: 12345, groups: [] };
  await assert.rejects(launch(file, ["1"], options), { code: "EACCES", stage: "exec", path: file });
});

test("an ordinary user may not change: EPERM names the stage; what changes nothing is allowed", async () => {
  const [failures, allowed] = await inNode<[unknown[], string[]]>(
    `await (await launch("true")).closed;
    process.setgroups([]);
    process.setgid(65534);
    process.setuid(65534);
    const failures = [];
    for (const options of [{ groups: [1] }, { gid: 1 }, { uid: 1, gid: 65534 }, { user: "root" }]) {
      try { await launch("/bin/true", [], options); }
      catch (error) { failures.push([error.name, error.code, error.errno, error.stage, error.file]); }
    }
    const same = await launch("id", ["-u"], { gid: 65534 });
    done([failures, [(await same.output()).stdout]]);`,
  );
  assert.deepEqual(failures, [
    ["SpawnError", "EPERM", 1, "setgroups", "/bin/true"],
    ["SpawnError", "EPERM", 1, "setgid", "/bin/true"],
    ["SpawnError", "EPERM", 1, "setgroups", "/bin/true"],
    ["SpawnError", "EPERM", 1, "setgroups", "/bin/true"],
  ]);
  assert.deepEqual(allowed, ["65534\n"]);
});
