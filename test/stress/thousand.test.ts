/**
 * A thousand children at once.
 */

import assert from "node:assert/strict";
import { spawn } from "brood";
import { test } from "../helpers/test.js";

const CHILDREN = 1000;
const SIZE = 10_000;

/** Text that tells which child it went through. */
function wordsFor(i: number): string {
  return `${i} `.repeat(SIZE).slice(0, SIZE);
}

async function echo(i: number): Promise<boolean> {
  // The standard pipes carry the text forth, and back twice: on 1 and, by another cat, on 2.
  const child = spawn("sh", ["-c", "tee /dev/fd/2"]);
  child.stdin.end(wordsFor(i));
  const [out, err, exit] = await Promise.all([child.stdout.text(), child.stderr.text(), child.closed]);
  return out === wordsFor(i) && err === wordsFor(i) && exit.kind === "exited" && exit.code === 0;
}

async function round(): Promise<number> {
  const results = await Promise.all(Array.from({ length: CHILDREN }, (_, i) => echo(i)));
  return results.filter(Boolean).length;
}

test(`${CHILDREN} children at once, each with three pipes and ${SIZE} bytes each way: all of it is right, memory comes back`, async () => {
  const collect = globalThis.gc as () => void;
  assert.equal(await round(), CHILDREN);
  // A round moves 30 MB through as many streams; what it doesn't give back, the next one doesn't either. But V8's
  // young generation may grow for some rounds, to 64 MiB and more since Node 24, and stays.
  const left: number[] = [];
  do {
    collect();
    const before = process.memoryUsage().rss;
    assert.equal(await round(), CHILDREN);
    collect();
    left.push((process.memoryUsage().rss - before) >> 20);
    assert.ok(left.length <= 4, `each round left something: ${left.join(", ")} MiB`);
  } while ((left.at(-1) as number) >= 16);
});

test(`${CHILDREN} children end in the order in which they are told to, whatever order they were started in`, async () => {
  const children = Array.from({ length: CHILDREN }, () => spawn("cat", [], { stdout: "ignore", stderr: "ignore" }));
  const order = children.map((_, i) => (i * 7) % CHILDREN);
  for (const i of order) {
    const child = children[i] as (typeof children)[number];
    child.stdin.end();
    if (i % 10 === 0) assert.equal((await child.exited).kind, "exited");
  }
  const exits = await Promise.all(children.map((child) => child.closed));
  assert.ok(exits.every((exit) => exit.kind === "exited" && exit.code === 0));
  assert.equal(new Set(exits.map((exit) => exit.pid)).size, CHILDREN);
});
