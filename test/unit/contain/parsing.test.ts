/**
 * What is read from files of the kernel: where our cgroup is, what a cgroup counts, what a process is.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { numberOf } from "#dist/contain/cgroup.js";
import { parseMounts, parseOwnCgroup, placesOf } from "#dist/contain/cgroup-place.js";
import { descendantsOf, parseStat } from "#dist/contain/processes.js";
import { reasonFor } from "#dist/process/ending.js";

const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 - cgroup2 cgroup2 rw
`;

test("our own cgroup of version 2 is the line without a controller", () => {
  assert.equal(parseOwnCgroup("4:memory:/a\n1:name=systemd:/b\n0::/user.slice/x.scope\n"), "/user.slice/x.scope");
  assert.equal(parseOwnCgroup("0::/\n"), "/");
  assert.equal(parseOwnCgroup("4:memory:/a\n"), undefined);
});

test("the mount of version 2 is found beside those of version 1, by its type", () => {
  assert.deepEqual(parseMounts(HYBRID), [{ root: "/", directory: "/sys/fs/cgroup/unified" }]);
  const spaced = "41 31 0:38 /a\\040b /mnt/my\\040groups rw - cgroup2 none rw\n";
  assert.deepEqual(parseMounts(spaced), [{ root: "/a b", directory: "/mnt/my groups" }]);
  assert.deepEqual(parseMounts(""), []);
});

test("the places are our own cgroup and those above it, as far as they are mounted", () => {
  const whole = [{ root: "/", directory: "/sys/fs/cgroup" }];
  assert.deepEqual(placesOf("/", whole), ["/sys/fs/cgroup"]);
  assert.deepEqual(placesOf("/a/b", whole), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
  const part = [{ root: "/a", directory: "/mnt" }];
  assert.deepEqual(placesOf("/a/b", part), ["/mnt/b", "/mnt"]);
  assert.deepEqual(placesOf("/other", part), []);
  assert.deepEqual(placesOf("/../..", whole), ["/sys/fs/cgroup"]);
});

test("values of memory.events and cpu.stat are found by their whole name", () => {
  const events = "low 0\nhigh 0\nmax 12\noom 1\noom_kill 2\noom_group_kill 0\n";
  assert.equal(numberOf(events, "oom"), 1);
  assert.equal(numberOf(events, "oom_kill"), 2);
  assert.equal(numberOf(events, "kill"), null);
  assert.equal(numberOf("", "oom"), null);
});

test("a process's name may hold anything", () => {
  const tail = `S 7 8 9 ${Array.from({ length: 15 }, (_, i) => i).join(" ")} 4711 99`;
  assert.deepEqual(parseStat(`42 (a) b (c) ${tail}`), {
    pid: 42,
    name: "a) b (c",
    state: "S",
    ppid: 7,
    group: 8,
    session: 9,
    threads: 13,
    ticks: 4711,
  });
  assert.equal(parseStat(""), undefined);
});

test("nothing is ever sought below the first process, or below none", () => {
  for (const pid of [1, 0, -1, Number.NaN]) assert.throws(() => descendantsOf(pid), RangeError);
});

test("killed for want of memory is a reason of its own, where nobody wanted the end", () => {
  const whose = { pid: 1, uid: 0, usage: null };
  const killed = { kind: "killed", signal: "SIGKILL", coreDumped: false, ...whose } as const;
  assert.equal(reasonFor(killed, undefined, true), "oom");
  assert.equal(reasonFor(killed, undefined, false), "signal");
  assert.equal(reasonFor(killed, { reason: "timeout", ms: 1 }, true), "timeout");
  assert.equal(reasonFor({ kind: "exited", code: 137, ...whose }, undefined, true), "exit");
});
