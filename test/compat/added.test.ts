/**
 * What brood adds to Node's options and needs more than a number: roots, terminals, namespaces, containment.
 */

import assert from "node:assert/strict";
import childProcess from "node:child_process";
import { once } from "node:events";
import { closeSync, copyFileSync, fstatSync, mkdirSync, openSync, readlinkSync } from "node:fs";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import { UnsupportedError } from "brood";
import * as broods from "brood/child_process";
import { register, unregister } from "brood/register";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { closed, outcome } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { parseReport } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

// Importing has registered.
unregister();

test("chroot: the file, and PATH, are of the new root", async () => {
  using files = new TemporaryFiles();
  mkdirSync(files.path("bin"));
  copyFileSync(childPath("rooted"), files.path("bin/rooted"));
  for (const [file, path] of [
    ["/bin/rooted", undefined],
    ["rooted", ["/bin"]],
  ] as const) {
    const { stdout, code } = await outcome(broods.spawn(file, { env: {}, brood: { chroot: files.directory, path } }));
    assert.deepEqual([code, stdout.trimEnd().split("\n")], [0, ["/", "bin"]]);
  }
});

test("controllingTerminal: a detached child's session has the terminal among its fds", async () => {
  const master = self.openTerminal();
  const slave = self.openSlave(master);
  try {
    const child = broods.spawn(childPath("report"), ["1"], {
      env: {},
      detached: true,
      stdio: [slave, "pipe", "inherit"],
      brood: { controllingTerminal: true },
    });
    const { tty, sid, foreground } = parseReport((await outcome(child)).stdout);
    assert.deepEqual([tty, sid, foreground], [fstatSync(slave).rdev, child.pid, child.pid]);
  } finally {
    closeSync(slave);
    closeSync(master);
  }
});

test("foreground needs a group of the child's own, and a terminal of our session", async () => {
  assert.throws(() => broods.spawn("true", { brood: { foreground: true } }), { code: "ERR_OPTION_CONFLICT" });
  const master = self.openTerminal();
  const slave = self.openSlave(master);
  try {
    // The leader of a session whose terminal it is gives it away.
    const code = `import * as cp from ${JSON.stringify(import.meta.resolve("brood/child_process"))};
      cp.spawn(${JSON.stringify(childPath("report"))}, ["1"], {
        env: {}, stdio: [0, "inherit", "inherit"], brood: { processGroup: "new", foreground: true } });`;
    const child = broods.spawn(process.execPath, ["--input-type=module", "-e", code], {
      detached: true,
      stdio: [slave, "pipe", "pipe"],
      brood: { controllingTerminal: true },
    });
    const { stdout, stderr } = await outcome(child);
    assert.equal(stderr, "");
    const { pid, pgid, foreground, sid } = parseReport(stdout);
    assert.deepEqual([pgid, foreground, sid], [pid, pid, child.pid]);
  } finally {
    closeSync(slave);
    closeSync(master);
  }
});

for (const contain of ["auto", "cgroup", "keeper", "namespace", "group"] as const) {
  test(`contain "${contain}": what a command leaves behind is ended, and its streams with it`, (context) =>
    withMark(async (mark) => {
      let child: childProcess.ChildProcess;
      try {
        child = broods.spawn(act, ["fork", "pause", ";", "say", "1", "left", "exit", "3"], {
          env: { ...process.env, ...mark.env },
          stdio: ["ignore", "pipe", "inherit"],
          brood: { contain, forceKillAfterDelay: 20 },
        });
      } catch (error) {
        // Not every machine has cgroups for us, or namespaces.
        assert.ok(error instanceof UnsupportedError && ["cgroup", "namespace"].includes(contain), String(error));
        return context.diagnostic(error.message);
      }
      assert.ok(child.brood && child.stdout);
      const said = text(child.stdout);
      assert.deepEqual(await closed(child), { code: 3, signal: null });
      assert.equal(await said, "left\n");
      await child.brood.closed;
      assert.equal(child.brood.containment?.by, contain === "auto" ? child.brood.containment?.by : contain);
      assert.equal(child.brood.containment?.ended.length, 1);
      assert.deepEqual(await mark.settle(), []);
      // The pidfd of a group that has had members left is given up at once, not when the child is collected.
      await child.brood[Symbol.asyncDispose]();
    }));
}

