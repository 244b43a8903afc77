/**
 * A parent that is large: in open fds, in memory.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const SCOPE = `
import { addon, RUNGS, CLOSE_RUNGS } from ${JSON.stringify(import.meta.resolve("#dist/native/addon.js"))};
`;

test("PITFALL 21: a parent with 18,000 open fds: on each rung its children have their own, and none of its", async () => {
  const results = await inNode<[string, string[], string, string][]>(
    `${SCOPE}
     await run("true");
     for (let i = 0; i < 18_000; i++) fs.openSync("/dev/null");
     const results = [];
     for (const rung of RUNGS.keys())
       for (const close of CLOSE_RUNGS.keys()) {
         addon().configure(rung, close);
         // Pipes made now have high numbers, which the child's map brings down.
         const { stdout, fds } = await run("sh", ["-c", "cd /proc/self/fd; echo *; echo five >&5"], { fds: { 5: "pipe" } });
         let missing = "";
         try { spawn("/nowhere/at/all"); } catch (error) { missing = error.code; }
         results.push([RUNGS[rung] + " " + CLOSE_RUNGS[close], stdout.trim().split(" "), fds[5], missing]);
       }
     done(results);`,
  );
  assert.equal(results.length, 12);
  for (const [rungs, fds, five, missing] of results) {
    // sh opens the directory itself, on whatever number is free.
    assert.deepEqual(fds.filter((fd) => ["0", "1", "2", "5"].includes(fd)).sort(), ["0", "1", "2", "5"], rungs);
    assert.ok(fds.length <= 5, `${rungs}: ${fds}`);
    assert.deepEqual([five, missing], ["five\n", "ENOENT"], rungs);
  }
});

test("PITFALL 21: a parent with 4 GB of dirty memory: each rung spawns right, and no size of the parent's is told as the child's", async () => {
  const results = await inNode<{ said: string; missing: string; maxRSS: number | null }[]>(
    `${SCOPE}
     const blocks = Array.from({ length: 4 }, (_, i) => Buffer.alloc(2 ** 30, i + 1));
     const results = [];
     for (const rung of RUNGS.keys()) {
       addon().configure(rung, 0);
       const { stdout, exit } = await run("cat", { input: "hello" });
       let missing = "";
       try { spawn("/nowhere/at/all"); } catch (error) { missing = error.code; }
       results.push({ said: stdout, missing, maxRSS: exit.usage.maxRSS });
     }
     if (!blocks.every((block, i) => block[0] === i + 1 && block[2 ** 30 - 1] === i + 1)) throw new Error("memory has changed");
     done(results);`,
  );
  assert.equal(results.length, 4);
  for (const { said, missing, maxRSS } of results) {
    assert.deepEqual([said, missing], ["hello", "ENOENT"]);
    assert.ok(maxRSS === null || maxRSS < 2 ** 30, String(maxRSS));
  }
});

test("through a host the peak of a child's memory is known, and its own, while the parent holds 2 GB", async () => {
  const peaks = await inNode<(number | null)[]>(
    `const { spawnAsync } = await import(${JSON.stringify(import.meta.resolve("brood"))});
     const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
     const blocks = Array.from({ length: 2 }, (_, i) => Buffer.alloc(2 ** 30, i + 1));
     const host = await SpawnHost.start();
     const act = childPath("act");
     const exits = [
       await (await host.spawn(act, ["touch", "20"])).closed,
       await (await spawnAsync(act, ["touch", "20"])).closed,
       (await run(act, ["touch", "20"])).exit,
     ];
     await host[Symbol.asyncDispose]();
     if (blocks[1][2 ** 30 - 1] !== 2) throw new Error("memory has changed");
     done(exits.map((exit) => exit.usage.maxRSS));`,
  );
  const [through, async, direct] = peaks;
  for (const peak of [through, async]) assert.ok(peak != null && peak > 20 * 2 ** 20 && peak < 40 * 2 ** 20, String(peak));
  // What it had itself can't be told from what it shared with us until its exec.
  assert.equal(direct, null);
});
