/**
 * Much output: a gigabyte within a bound, with a file for all of it; more text than a string can hold.
 */

import assert from "node:assert/strict";
import { constants } from "node:buffer";
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { OutputError, run } from "brood";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

const GB = 1_000_000_000;
const KEPT = 64 * 1024;
/** What `yes` writes, of no length that fits a buffer. */
const LINE = "the quick brown fox jumps over the lazy dog, 0123456789\n";

/** The bytes of the output from `start` to `end`. */
function lines(start: number, end: number): string {
  const first = Math.floor(start / LINE.length);
  return LINE.repeat(Math.ceil(end / LINE.length) - first).slice(start - first * LINE.length, end - first * LINE.length);
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash("sha1");
  await pipeline(createReadStream(path), hash);
  return hash.digest("hex");
}

test("1 GB under maxOutput: exact head, tail and counts, a complete file, flat memory", async () => {
  const files = new TemporaryFiles();
  const path = files.path("spill");
  try {
    (globalThis.gc as () => void)();
    const before = process.memoryUsage.rss();
    let peak = before;
    const look = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage.rss());
    }, 50);
    const { stdout, omitted, reason } = await run("sh", ["-c", `yes "${LINE.trimEnd()}" | head -c ${GB}`], {
      maxOutput: { bytes: 2 * KEPT, keep: "both", spill: path },
    });
    clearInterval(look);
    assert.equal(reason, "exit");
    assert.equal(stdout.slice(0, KEPT), lines(0, KEPT));
    assert.equal(stdout.slice(KEPT), lines(GB - KEPT, GB));
    assert.deepEqual(omitted, { 1: { bytes: GB - 2 * KEPT, at: KEPT, spill: path } });
    assert.ok(peak - before < 200e6, `grew by ${peak - before}`);
    assert.equal(statSync(path).size, GB);
    const expected = createHash("sha1");
    const block = LINE.repeat(20_000);
    for (let at = 0; at < GB; at += block.length) expected.update(GB - at < block.length ? lines(at, GB) : block);
    assert.equal(await hashOf(path), expected.digest("hex"));
  } finally {
    files[Symbol.dispose]();
  }
});

test("1 GB under maxOutput without a file: nothing is kept but the bound, memory is flat", async () => {
  (globalThis.gc as () => void)();
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  const { stdout, omitted } = await run("head", ["-c", String(GB), "/dev/zero"], {
    encoding: "buffer",
    maxOutput: { bytes: 1000, keep: "tail" },
  });
  clearInterval(look);
  assert.deepEqual([stdout.length, omitted[1]], [1000, { bytes: GB - 1000, at: 0 }]);
  assert.ok(peak - before < 200e6, `grew by ${peak - before}`);
});

test("text that no string can hold is an OutputError with the bytes", async () => {
  const size = constants.MAX_STRING_LENGTH + 1000;
  await assert.rejects(run("head", ["-c", String(size), "/dev/zero"]), (error) => {
    assert.ok(error instanceof OutputError);
    assert.equal(error.code, "ERR_OUTPUT_TOO_LONG");
    assert.equal(error.reason, "output");
    assert.ok(Buffer.isBuffer(error.stdout));
    assert.equal(error.stdout.length, size);
    assert.equal(error.stderr, "");
    assert.equal(error.exit.kind, "exited");
    assert.match(error.message, new RegExp(`gave ${size} bytes on fd 1, more than a string can hold`));
    return true;
  });
  (globalThis.gc as () => void)();
});
