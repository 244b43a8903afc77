/**
 * 200 MB each way through `cat`: nothing is lost or mixed, and backpressure keeps memory flat.
 */

import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { spawn } from "brood";
import { test } from "../helpers/test.js";

const TOTAL = 200_000_000;
/** No multiple of any buffer's size, so that a lost or repeated piece is seen. */
const PATTERN = randomFillSync(Buffer.alloc(999_983));
const TWICE = Buffer.concat([PATTERN, PATTERN]);

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The bytes of the stream from `at` on: no more than asked for, nor than one pattern. */
function piece(at: number, size: number): Buffer {
  const start = at % PATTERN.length;
  return TWICE.subarray(start, start + Math.min(size, TOTAL - at, PATTERN.length));
}

type Streams = Pick<ReturnType<typeof spawn<Record<never, never>>>, "stdin" | "stdout">;

async function write({ stdin }: Streams, size: number, slowly: boolean): Promise<void> {
  for (let at = 0; at < TOTAL; ) {
    const chunk = piece(at, size);
    at += chunk.length;
    if (!stdin.write(chunk)) await new Promise((resolve) => stdin.once("drain", resolve));
    if (slowly) await turn();
  }
  stdin.end();
}

/** Reads to the end; gives how much came, and the largest size that this process had meanwhile. */
async function read({ stdout }: Streams, slowly: boolean): Promise<{ length: number; peak: number }> {
  let length = 0;
  let peak = 0;
  for await (const chunk of stdout as AsyncIterable<Buffer>) {
    for (let at = 0; at < chunk.length; at += PATTERN.length) {
      const part = chunk.subarray(at, at + PATTERN.length);
      if (!part.equals(piece(length + at, part.length))) throw new Error(`wrong bytes from ${length + at} on`);
    }
    // Some hundred looks in all.
    if (Math.floor(length / 1e6) !== Math.floor((length + chunk.length) / 1e6)) peak = Math.max(peak, process.memoryUsage.rss());
    length += chunk.length;
    if (slowly) for (let i = 0; i < 3; i++) await turn();
  }
  return { length, peak };
}

for (const { name, size, slowReader, slowWriter } of [
  { name: "as fast as it goes", size: 1 << 20, slowReader: false, slowWriter: false },
  { name: "with a slow reader", size: 1 << 20, slowReader: true, slowWriter: false },
  { name: "with a slow writer", size: 50_000, slowReader: false, slowWriter: true },
]) {
  test(`200 MB each way at once, ${name}: every byte arrives in order, memory stays flat`, async () => {
    (globalThis.gc as () => void)();
    const before = process.memoryUsage.rss();
    const child = spawn("cat", [], { stderr: "ignore" });
    const [{ length, peak }] = await Promise.all([read(child, slowReader), write(child, size, slowWriter)]);
    const exit = await child.closed;
    assert.equal(length, TOTAL);
    assert.deepEqual([exit.kind, exit.kind === "exited" && exit.code], ["exited", 0]);
    assert.ok(peak - before < 100 << 20, `memory grew by ${(peak - before) >> 20} MiB`);
  });
}
