/**
 * Very many children, one after the other.
 */

import assert from "node:assert/strict";
import { RUNGS } from "../fault/faulty-node.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

interface Stock {
  fds: number;
  threads: number;
  rss: number;
}

const CODE = `
const { readdirSync, readFileSync } = fs;
const nothing = childPath("nothing");
function stock() {
  gc();
  return { fds: readdirSync("/proc/self/fd").length, threads: readdirSync("/proc/self/task").length, rss: process.memoryUsage().rss };
}
async function rounds(count, options) {
  for (let i = 0; i < count; i++) {
    const exit = await spawn(nothing, [], options).closed;
    if (exit.kind !== "exited" || exit.code !== 0) throw new Error(JSON.stringify(exit));
  }
}
const children = () => readdirSync("/proc/self/task").map((thread) => readFileSync("/proc/self/task/" + thread + "/children", "utf8")).join("");
`;

test("10,000 children one after the other leave nothing: no fd, zombie, thread, and memory does not drift", async () => {
  const { stocks, left } = await inNode<{ stocks: [Stock, Stock, Stock]; left: string }>(
    `${CODE}
     const stocks = [];
     await rounds(1000);
     for (let half = 0; half < 3; half++) {
       stocks.push(stock());
       // Half of them with three pipes that nobody touches, half without.
       if (half < 2) { await rounds(2500); await rounds(2500, { stdio: "ignore" }); }
     }
     done({ stocks, left: children() });`,
    { nodeArgs: ["--expose-gc"] },
  );
  const [first, second, third] = stocks;
  assert.equal(left, "");
  assert.deepEqual([third.fds, third.threads], [first.fds, first.threads]);
  const drift = third.rss - second.rss;
  assert.ok(drift < 16 << 20, `5,000 children left ${drift >> 10} KiB`);
});

for (const rung of RUNGS) {
  test(`1,000 failed spawns on rung ${rung} leave nothing`, async () => {
    const { before, after, left } = await inNode<{ before: Stock; after: Stock; left: string }>(
      `${CODE}
       const fails = (count) => {
         let failed = 0;
         for (let i = 0; i < count; i++) try { spawn("/nowhere/at/all"); } catch { failed++; }
         if (failed !== count) throw new Error(String(failed));
       };
       fails(1000);
       const before = stock();
       fails(1000);
       done({ before, after: stock(), left: children() });`,
      { nodeArgs: ["--expose-gc"], env: { BROOD_CLONE: rung } },
    );
    assert.equal(left, "");
    assert.deepEqual([after.fds, after.threads], [before.fds, before.threads]);
    assert.ok(after.rss - before.rss < 16 << 20, `${(after.rss - before.rss) >> 10} KiB`);
  });
}