test("kill() goes to a contained command, and spawn fails as it does without", async () => {
  const brood = { contain: "keeper" } as const;
  const child = broods.spawn(act, ["say", "1", "ready", "pause"], { stdio: ["ignore", "pipe", "inherit"], brood });
  assert.equal(await lineOf(child.stdout), "ready");
  assert.equal(child.kill("SIGINT"), true);
  assert.deepEqual(await closed(child), { code: null, signal: "SIGINT" });
  await child.brood?.closed;
  const [error] = await once(broods.spawn("/nope", { brood }), "error");
  assert.deepEqual([error.code, error.cause.stage], ["ENOENT", "exec"]);
});

test("descendants and execFile: what is left is waited for", async () => {
  const brood = { contain: "keeper", descendants: "wait" } as const;
  const child = broods.spawn(act, ["fork", "read", ";", "exit", "0"], { stdio: ["pipe", "ignore", "inherit"], brood });
  await once(child, "exit");
  assert.equal(child.brood?.containment?.ended.length, 0);
  child.stdin?.end();
  await child.brood?.closed;
  assert.equal(register(), true);
  try {
    const options = { brood: { contain: "keeper" } } as object;
    const { stdout } = await promisify(childProcess.execFile)("echo", ["held"], options);
    assert.equal(stdout, "held\n");
  } finally {
    unregister();
  }
});

test("namespaces: a child has its own, and an id map", async () => {
  const namespaces = ["uts", "user"] as const;
  const child = broods.spawn(childPath("report"), ["1"], {
    env: {},
    brood: { namespaces, uidMap: [{ inside: 7, outside: 0, count: 1 }] },
  });
  assert.equal(parseReport((await outcome(child)).stdout).uids[0], "7");
  const { stdout } = await outcome(broods.spawn("readlink", ["/proc/self/ns/uts"], { brood: { namespaces: ["uts"] } }));
  assert.notEqual(stdout.trimEnd(), readlinkSync("/proc/self/ns/uts"));
});

test("what needs our event loop is refused where that stands still, what outlives us where all is to end with us", () => {
  assert.throws(() => broods.spawn("true", { detached: true, brood: { contain: "auto" } }), {
    code: "ERR_OPTION_CONFLICT",
    message: "options.brood.contain ends with us, and options.detached does not",
  });
  const sync = (brood: object) => broods.spawnSync("true", { brood } as object);
  for (const brood of [{ contain: "group" }, { namespaces: ["uts"] }])
    assert.throws(() => sync(brood), { code: "ERR_OPTION_CONFLICT", message: /use spawn, exec or execFile/ });
  assert.equal(sync({ contain: false }).status, 0);
});

test("ETXTBSY: a file just written that another process closes meanwhile is tried again; one that stays open fails", async () => {
  using files = new TemporaryFiles();
  const file = files.path("program");
  copyFileSync(childPath("report"), file);
  // On a crowded machine the other process may not get to run in time; without a second try it never would.
  for (let round = 1; ; round++) {
    assert.ok(round <= 10, "ten times it was not tried again");
    const holder = broods.spawn(childPath("busy_file"), [file, String(process.pid)], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = closed(holder);
    let said = "";
    const ready = once(holder.stdout, "data");
    holder.stdout.on("data", (data) => {
      said += data;
    });
    await ready;
    let code: string | undefined;
    try {
      const { stdout } = await outcome(broods.spawn(file, ["1"], { env: {} }));
      assert.ok(parseReport(stdout).pid > 0);
    } catch (error) {
      ({ code } = error as NodeJS.ErrnoException);
      assert.equal(code, "ETXTBSY", String(error));
      holder.stdin.end();
    }
    await ended;
    if (code === undefined) assert.equal(said, "ready\nclosed\n");
    if (code === undefined) break;
  }
  const fd = openSync(file, "r+");
  try {
    assert.throws(
      () => broods.spawn(file, ["1"]),
      (error: NodeJS.ErrnoException) => {
        assert.deepEqual([error.code, error.message, (error.cause as { path: string }).path], ["ETXTBSY", "spawn ETXTBSY", file]);
        return true;
      },
    );
  } finally {
    closeSync(fd);
  }
});
