/**
 * The call itself: its parameters, what it gives, what the child inherits.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { childPath } from "../../helpers/children.js";
import { TemporaryFiles } from "../../helpers/files.js";
import { forkReport, forkToEnd, posix, readToEnd, reap } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { fdsOf, type Report, signalsOf } from "../../helpers/report.js";
import { test } from "../../helpers/test.js";

const SIGPIPE = 13;

test("P1: one call takes arguments, candidates, fds to keep, directory, environment, standard fds, signals and session", () => {
  using files = new TemporaryFiles();
  const [kept, input, errors] = files.open(3) as [number, number, number];
  const [readEnd, writeEnd] = posix.cloexecPipe();
  const child = posix.forkExec(["the name", "1"], ["/nonexistent/report", childPath("report")], {
    closeFds: true,
    fdsToKeep: [kept],
    cwd: files.directory,
    env: { ONE: "1" },
    stdin: input,
    stdout: writeEnd,
    stderr: errors,
    restoreSignals: "runtime",
    session: true,
  });
  posix.close(writeEnd);
  const report = JSON.parse(readToEnd(readEnd)) as Report;
  posix.close(readEnd);
  assert.equal(reap(child), "exited 0");
  const text = (hex: string): string => Buffer.from(hex, "hex").toString();
  assert.deepEqual(report.argv.map(text), ["the name", "1"]);
  assert.deepEqual(report.environ.map(text), ["ONE=1"]);
  assert.equal(report.cwd, files.directory);
  assert.deepEqual(fdsOf(report), [0, 1, 2, kept]);
  assert.deepEqual([report.fds[0]?.link, report.fds[2]?.link], [files.path("open-1"), files.path("open-2")]);
  assert.ok(!signalsOf(report.ignored).includes(SIGPIPE));
  assert.deepEqual([report.pid, report.sid, report.pgid], [child.pid, child.pid, child.pid]);
});

test("P1: signals are left ignored, and no session is made, where that is asked for", () => {
  const report = forkReport({ restoreSignals: false, session: false });
  assert.ok(signalsOf(report.ignored).includes(SIGPIPE));
  assert.notEqual(report.sid, report.pid);
});

test("P1: every other step of a spawn is there too", () => {
  const report = forkReport({
    umask: 0o53,
    nice: 5,
    rlimits: { nofile: 100, core: { soft: 0, hard: 4096 } },
    processGroup: "new",
    oomScoreAdj: 500,
    noNewPrivs: true,
    parentDeathSignal: "SIGTERM",
    blockSignals: ["SIGUSR1"],
    ignoreSignals: ["SIGUSR2"],
    cpuAffinity: [0],
    groups: [7],
    gid: 23456,
    fds: { 5: "ignore", 6: { file: "/etc/passwd", mode: "r" }, 7: { dup: 6 } },
  });
  assert.deepEqual([report.umask, report.nice, report.oomScoreAdj, report.parentDeathSignal], [0o53, 5, 500, 15]);
  assert.deepEqual(
    [report.rlimits["nofile"], report.rlimits["core"]],
    [
      ["100", "100"],
      ["0", "4096"],
    ],
  );
  assert.deepEqual([report.pgid, report.noNewPrivs, report.cpus], [report.pid, ["1"], [0]]);
  assert.deepEqual([signalsOf(report.blocked), signalsOf(report.ignored).includes(12)], [[10], true]);
  assert.deepEqual([report.groups, report.gids], [["7"], Array(4).fill("23456")]);
  assert.deepEqual([report.fds[5]?.link, report.fds[6]?.link, report.fds[7]?.link], ["/dev/null", "/etc/passwd", "/etc/passwd"]);
});

test("P16: the pid and a pidfd of that very process are given, and only the caller waits for it", async () => {
  const child = posix.forkExec(["cat"], ["/bin/cat"], { stdin: "ignore", stdout: "ignore" });
  const info = readFileSync(`/proc/self/fdinfo/${child.pidfd}`, "utf8");
  assert.match(info, new RegExp(`^Pid:\\s+${child.pid}$`, "m"));
  // Nothing of ours reaps it: after any number of turns of the event loop it is still there, as a zombie.
  while (!/^State:\s+Z/m.test(readFileSync(`/proc/${child.pid}/status`, "utf8"))) await new Promise(setImmediate);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  assert.equal(reap(child), "exited 0");
});

test("P16: an empty environment stays empty, without one it is ours", () => {
  assert.deepEqual(forkReport({ env: {} }).environ, []);
  process.env["BROOD_TEST_INHERITED"] = "yes";
  try {
    assert.ok(forkReport().environ.includes("BROOD_TEST_INHERITED=yes"));
    assert.deepEqual(forkReport({ env: { A: "b=c" } }).environ, ["A=b=c"]);
  } finally {
    delete process.env["BROOD_TEST_INHERITED"];
  }
});

test("P16: -1 leaves a standard fd as it is with us, whatever its close-on-exec flag: the same file, or closed", async () => {
  const reports = await inNode<Report[]>(
    `// Not over pipes: one of their ends would become our fd 0.
     const files = new TemporaryFiles();
     const outputs = files.open(5);
     const other = fs.openSync("/etc/passwd", "r");
     const reports = [];
     const report = (options) => {
       const i = reports.length;
       const child = posix.forkExec(["report", "9"], [childPath("report")], { ...options, fds: { 9: outputs[i] } });
       posix.waitid("P_PIDFD", child.pidfd);
       posix.close(child.pidfd);
       reports.push(JSON.parse(fs.readFileSync(files.path("open-" + i), "utf8")));
     };
     report({ stdin: -1, stdout: -1, stderr: -1 });
     self.setCloexec(0, 0);
     report({});
     fs.closeSync(0);
     report({ stdin: -1 });
     report({ stdin: other });
     self.setCloexec(2, 1);
     report({ fdsToKeep: [2] });
     files[Symbol.dispose]();
     done(reports);`,
  );
  assert.deepEqual(
    reports.map((report) => Object.keys(report.fds).map(Number)),
    [
      [0, 1, 2, 9],
      [0, 1, 2, 9],
      [1, 2, 9],
      [0, 1, 2, 9],
      [1, 2, 9],
    ],
  );
  assert.equal(reports[0]?.fds[0]?.link, "/dev/null");
  assert.equal(reports[3]?.fds[0]?.link, "/etc/passwd");
});

test("P16: the child has no other end of a pipe that it gets, also where nothing is closed", () => {
  for (const closeFds of [true, false]) {
    const [readEnd, writeEnd] = posix.cloexecPipe();
    const report = forkReport({ closeFds, stdin: readEnd });
    const inode = report.fds[0]?.link;
    const same = Object.entries(report.fds).filter(([, { link }]) => link === inode);
    assert.deepEqual(
      same.map(([fd, { access }]) => [fd, access]),
      [["0", "r"]],
    );
    posix.close(readEnd);
    posix.close(writeEnd);
  }
});

test("P16: a clone that fails and a child that fails are told apart by their stage", async () => {
  // The clone's failure is forced in test/conformance/posixsubprocess/clone.test.ts.
  assert.throws(() => forkToEnd(["x"], ["/nonexistent/x"]), { name: "SpawnError", stage: "exec", code: "ENOENT", errno: 2 });
  assert.throws(() => forkToEnd(["x"], ["/bin/true"], { cwd: "/nonexistent" }), { name: "SpawnError", stage: "chdir" });
});

test("P17: arguments, candidates, directory and variables are text or bytes, and copied before anything is created", () => {
  const argument = Buffer.from([0x61, 0xff, 0x62]);
  const cwd = Buffer.from("/proc");
  const [readEnd, writeEnd] = posix.cloexecPipe();
  const child = posix.forkExec([Buffer.from("report"), "1", argument], [Buffer.from(childPath("report"))], {
    cwd,
    env: [[Buffer.from([0xfe]), Buffer.from([0xfd, 0x3d])]],
    stdout: writeEnd,
  });
  argument.fill(0x2e);
  posix.close(writeEnd);
  const report = JSON.parse(readToEnd(readEnd)) as Report;
  posix.close(readEnd);
  assert.equal(reap(child), "exited 0");
  assert.deepEqual(report.argv.slice(2), ["61ff62"]);
  assert.deepEqual(report.environ, ["fe3dfd3d"]);
  assert.equal(report.cwd, "/proc");
});

test("P17: what is neither text nor bytes is refused by its place in the list, and nothing is created", () => {
  const rows: [call: () => unknown, says: RegExp][] = [
    [() => posix.forkExec(123 as never, ["/bin/true"]), /^args must be an array/],
    [() => posix.forkExec(["a", 5 as never], ["/bin/true"]), /^args\[1\] must be a string or a Uint8Array/],
    [() => posix.forkExec(["a"], 123 as never), /^executables must be an array/],
    [() => posix.forkExec(["a"], ["/bin/true", 5 as never]), /^executables\[1\] must be a string, a Uint8Array or a file: URL/],
    [() => posix.forkExec(["a"], ["/bin/true"], { cwd: {} as never }), /^options\.cwd must be/],
    [() => posix.forkExec(["a"], ["/bin/true"], { env: 123 as never }), /^options\.env must be an object/],
  ];
  for (const [call, message] of rows) assert.throws(call, { name: "TypeError", code: "ERR_INVALID_ARG_TYPE", message });
});
