/**
 * The steps of the child: their order, and what each says when it fails.
 */

import assert from "node:assert/strict";
import { SpawnError } from "brood";
import { inFaultyNode, RUNGS } from "../../fault/faulty-node.js";
import { forkReport, posix, reap } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { test } from "../../helpers/test.js";

interface Failure {
  stage: string;
  code: string;
  errno: number;
  options: posix.ForkExecOptions;
  executable?: string;
  says: RegExp;
}

/** Those that root can force, in the order of the steps. */
const FAILURES: Failure[] = [
  { stage: "setpgid", code: "EPERM", errno: 1, options: { processGroup: 0x7ffffff0 }, says: /process group 2147483632/ },
  { stage: "cpuAffinity", code: "EINVAL", errno: 22, options: { cpuAffinity: [8191] }, says: /CPU affinity 8191/ },
  { stage: "open", code: "ENOENT", errno: 2, options: { stderr: { file: "/nonexistent/out" } }, says: /"\/nonexistent\/out"/ },
  { stage: "dup", code: "EBADF", errno: 9, options: { fds: { 2000000000: 0 } }, says: /fd 2000000000/ },
  { stage: "chroot", code: "ENOENT", errno: 2, options: { chroot: "/nonexistent/root" }, says: /"\/nonexistent\/root"/ },
  { stage: "chdir", code: "ENOTDIR", errno: 20, options: { cwd: "/etc/passwd" }, says: /"\/etc\/passwd"/ },
  { stage: "setrlimit", code: "EPERM", errno: 1, options: { rlimits: { nofile: 2 ** 40 } }, says: /limit nofile/ },
  { stage: "exec", code: "ENOENT", errno: 2, options: {}, executable: "/nonexistent/file", says: /"\/nonexistent\/file"/ },
];

function failureOf(options: posix.ForkExecOptions, executable = "/bin/true"): SpawnError {
  try {
    reap(posix.forkExec(["x"], [executable], options));
  } catch (error) {
    assert.ok(error instanceof SpawnError, String(error));
    return error;
  }
  assert.fail("it was started");
}

for (const { stage, code, errno, options, executable, says } of FAILURES) {
  test(`P8: a failure at ${stage} gives kind, stage, errno and message, and leaves nothing`, () => {
    const error = failureOf(options, executable);
    assert.deepEqual([error.name, error.stage, error.code, error.errno], ["SpawnError", stage, code, errno]);
    assert.match(error.message, says);
    assert.ok(error.message.endsWith(` (${code} at ${stage})`), error.message);
  });
}

test("P8: the same for what an ordinary user may not do", async () => {
  const stages = await inNode<string[]>(
    `forkReport();
     process.setgroups([]);
     process.setgid(65533);
     process.setuid(65533);
     const stages = [];
     for (const options of [{ oomScoreAdj: -1000 }, { nice: -20 }, { stdout: { file: "/root-only" } }, { chroot: "/" }, { rlimits: { nofile: 2 ** 30 } }, { groups: [1] }, { gid: 1 }, { uid: 1, gid: 65533, groups: [] }])
       try { posix.forkExec(["x"], ["/bin/true"], options); stages.push("started"); }
       catch (error) { stages.push(error.code + " at " + error.stage); }
     done(stages);`,
  );
  assert.deepEqual(stages, [
    "EACCES at oomScoreAdj",
    "EACCES at nice",
    "EACCES at open",
    "EPERM at chroot",
    "EPERM at setrlimit",
    "EPERM at setgroups",
    "EPERM at setgid",
    "EPERM at setgroups",
  ]);
});

test("P8: fds and children are as before, after a hundred failures of every kind, on each rung", async () => {
  for (const rung of RUNGS) {
    const counts = await inFaultyNode<number[]>(
      `forkReport();
       const compare = takeStock();
       const kinds = [["x", {}], ["/bin/true", { cwd: "/nonexistent" }], ["/bin/true", { rlimits: { nofile: 2 ** 40 } }], ["/bin/true", { fds: { 2000000000: 0 } }]];
       let failures = 0;
       for (let i = 0; i < 100; i++)
         for (const [file, options] of kinds) try { posix.forkExec(["x"], [file], options); } catch { failures++; }
       await compare();
       done([failures]);`,
      rung,
    );
    assert.deepEqual(counts, [400], rung);
  }
});

test("P6: of two bad stages the earlier is told", () => {
  let pairs = 0;
  for (const [i, first] of FAILURES.entries()) {
    for (const second of FAILURES.slice(i + 1)) {
      const error = failureOf({ ...second.options, ...first.options }, second.executable ?? first.executable);
      assert.equal(error.stage, first.stage, `${first.stage} with ${second.stage}`);
      pairs++;
    }
  }
  assert.equal(pairs, 28);
});

test("P6: each step sees what those before it did, and needs nothing that they took away", () => {
  // The input is opened as root, before the directory changes; limits come after the fd map; the ids last of all.
  const report = forkReport({
    stdin: { file: "/etc/shadow", mode: "r" },
    cwd: "/proc",
    fds: { 40: { dup: 0 } },
    rlimits: { nofile: 16 },
    groups: [],
    gid: 65533,
    uid: 65533,
    parentDeathSignal: "SIGHUP",
    noNewPrivs: true,
  });
  assert.equal(report.fds[0]?.link, "/etc/shadow");
  assert.deepEqual([report.cwd, report.rlimits["nofile"]?.[0], report.uids[0]], ["/proc", "16", "65533"]);
  assert.equal(report.fds[40]?.link, "/etc/shadow");
  // A change of ids would clear it.
  assert.equal(report.parentDeathSignal, 1);
});
