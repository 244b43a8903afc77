/**
 * What else a process carries: directory, umask, nice value, limits, CPUs, OOM score, no_new_privs. Each is the
 * child's alone: ours is as before.
 */

import assert from "node:assert/strict";
import { closeSync, constants, mkdirSync, openSync, readFileSync, realpathSync } from "node:fs";
import { getPriority } from "node:os";
import { pathToFileURL } from "node:url";
import type { LimitName } from "brood";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { fdsOf, reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

test("cwd as a path, as bytes, as a URL and relative to ours", async () => {
  using files = new TemporaryFiles();
  mkdirSync(files.path("über"));
  const directory = realpathSync(files.path("über"));
  const before = process.cwd();
  for (const cwd of [directory, Buffer.from(directory), pathToFileURL(`${directory}/`)]) {
    assert.equal((await reportOf({ cwd })).cwd, directory);
  }
  assert.equal((await reportOf({ cwd: "." })).cwd, before);
  assert.equal((await reportOf()).cwd, before);
  assert.equal(process.cwd(), before);
});

test("cwd as the fd of a directory, also where that number is another fd of the child, or closed in it", async () => {
  const directory = openSync("/usr/bin", constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const plain = await reportOf({ cwd: directory });
    assert.deepEqual([plain.cwd, fdsOf(plain)], ["/usr/bin", [0, 1, 2]]);
    const mapped = await reportOf({ cwd: directory, fds: { [directory]: "ignore" } });
    assert.deepEqual([mapped.cwd, mapped.fds[directory]?.link], ["/usr/bin", "/dev/null"]);
    const closed = await reportOf({ cwd: directory, closeFds: false, fds: { [directory]: "close" } });
    assert.equal(closed.cwd, "/usr/bin");
    assert.ok(!fdsOf(closed).includes(directory));
  } finally {
    closeSync(directory);
  }
});

test("umask", async () => {
  const ours = process.umask();
  assert.equal((await reportOf()).umask, ours);
  for (const umask of [0, 0o27, 0o777]) assert.equal((await reportOf({ umask })).umask, umask);
  assert.equal(process.umask(), ours);
});

test("nice is the value, not an increment", async () => {
  const ours = getPriority();
  assert.equal((await reportOf()).nice, ours);
  for (const nice of [7, 19, -3, 0]) assert.equal((await reportOf({ nice })).nice, nice);
  assert.equal(getPriority(), ours);
});

test("rlimits of every kind, as one number, as soft and hard, and lifted", async () => {
  const before = readFileSync("/proc/self/limits", "utf8");
  // In none of them less than the program itself needs.
  const wanted: Record<LimitName, number> = {
    cpu: 100,
    fsize: 1 << 20,
    data: 1 << 30,
    stack: 4 << 20,
    core: 0,
    rss: 1 << 30,
    nproc: 5000,
    nofile: 77,
    memlock: 4096,
    as: 1 << 30,
    locks: 10,
    sigpending: 20,
    msgqueue: 4096,
    nice: 5,
    rtprio: 3,
    rttime: 1_000_000,
  };
  // Not every root may raise a hard limit.
  const hard = (await reportOf()).rlimits;
  const values = Object.fromEntries(
    Object.entries(wanted).map(([name, value]) => [name, Math.min(value, Number(hard[name]?.[1]))]),
  );
  const report = await reportOf({ rlimits: values });
  for (const [name, value] of Object.entries(values))
    assert.deepEqual(report.rlimits[name], [String(value), String(value)], name);
  const both = await reportOf({
    rlimits: { nofile: { soft: 50, hard: 60n }, data: { soft: 1e9, hard: "unlimited" }, cpu: Number.POSITIVE_INFINITY },
  });
  assert.deepEqual(both.rlimits["nofile"], ["50", "60"]);
  assert.deepEqual(both.rlimits["data"], ["1000000000", String(2n ** 64n - 1n)]);
  assert.deepEqual(both.rlimits["cpu"], [String(2n ** 64n - 1n), String(2n ** 64n - 1n)]);
  assert.equal(readFileSync("/proc/self/limits", "utf8"), before);
});

test("a limit on fds comes after the fd map: targets above it are there", async () => {
  const report = await reportOf({ rlimits: { nofile: 10 }, fds: { 100: "ignore" } });
  assert.deepEqual(fdsOf(report), [0, 1, 2, 100]);
});

test("a limit set for the child takes effect in it", async () => {
  const child = await launch("sh", ["-c", "while :; do :; done"], { rlimits: { cpu: { soft: 1, hard: 2 } } });
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGXCPU");
});

test("cpuAffinity", async () => {
  const { cpus: ours } = await reportOf();
  for (const cpu of ours) assert.deepEqual((await reportOf({ cpuAffinity: [cpu] })).cpus, [cpu]);
  assert.deepEqual((await reportOf({ cpuAffinity: [...ours, ...ours] })).cpus, ours);
  assert.deepEqual((await reportOf()).cpus, ours);
});

test("oomScoreAdj", async () => {
  const ours = readFileSync("/proc/self/oom_score_adj", "utf8");
  // Not every root may lower it.
  for (const oomScoreAdj of [Number(ours), Math.max(Number(ours), 123), 1000])
    assert.equal((await reportOf({ oomScoreAdj })).oomScoreAdj, oomScoreAdj);
  assert.equal(readFileSync("/proc/self/oom_score_adj", "utf8"), ours);
});

test("noNewPrivs", async () => {
  const ours = (await reportOf()).noNewPrivs;
  assert.deepEqual((await reportOf({ noNewPrivs: true })).noNewPrivs, ["1"]);
  assert.deepEqual((await reportOf({ noNewPrivs: false })).noNewPrivs, ours);
});

test("all at once, with another user", async () => {
  const report = await reportOf({
    cwd: "/",
    umask: 0o77,
    nice: 3,
    rlimits: { nofile: 64 },
    oomScoreAdj: 1000,
    noNewPrivs: true,
    session: true,
    ignoreSignals: ["SIGHUP"],
    uid: 0,
    gid: 0,
    groups: [1],
    fds: { 9: "ignore" },
  });
  const { cwd, umask, nice, oomScoreAdj, noNewPrivs, groups, pid, sid } = report;
  assert.deepEqual(
    { cwd, umask, nice, oomScoreAdj, noNewPrivs, groups, sid },
    {
      cwd: "/",
      umask: 0o77,
      nice: 3,
      oomScoreAdj: 1000,
      noNewPrivs: ["1"],
      groups: ["1"],
      sid: pid,
    },
  );
  assert.deepEqual(fdsOf(report), [0, 1, 2, 9]);
});
