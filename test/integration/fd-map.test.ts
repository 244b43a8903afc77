/**
 * Any map of our fds to the child's: permutations, cycles, repeats, numbers high and low.
 */

import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import type { StdioEntry } from "brood";
import { identity, TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { fdsOf, type Report, reportOf } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

/** Checks that each target is that source, and survives exec. */
function checkMap(map: { [target: number]: number }, report: Report): void {
  for (const [target, source] of Object.entries(map)) {
    assert.equal(report.fds[Number(target)]?.file, identity(source), `fd ${target} is our fd ${source}`);
    assert.equal(report.fds[Number(target)]?.cloexec, false);
  }
  const expected = [...new Set([0, 1, 2, ...Object.keys(map).map(Number)])].sort((a, b) => a - b);
  assert.deepEqual(fdsOf(report), expected);
}

test("PITFALLS 1, 3: every way to make fds 0, 1 and 2 of fds 1, 3 and 4", async () => {
  using files = new TemporaryFiles();
  const env = { THREE: files.write("three", ""), FOUR: files.write("four", "") };
  const wrapper = ["sh", "-c", 'exec "$@" 3<"$THREE" 4<"$FOUR"', "sh"];
  const results = await inNode<{ stdio: number[]; got: string[]; wanted: string[]; fds: number[] }[]>(
    `const results = [];
    for (const a of [4, 3, 1]) for (const b of [4, 3, 1]) for (const c of [4, 3, 1]) {
      const report = await reportOf({ stdio: [a, b, c, , , , , , , { pipe: "r" }] }, { fd: 9 });
      const got = [0, 1, 2].map((fd) => report.fds[fd].file);
      results.push({ stdio: [a, b, c], got, wanted: [a, b, c].map(identity), fds: fdsOf(report) });
    }
    done(results);`,
    { wrapper, env },
  );
  assert.equal(results.length, 27);
  for (const { stdio, got, wanted, fds } of results) {
    assert.deepEqual(got, wanted, `stdio [${stdio}]`);
    assert.deepEqual(fds, [0, 1, 2, 9]);
  }
});

test("PITFALL 3: sources that stand on targets below 5, as {0: 4, 1: 3, 2: 1, 3: 4, 4: 3}", async () => {
  using files = new TemporaryFiles();
  const env = { THREE: files.write("three", ""), FOUR: files.write("four", "") };
  const wrapper = ["sh", "-c", 'exec "$@" 3<"$THREE" 4<"$FOUR"', "sh"];
  const [got, wanted] = await inNode<[string[], string[]]>(
    `const report = await reportOf({ fds: { 0: 4, 1: 3, 2: 1, 3: 4, 4: 3, 9: { pipe: "r" } } }, { fd: 9 });
    done([[0, 1, 2, 3, 4].map((fd) => report.fds[fd].file), [4, 3, 1, 4, 3].map(identity)]);`,
    { wrapper, env },
  );
  assert.deepEqual(got, wanted);
});

test("a cycle of three, a swap and a fixed point at once", async () => {
  using files = new TemporaryFiles();
  const [a, b, c, d, e, f] = files.open(6) as [number, number, number, number, number, number];
  const map = { [a]: b, [b]: c, [c]: a, [d]: e, [e]: d, [f]: f };
  checkMap(map, await reportOf({ fds: map }));
});

test("fifty extra fds, in reverse, over each other's numbers", async () => {
  using files = new TemporaryFiles();
  const fds = files.open(50);
  const map = Object.fromEntries(fds.map((fd, i) => [fd, fds[49 - i] as number]));
  checkMap(map, await reportOf({ fds: map }));
});

test("PITFALL 2: a source that equals its target loses close-on-exec in the child, and keeps it here", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  assert.equal(self.getCloexec(fd), 1);
  const report = await reportOf({ fds: { [fd]: fd } });
  assert.deepEqual(fdsOf(report), [0, 1, 2, fd]);
  assert.equal(report.fds[fd]?.file, identity(fd));
  assert.equal(self.getCloexec(fd), 1);
});

test("PITFALL 4: an fd that is fd 1 and passed too", async () => {
  using files = new TemporaryFiles();
  const [fd, other] = files.open(2) as [number, number];
  const report = await reportOf({ stdout: fd, stderr: "pipe", passFds: [other, fd] }, { fd: 2 });
  checkMap({ 1: fd, [fd]: fd, [other]: other }, report);
});

test("PITFALL 5: one fd for many targets, itself among them", async () => {
  using files = new TemporaryFiles();
  const [fd, other] = files.open(2) as [number, number];
  const map = { 0: fd, 2: fd, [fd]: fd, [other]: fd, 70: fd, 71: other };
  checkMap(map, await reportOf({ fds: map }));
});

test("targets far above all our fds", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const map = { 300: fd, 801: fd };
  checkMap(map, await reportOf({ fds: map }));
});

test("targets that are the numbers that our own pipes are about to get", async () => {
  const first = openSync("/dev/null", "r");
  closeSync(first);
  const targets = Array.from({ length: 8 }, (_, i) => first + 7 - i);
  const fds: { [fd: number]: StdioEntry } = Object.fromEntries(targets.map((target) => [target, { pipe: "r" }]));
  const seen = new Set<string>();
  for (const target of targets) {
    // That the report arrives shows that this target is the pipe that we read under its number.
    const report = await reportOf({ fds }, { fd: target });
    assert.deepEqual(fdsOf(report), [0, 1, 2, ...targets.toReversed()]);
    for (const fd of targets) seen.add(report.fds[fd]?.link ?? "");
  }
  assert.equal(seen.size, 64);
});

test("passFds keep their numbers; the flags here stay as they are, also when the spawn fails", async () => {
  using files = new TemporaryFiles();
  const [closed, open] = files.open(2) as [number, number];
  self.setCloexec(open, 0);
  const report = await reportOf({ passFds: [open, closed] });
  checkMap({ [closed]: closed, [open]: open }, report);
  await assert.rejects(reportOf({ passFds: [open, closed], cwd: "/nonexistent" }), { code: "ENOENT" });
  assert.deepEqual([self.getCloexec(closed), self.getCloexec(open)], [1, 0]);
});

test("PITFALL 24: our own fds 0, 1 and 2 keep their flags when they are inherited", async () => {
  const before = [0, 1, 2].map((fd) => self.getCloexec(fd));
  try {
    for (const flag of [0, 1] as const) {
      for (const fd of [0, 1, 2]) self.setCloexec(fd, flag);
      const report = await reportOf({ stdio: ["inherit", "inherit", "inherit", { pipe: "r" }] }, { fd: 3 });
      for (const fd of [0, 1, 2]) assert.equal(report.fds[fd]?.file, identity(fd));
      assert.deepEqual(
        [0, 1, 2].map((fd) => self.getCloexec(fd)),
        [flag, flag, flag],
      );
    }
  } finally {
    for (const fd of [0, 1, 2]) self.setCloexec(fd, before[fd] as 0 | 1);
  }
});
