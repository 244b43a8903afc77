/**
 * Collecting output within a bound: what is kept, what is said to be missing, and the file for all of it.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { Capture, type CaptureLimit, type Keep } from "#dist/process/capture.js";
import { TemporaryFiles } from "../../helpers/files.js";

/** Gives chunks as a pipe would: no more after false until resumed. */
async function capture(chunks: readonly (string | Buffer)[], limit: CaptureLimit | undefined): Promise<Capture> {
  let resumed = (): void => {};
  let ended = (): void => {};
  const end = new Promise<void>((resolve) => {
    ended = resolve;
  });
  const sink = new Capture(
    limit,
    () => resumed(),
    () => ended(),
  );
  for (const chunk of chunks) {
    const again = new Promise<void>((resolve) => {
      resumed = resolve;
    });
    if (!sink.data(Buffer.from(chunk as string))) await again;
  }
  sink.end();
  await end;
  return sink;
}

const limit = (bytes: number, keep: Keep, spill?: string): CaptureLimit => ({ bytes, keep, spill });

/** The same by definition. */
function expected(all: Buffer, bytes: number, keep: Keep): { output: Buffer; omitted: object | undefined } {
  if (all.length <= bytes) return { output: all, omitted: undefined };
  const head = keep === "head" ? bytes : keep === "tail" ? 0 : Math.ceil(bytes / 2);
  const tail = bytes - head;
  const output = Buffer.concat([all.subarray(0, head), all.subarray(all.length - tail)]);
  return { output, omitted: { bytes: all.length - bytes, at: head } };
}

const ALL = Buffer.from(Array.from({ length: 100 }, (_, i) => i));

function pieces(all: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(all.length / size) }, (_, i) => all.subarray(i * size, (i + 1) * size));
}

for (const keep of ["head", "tail", "both"] as const) {
  test(`keep: ${keep}: every bound, every size of chunk`, async () => {
    for (const length of [0, 1, 2, 99, 100]) {
      const all = ALL.subarray(0, length);
      for (const bytes of [0, 1, 2, 3, 7, 8, 50, 51, 98, 99, 100, 101, 1000]) {
        for (const size of [1, 2, 3, 7, 33, 99, 100]) {
          const sink = await capture(pieces(all, size), limit(bytes, keep));
          assert.deepEqual(sink.bytes(), expected(all, bytes, keep), `${length} bytes by ${size} under ${bytes}`);
          assert.equal(sink.total, length);
        }
      }
    }
  });
}

for (const keep of ["head", "tail", "both"] as const) {
  test(`keep: ${keep}: many small chunks, and large ones between them, in order`, async () => {
    const all = Buffer.from(Array.from({ length: 150_000 }, (_, i) => i % 251));
    for (const sizes of [[1], [1, 2, 3], [1, 5000, 2], [2047, 2048], [16_383, 1], [7, 7, 7, 40_000]]) {
      const chunks: Buffer[] = [];
      for (let at = 0, i = 0; at < all.length; i++) {
        const size = sizes[i % sizes.length] as number;
        chunks.push(Buffer.from(all.subarray(at, at + size)));
        at += size;
      }
      for (const bytes of [0, 1, 100, 16_384, 33_000, 149_999, 150_000]) {
        const { output, omitted } = (await capture(chunks, limit(bytes, keep))).bytes();
        const wanted = expected(all, bytes, keep);
        assert.ok(output.equals(wanted.output), `${sizes} under ${bytes}`);
        assert.deepEqual(omitted, wanted.omitted);
      }
    }
  });

  test(`keep: ${keep}: output that comes byte by byte takes little more than its bytes`, () => {
    const gc = globalThis.gc as () => void;
    const sink = new Capture(
      limit(1 << 19, keep),
      () => {},
      () => {},
    );
    const used = (): number => {
      gc();
      const { heapUsed, external } = process.memoryUsage();
      return heapUsed + external;
    };
    const before = used();
    for (let i = 0; i < 1 << 20; i++) sink.data(Buffer.of(i & 127));
    const after = used();
    assert.ok(after - before < 3 << 20, `${after - before} bytes`);
    assert.equal(sink.bytes().output.length, 1 << 19);
  });
}

test("without a limit everything is kept", async () => {
  const sink = await capture(pieces(ALL, 7), undefined);
  assert.deepEqual(sink.bytes(), { output: ALL, omitted: undefined });
  assert.deepEqual((await capture(["a\u00e9", "b"], undefined)).text(), { output: "aéb", omitted: undefined });
});

