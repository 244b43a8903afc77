/**
 * Which of our fds become the child's 0, 1 and 2, whatever the numbers.
 */

import assert from "node:assert/strict";
import { RUNGS } from "../../fault/faulty-node.js";
import { identity, TemporaryFiles } from "../../helpers/files.js";
import { forkReport, posix } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { fdsOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

/** In a process of its own, whose fds 0 to 2 can be anything: `mapped(options)` gives the files of the child's 0 to 2. */
const MAPPED = `
const files = new TemporaryFiles();
const out = self.duplicate(1, 50);
const report = fs.openSync(files.path("report"), "a");
const high = self.duplicate(report, 60);
const mapped = (options) => {
  fs.ftruncateSync(high);
  const child = posix.forkExec(["report", "9"], [childPath("report")], { ...options, fds: { 9: high, ...options.fds } });
  posix.waitid("P_PIDFD", child.pidfd);
  posix.close(child.pidfd);
  const { fds } = JSON.parse(fs.readFileSync(files.path("report"), "utf8"));
  delete fds[9];
  return Object.fromEntries(Object.entries(fds).map(([fd, { file, cloexec }]) => [fd, cloexec ? "close-on-exec" : file]));
};
/** Three files as our fds 0, 1 and 2, but for those in \`closed\`. */
const own = (closed = []) => {
  for (const fd of [0, 1, 2]) { try { fs.closeSync(fd); } catch { /* closed already */ } }
  for (const fd of [0, 1, 2]) fs.openSync(files.path("own-" + fd), "w+");
  for (const fd of closed) fs.closeSync(fd);
};
const finish = (result) => { files[Symbol.dispose](); fs.writeSync(out, JSON.stringify(result)); };
`;

test("P3: every way in which our fds 0, 1 and 2 can become the child's, on each rung", async () => {
  for (const rung of RUNGS) {
    const rows = await inNode<{ sources: number[]; got: object; wanted: object }[]>(
      `${MAPPED}
       const rows = [];
       for (const a of [0, 1, 2]) for (const b of [0, 1, 2]) for (const c of [0, 1, 2]) {
         own();
         const wanted = Object.fromEntries([a, b, c].map((source, target) => [target, identity(source)]));
         rows.push({ sources: [a, b, c], got: mapped({ stdin: a, stdout: b, stderr: c }), wanted });
       }
       finish(rows);`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.equal(rows.length, 27);
    for (const { sources, got, wanted } of rows) assert.deepEqual(got, wanted, `${sources} on ${rung}`);
  }
});

test("P3: the same with one of our fds 0 to 2 closed: two of them go to any two of the child's", async () => {
  const rows = await inNode<{ got: Record<string, string>; wanted: object; left: string }[]>(
    `${MAPPED}
     const rows = [];
     const names = ["stdin", "stdout", "stderr"];
     for (const closed of [0, 1, 2]) for (const left of [0, 1, 2]) for (const swap of [false, true]) {
       own([closed]);
       const sources = [0, 1, 2].filter((fd) => fd !== closed);
       const targets = [0, 1, 2].filter((fd) => fd !== left);
       if (swap) targets.reverse();
       const wanted = Object.fromEntries(targets.map((target, i) => [target, identity(sources[i])]));
       // The one that is left to -1 is ours of that number, if it is open.
       if (left !== closed) wanted[left] = identity(left);
       const got = mapped(Object.fromEntries(targets.map((target, i) => [names[target], sources[i]])));
       rows.push({ got, wanted });
     }
     finish(rows);`,
  );
  assert.equal(rows.length, 18);
  for (const { got, wanted } of rows) assert.deepEqual(got, wanted);
});

test("P3: copies that were made on the way are gone in the child, and the parent's fds are as before", async () => {
  using files = new TemporaryFiles();
  const [a, b, c] = files.open(3) as [number, number, number];
  const before = [a, b, c].map(self.getCloexec);
  const map = { [a]: b, [b]: c, [c]: a, 40: a, 41: a };
  const report = forkReport({ stdin: b, stderr: b, fds: map });
  assert.deepEqual(fdsOf(report), [0, 1, 2, a, b, c, 40, 41]);
  for (const [target, source] of Object.entries({ ...map, 0: b, 2: b })) {
    assert.equal(report.fds[Number(target)]?.file, identity(source), `fd ${target}`);
  }
  assert.deepEqual([a, b, c].map(self.getCloexec), before);
});

test("P3: a source that is its own target loses close-on-exec in the child alone", () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  assert.equal(self.getCloexec(fd), 1);
  assert.deepEqual(fdsOf(forkReport({ fds: { [fd]: fd } })), [0, 1, 2, fd]);
  assert.deepEqual(fdsOf(forkReport({ fdsToKeep: [fd] })), [0, 1, 2, fd]);
  assert.equal(self.getCloexec(fd), 1);
});

test("P12: the fork rung's report stays clear of all targets, also where the parent has fds 0 to 2 closed", async () => {
  const results = await inNode<(object | string)[]>(
    `${MAPPED}
     const source = fs.openSync("/etc/passwd", "r");
     own([0, 1, 2]);
     const results = [];
     // The report's socket pair is what gets 0 and 1 now: all of 0 to 40 are to be filled.
     const fds = Object.fromEntries(Array.from({ length: 41 }, (_, fd) => [fd, source]));
     delete fds[9];
     results.push(Object.keys(mapped({ fds })).length);
     const failure = (call) => { try { call(); return "started"; } catch (error) { return error.code + " at " + error.stage; } };
     results.push(failure(() => posix.forkExec(["x"], ["/nonexistent"], { fds })));
     results.push(failure(() => posix.forkExec(["x"], ["/nonexistent"], { stdin: "close", stdout: "close", stderr: "close" })));
     results.push(failure(() => posix.forkExec(["x"], ["/bin/true"], { cwd: "/nonexistent", fds })));
     results.push(Object.keys(mapped({ stdin: source })));
     finish(results);`,
    { env: { BROOD_CLONE: "fork" } },
  );
  assert.deepEqual(results, [40, "ENOENT at exec", "ENOENT at exec", "ENOENT at chdir", ["0"]]);
});

test("P14: a source that isn't open is EBADF and named, also one that is its own target, and no process exists", () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const closed = 700;
  const rows: [options: posix.ForkExecOptions, says: string][] = [
    [{ stdin: closed }, "options.stdin names fd 700"],
    [{ stdout: closed }, "options.stdout names fd 700"],
    [{ stderr: closed }, "options.stderr names fd 700"],
    [{ fds: { 5: closed } }, "options.fds[5] names fd 700"],
    [{ fds: { [closed]: closed } }, "options.fds[700] names fd 700"],
    [{ fds: { [closed]: "inherit" } }, "options.fds[700] names fd 700"],
    [{ fdsToKeep: [fd, closed] }, "options.fdsToKeep[1] names fd 700"],
  ];
  for (const [options, says] of rows) {
    assert.throws(() => posix.forkExec(["x"], ["/bin/true"], options), {
      name: "SpawnError",
      code: "EBADF",
      errno: 9,
      stage: "dup",
      fd: closed,
      message: `cannot spawn "/bin/true": ${says}, which is not open (EBADF at dup)`,
    });
  }
});
