/**
 * The memory that chunks are read into.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const ADDON = JSON.stringify(import.meta.resolve("#dist/native/addon.js"));
const MIB = 2 ** 20;

/** By how many bytes malloc(3)'s heap grows for 24 MiB: before, and after it was to keep what is freed. */
const growth = (env?: Record<string, string>): Promise<[number, number]> =>
  inNode(
    `import { addon } from ${ADDON};
     const heap = () => {
       const [from, to] = /^(\\w+)-(\\w+) .*\\[heap\\]$/m.exec(fs.readFileSync("/proc/self/maps", "latin1")).slice(1);
       return parseInt(to, 16) - parseInt(from, 16);
     };
     const held = [];
     const grown = () => {
       const before = heap();
       held.push(Buffer.allocUnsafeSlow(24 * ${MIB}));
       return heap() - before;
     };
     const first = grown();
     addon().keepFreed(63 * ${MIB});
     done([first, grown()]);`,
    // A sanitizer brings a malloc of its own.
    { env: { ...process.env, LD_PRELOAD: undefined, BROOD_NATIVE_PATH: undefined, ...env } },
  );

test("malloc, told to keep what is freed, takes large blocks from its heap, as after freeing one; unless its sizes were set", async () => {
  const [before, after] = await growth();
  // Some of it may have been free at the top.
  assert.ok(before < 20 * MIB, `${before}`);
  assert.ok(after > 20 * MIB, `${after}`);
  const [, set] = await growth({ MALLOC_MMAP_THRESHOLD_: "131072" });
  assert.ok(set < 20 * MIB, `${set}`);
});

test("it is told once, when chunks of 32 MiB have been handed out; by a loop with a buffer never", async () => {
  const calls = await inNode<Record<string, number[]>>(
    `import { addon } from ${ADDON};
     const native = addon(), { keepFreed } = native;
     const calls = { buffer: [], few: [], many: [] };
     const read = async (name, mib, options) => {
       native.keepFreed = (bytes) => {
         calls[name].push(bytes);
         return keepFreed(bytes);
       };
       const child = await launch("head", ["-c", String(mib * ${MIB}), "/dev/zero"], { stderr: "ignore" });
       let bytes = 0;
       for await (const chunk of child.stdout.iterator(options)) bytes += chunk.length;
       if (bytes !== mib * ${MIB}) throw new Error(String(bytes));
       await child.closed;
     };
     await read("buffer", 100, { buffer: new Uint8Array(1 << 18) });
     await read("few", 30);
     await read("many", 100);
     done(calls);`,
  );
  assert.deepEqual([calls["buffer"], calls["few"]], [[], []]);
  assert.deepEqual(calls["many"], [64 * MIB - 65536]);
});
