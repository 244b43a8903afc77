/**
 * Which of our fds a child has that nobody mentioned: none, on each rung of the ladder that closes them; with
 * `closeFds: false` those without close-on-exec. The rung is read when the addon loads, hence other processes.
 */

import assert from "node:assert/strict";
import { closeSync, existsSync, readdirSync } from "node:fs";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { fdsOf, reportOf } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

/** Some fds that exec would keep, at low and high numbers. */
const OPEN = `const open = [40, 41, 42, 63, 64, 65, 300, 777].map((at) => self.duplicate(1, at));`;

for (const rung of ["close_range", "getdents", "brute"]) {
  const env = { BROOD_CLOSE: rung };

  test(`${rung}: only kept fds survive`, async () => {
    const [all, some] = await inNode<[number[], number[]]>(
      `${OPEN}
      const none = await reportOf();
      const some = await reportOf({ passFds: [300, 41], fds: { 3: 42, 64: "ignore" } });
      done([fdsOf(none), fdsOf(some)]);`,
      { env },
    );
    assert.deepEqual(all, [0, 1, 2]);
    assert.deepEqual(some, [0, 1, 2, 3, 41, 64, 300]);
  });

  test(`${rung}: no fds at all are needed, nor open`, async () => {
    const fds = await inNode<number[]>(`${OPEN} done(fdsOf(await reportOf({ stdin: "close", stderr: "close" })));`, { env });
    assert.deepEqual(fds, [1]);
  });

  test(`${rung}, PITFALL 30: an fd above a lowered RLIMIT_NOFILE is closed, or kept if asked`, async () => {
    const [all, some] = await inNode<[number[], number[]]>(
      `${OPEN}
      await reportOf();
      const limit = fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1];
      self.limit(7, 100);
      const none = fdsOf(await reportOf());
      // Kept where it stands: no dup to that number would be allowed.
      const some = fdsOf(await reportOf({ passFds: [777] }));
      self.limit(7, Number(limit));
      done([none, some]);`,
      { env },
    );
    assert.deepEqual(all, [0, 1, 2]);
    assert.deepEqual(some, [0, 1, 2, 777]);
  });

  test(`${rung}: a limit lowered for the child hides no fd from it`, async () => {
    const fds = await inNode<number[]>(`${OPEN} done(fdsOf(await reportOf({ rlimits: { nofile: 20 } })));`, { env });
    assert.deepEqual(fds, [0, 1, 2]);
  });

  test(`${rung}: the parent keeps its fds and their flags, also when exec fails`, async () => {
    const [before, after] = await inNode<[number[], number[]]>(
      `${OPEN}
      await reportOf();
      const flags = () => open.map((fd) => self.getCloexec(fd));
      const before = flags();
      await reportOf();
      await launch("/nonexistent").catch(() => {});
      done([before, flags()]);`,
      { env },
    );
    assert.deepEqual(after, before);
    assert.deepEqual(before, [0, 0, 0, 0, 0, 0, 0, 0]);
  });

  test(`${rung}: none is left either where none is given, and the parent keeps its own, also when exec fails`, async () => {
    const [listed, before, after, own] = await inNode<[string, number[], number[], number]>(
      `${OPEN}
      const flags = () => open.map((fd) => self.getCloexec(fd));
      const before = flags();
      const file = os.tmpdir() + "/brood-fds-" + process.pid;
      const list = await launch("/bin/sh", ["-c", 'ls /proc/self/fd > "$0"', file], { stdio: "ignore" });
      await list.closed;
      const listed = fs.readFileSync(file, "utf8");
      fs.unlinkSync(file);
      const count = fs.readdirSync("/proc/self/fd").length;
      await launch("/nonexistent", [], { stdio: "ignore" }).catch(() => {});
      await launch("/bin/true", [], { stdio: "ignore", cwd: "/nonexistent" }).catch(() => {});
      done([listed, before, flags(), fs.readdirSync("/proc/self/fd").length - count]);`,
      { env },
    );
    // The last is of ls's own directory.
    assert.equal(listed, "0\n1\n2\n3\n");
    assert.deepEqual(after, before);
    assert.equal(own, 0);
  });

  test(`${rung}: several thousand open fds`, async () => {
    const fds = await inNode<number[]>(
      `const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
      for (let i = 0; i < Math.min(3000, limit - 100); i++) self.duplicate(1, 3);
      done(fdsOf(await reportOf()));`,
      { env },
    );
    assert.deepEqual(fds, [0, 1, 2]);
  });
}

/** The fds of this process that exec keeps, with 0 to 2, which the child is given. */
function keptByExec(): number[] {
  const open = readdirSync("/proc/self/fd").map(Number);
  const kept = open.filter((fd) => existsSync(`/proc/self/fd/${fd}`) && self.getCloexec(fd) === 0);
  return [...new Set([0, 1, 2, ...kept])].sort((a, b) => a - b);
}

test("closeFds: false keeps exactly those without close-on-exec, and none of brood's own", async () => {
  const kept = self.duplicate(2, 30);
  const hidden = self.duplicate(2, 30);
  self.setCloexec(hidden, 1);
  const other = await launch("cat", [], { fds: { 3: "pipe" } });
  try {
    const ours = keptByExec();
    assert.ok(ours.includes(kept) && !ours.includes(hidden));
    assert.deepEqual(fdsOf(await reportOf({ closeFds: false })), ours);
    const report = await reportOf({ closeFds: false, fds: { [kept]: "close", [hidden]: hidden } });
    const expected = [...ours.filter((fd) => fd !== kept), hidden].sort((a, b) => a - b);
    assert.deepEqual(fdsOf(report), expected);
  } finally {
    closeSync(kept);
    closeSync(hidden);
    other.stdin.end();
    await other.closed;
  }
});