test("a large chunk is not held by what is kept of it", async () => {
  const sink = new Capture(
    limit(10, "tail"),
    () => {},
    () => {},
  );
  const chunks = [0, 1, 2].map((i) => Buffer.alloc(1 << 20, i));
  for (const chunk of chunks) sink.data(chunk);
  const { output } = sink.bytes();
  assert.deepEqual(output, Buffer.alloc(10, 2));
  assert.ok(chunks.every(({ buffer }) => buffer !== output.buffer));
  // It may lie in Node's pool for small buffers: 8 KiB, 64 KiB since Node 24, and some bytes more on Node 26.
  assert.ok(output.buffer.byteLength < 1 << 17);
});

test("text: a character cut in two is left out, and counts as missing, at every seam", async () => {
  const text = "aé€😀ñ".repeat(4);
  const all = Buffer.from(text);
  for (const keep of ["head", "tail", "both"] as const) {
    for (let bytes = 0; bytes < all.length; bytes++) {
      const { output, omitted } = (await capture(pieces(all, 5), limit(bytes, keep))).text();
      assert.ok(!output.includes("\ufffd"), `${keep} ${bytes}: ${output}`);
      assert.ok(omitted !== undefined);
      const { at } = omitted;
      const [head, tail] = [output.slice(0, at), output.slice(at)];
      assert.ok(text.startsWith(head) && text.endsWith(tail), `${keep} ${bytes}`);
      assert.equal(omitted.bytes, all.length - Buffer.byteLength(output), `${keep} ${bytes}`);
      // No more is left out than the rest of a character at each seam.
      assert.ok(Buffer.byteLength(output) > bytes - 7 && Buffer.byteLength(output) <= bytes);
    }
  }
});

test("text: bytes that are no UTF-8 are counted as they came, not as what stands for them", async () => {
  const { output, omitted } = (await capture([Buffer.alloc(100, 0xff)], limit(10, "head"))).text();
  assert.equal(output, "\ufffd".repeat(10));
  assert.deepEqual(omitted, { bytes: 90, at: 10 });
  const tail = (await capture([Buffer.alloc(100, 0x80)], limit(10, "tail"))).text();
  assert.deepEqual([tail.output, tail.omitted], ["\ufffd".repeat(7), { bytes: 93, at: 0 }]);
});

test("spill: the file has all of it, and is made only if it is needed", async () => {
  const files = new TemporaryFiles();
  const [path, other] = [files.path("all"), files.path("none")];
  const all = Buffer.from(Array.from({ length: 1_000_000 }, (_, i) => i % 251));
  const sink = await capture(pieces(all, 65536), limit(1000, "both", path));
  assert.ok(readFileSync(path).equals(all));
  assert.deepEqual(sink.bytes(), {
    output: expected(all, 1000, "both").output,
    omitted: { bytes: 999_000, at: 500, spill: path },
  });
  assert.equal((await capture(["1234"], limit(4, "head", other))).bytes().omitted, undefined);
  assert.throws(() => readFileSync(other), { code: "ENOENT" });
  files[Symbol.dispose]();
});

test("spill: backpressure of the file is passed on", async () => {
  const files = new TemporaryFiles();
  let resumed = 0;
  let done = false;
  const sink = new Capture(
    limit(0, "head", files.path("all")),
    () => resumed++,
    () => {
      done = true;
    },
  );
  assert.equal(sink.data(Buffer.alloc(1_000_000)), false);
  while (resumed === 0) await turn();
  sink.end();
  while (!done) await turn();
  assert.equal(readFileSync(files.path("all")).length, 1_000_000);
  files[Symbol.dispose]();
});

test("spill: a file that can't be written is told of, and the output goes on", async () => {
  const files = new TemporaryFiles();
  const cases: [path: string, code: string][] = [
    [files.path("no/such/directory"), "ENOENT"],
    [files.directory, "EISDIR"],
    [`${files.write("file", "")}/below`, "ENOTDIR"],
    ["/dev/full", "ENOSPC"],
  ];
  const all = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
  for (const [path, code] of cases) {
    for (const size of [100, 65536, 300_000]) {
      const sink = await capture(pieces(all, size), limit(1000, "both", path));
      const { output, omitted } = sink.bytes();
      assert.deepEqual(output, expected(all, 1000, "both").output, path);
      assert.equal(omitted?.bytes, 299_000);
      assert.equal((omitted?.spillError as NodeJS.ErrnoException | undefined)?.code, code);
      assert.equal(omitted?.spill, path);
    }
  }
  files[Symbol.dispose]();
});
