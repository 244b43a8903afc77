/**
 * Output that is kept natively to its end: each promise of run() and output() where no stream, no bound and no
 * earlier reader asks for the way through JavaScript.
 */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { setImmediate as turn } from "node:timers/promises";
import { TextDecoder } from "node:util";
import { AbortError, run, spawn, TimeoutError } from "brood";
import { type Addon, addon } from "#dist/native/addon.js";
import { act, filling } from "../helpers/act.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { withLimit } from "../helpers/limits.js";
import { test } from "../helpers/test.js";

/** The functions of the addon that were called meanwhile. The package has the same one. */
async function called(names: (keyof Addon)[], body: () => Promise<unknown>): Promise<Record<string, number>> {
  const native = addon() as unknown as Record<string, (...args: unknown[]) => unknown>;
  const before = names.map((name) => native[name] as (...args: unknown[]) => unknown);
  const counts: Record<string, number> = {};
  names.forEach((name, i) => {
    counts[name] = 0;
    native[name] = (...args) => {
      counts[name] = (counts[name] as number) + 1;
      return before[i]?.(...args);
    };
  });
  try {
    await body();
  } finally {
    names.forEach((name, i) => {
      native[name] = before[i] as (...args: unknown[]) => unknown;
    });
  }
  return counts;
}

const reads = (body: () => Promise<unknown>) => called(["capture", "captureTake", "read", "arm"], body);

test("whole output is kept natively and taken once, whatever its size; nothing else reads", async () => {
  assert.deepEqual(await reads(() => run(act, ["fill", "1", "3000000", "say", "2", "x"])), {
    capture: 2,
    captureTake: 2,
    read: 0,
    arm: 0,
  });
});

test("a bound, a socket, a stream that was touched and a late output() go the other way", async () => {
  const counts = await reads(async () => {
    await run(act, ["fill", "1", "3000"], { maxOutput: 10, stderr: "ignore" });
    await run(act, ["fill", "1", "3000"], { stdout: "socket", stderr: "ignore" });
    const touched = spawn(act, ["fill", "1", "3000"], { stderr: "ignore" });
    touched.stdout.pause();
    assert.equal((await touched.output({ encoding: "buffer" })).stdout.length, 3000);
    const late = spawn(act, ["fill", "1", "3000"], { stderr: "ignore" });
    await late.closed;
    assert.equal((await late.output({ encoding: "buffer" })).stdout.length, 3000);
  });
  assert.equal(counts["capture"], 0);
});

test("a pipe that gives much grows, once; one that gives little or has a size that was asked for does not", async () => {
  const grown = async (...call: [string, object?]) =>
    (await called(["grow"], () => run(act, ["fill", "1", call[0]], { encoding: "buffer", ...call[1] })))["grow"];
  assert.equal(await grown("9000000"), 1);
  assert.equal(await grown("900000"), 0);
  assert.equal(await grown("9000000", { stdout: { pipe: "r", size: 1 << 17 } }), 0);
});

test("every size around those of the memory and of the pipe, as bytes and as text", async () => {
  for (const size of [0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 131071, 131073, 1048577, 5000001, 20000003]) {
    const { stdout } = await run(act, ["fill", "1", `${size}`], { encoding: "buffer" });
    assert.ok(Buffer.isBuffer(stdout) && stdout.equals(filling(size)), `${size}`);
    assert.equal((await run(act, ["fill", "1", `${size}`])).stdout, filling(size).toString(), `${size}`);
  }
});

test("bytes are the receiver's own: they can be written to, transferred, and outlive the child", async () => {
  for (const size of [100, 1_000_000]) {
    const { stdout } = await run(act, ["fill", "1", `${size}`], { encoding: "buffer" });
    (globalThis.gc as () => void)();
    stdout[0] = 255;
    stdout[size - 1] = 254;
    const copy = structuredClone(stdout);
    assert.deepEqual([copy[0], copy[size - 1], copy.length], [255, 254, size]);
    assert.equal(stdout.buffer.byteLength >= size, true);
  }
});

test("bytes that aren't UTF-8 become text as TextDecoder has it, in any size; a byte order mark stays", async () => {
  const files = new TemporaryFiles();
  const path = files.path("bytes");
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const odd = [
    [0xff],
    [0xc0, 0x80],
    [0xe2, 0x82],
    [0xe2, 0x82, 0x41],
    [0xed, 0xa0, 0x80],
    [0xf0, 0x9f, 0x98, 0x80],
    [0xf4, 0x90, 0x80, 0x80],
    [0xf0, 0x9f, 0x98],
    [0xef, 0xbb, 0xbf, 0x61],
    [0x61, 0xef, 0xbb, 0xbf],
    [0],
    [0xc3, 0xbc],
    [0x80, 0xbf, 0x80],
  ].map((bytes) => Buffer.from(bytes));
  const seeds = [...odd, Buffer.concat(odd), Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7919 + (i >> 3)) & 255))];
  for (const seed of seeds) {
    for (const before of [0, 1, 4094, 70_001, 262_143, 300_007]) {
      const bytes = Buffer.concat([Buffer.alloc(before, "a"), seed, seed, Buffer.alloc(before % 3, "a")]);
      writeFileSync(path, bytes);
      const { stdout } = await run("cat", [path]);
      assert.equal(stdout, decoder.decode(bytes), `${before} and ${seed.subarray(0, 10).toString("hex")}`);
    }
  }
  files[Symbol.dispose]();
});

test("large ASCII text is a string as any, and stays what it is", async () => {
  using files = new TemporaryFiles();
  const path = files.path("text");
  for (const size of [262_143, 262_144, 262_145, 3_000_001]) {
    const expected = "the quick brown fox\0\n".repeat(150_000).slice(0, size);
    writeFileSync(path, expected);
    const { stdout } = await run("cat", [path]);
    (globalThis.gc as () => void)();
    assert.ok(stdout === expected, `${size}`);
    assert.equal(stdout.slice(-1000), expected.slice(-1000));
    assert.equal(stdout.split("\n").length, expected.split("\n").length);
    assert.equal(JSON.stringify(stdout), JSON.stringify(expected));
    assert.equal(Buffer.from(stdout).length, size);
    assert.equal(structuredClone(stdout).length, size);
    assert.equal(`${stdout}é`.length, size + 1);
  }
});

test("what came before a timeout, an abort or the end of the scope is kept", async () => {
  const talking = ["say", "1", "first", "fill", "2", "100000", "pause"];
  await withLimit(300, async (timeout) => {
    const error = await run(act, talking, { timeout }).catch((thrown) => thrown);
    assert.ok(error instanceof TimeoutError);
    if (String(error.stderr).length < 100_000) return false;
    assert.equal(error.stdout, "first\n");
    assert.equal(error.stderr, filling(100_000).toString());
    return true;
  });
  const abort = new AbortController();
  const child = await launch(act, [...talking.slice(0, 6), "say", "3", "now", "pause"], {
    signal: abort.signal,
    fds: { 3: "pipe" },
  });
  child.fds.get(3)?.once("data", () => abort.abort());
  const cut = await child.output({ encoding: "buffer" });
  assert.deepEqual([cut.reason, cut.stdout.toString(), cut.stderr.length], ["aborted", "first\n", 100_000]);
  await assert.rejects(run(act, talking, { signal: AbortSignal.timeout(300) }), AbortError);

  const left = await launch(act, ["say", "1", "first", "say", "3", "now", "pause"], { fds: { 3: "pipe" } });
  const said = new Promise((resolve) => left.fds.get(3)?.once("data", resolve));
  const output = left.output();
  await said;
  await left[Symbol.asyncDispose]();
  assert.deepEqual([(await output).stdout, (await output).reason], ["first\n", "terminated"]);

  const dropped = await launch(act, ["say", "1", "first", "say", "3", "now", "pause"], { fds: { 3: "pipe" } });
  const heard = new Promise((resolve) => dropped.fds.get(3)?.once("data", resolve));
  const kept = dropped.output();
  await heard;
  dropped[Symbol.dispose]();
  dropped.ref();
  assert.equal((await kept).stdout, "first\n");
});

test("who holds the pipe beyond the exit is given up with all that came, and told of", async () => {
  const result = await run("sh", ["-c", "echo early; sleep 60 & echo $!"], { drain: { timeout: 0 }, encoding: "buffer" });
  const [early, pid] = result.stdout.toString().split("\n");
  process.kill(Number(pid), "SIGKILL");
  assert.equal(early, "early");
  assert.equal(result.drained, false);
  assert.deepEqual(
    result.heldBy.map(({ pid: holder, fds }) => [holder, fds]),
    [[Number(pid), [1, 2]]],
  );
});

test("bytes that wait while our own thread is busy are not the child's silence", async () => {
  const child = await launch(act, ["say", "1", "ready", "read", "fill", "2", "70000", "read", "say", "1", "over"], {
    idleTimeout: 400,
  });
  const output = child.output({ encoding: "buffer" });
  await turn();
  child.stdin.write("x");
  await turn();
  // The pipe of 64 KiB stays full meanwhile: the child can't go on, and it isn't its fault.
  const until = performance.now() + 900;
  while (performance.now() < until);
  child.stdin.end("x");
  const { stdout, stderr, reason } = await output;
  assert.deepEqual([reason, stdout.toString(), stderr.length], ["exit", "ready\nover\n", 70_000]);
});

test("a pipe of packets, of which a read takes one, is read to its end", async () => {
  const script = `import fcntl, os
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
for i in range(10): os.write(1, b"packet %d\\n" % i)`;
  const { stdout } = await run("python3", ["-c", script]);
  assert.equal(stdout, Array.from({ length: 10 }, (_, i) => `packet ${i}\n`).join(""));
});

test("a large pipe, and several children that all write at once, each get their own bytes in order", async () => {
  const outputs = await Promise.all(
    Array.from({ length: 120 }, (_, i) =>
      run(act, ["fill", "1", `${50_000 + i}`, "say", "2", `${i}`], { encoding: "buffer", stdout: { pipe: "r", size: 1 << 17 } }),
    ),
  );
  outputs.forEach(({ stdout, stderr }, i) => {
    assert.ok(stdout.equals(filling(50_000 + i)), `${i}`);
    assert.equal(stderr.toString(), `${i}\n`);
  });
});

test("one that writes all the time does not keep the event loop from its turns", async () => {
  // One turn takes a MiB of it at most.
  const output = run("head", ["-c", `${48 << 20}`, "/dev/zero"], { encoding: "buffer" });
  let over = false;
  let turns = 0;
  void output.then(() => {
    over = true;
  });
  for (; !over; turns++) await turn();
  assert.ok(turns >= 48, `${turns} turns`);
  assert.equal((await output).stdout.length, 48 << 20);
});

test("memory of outputs that nobody has any more is given back", async () => {
  const gc = globalThis.gc as () => void;
  const round = async (): Promise<void> => {
    for (let i = 0; i < 4; i++) await run("head", ["-c", "33554432", "/dev/zero"], { encoding: i % 2 === 0 ? "buffer" : "utf8" });
    gc();
    // The runtime frees in a later turn.
    await turn();
    await turn();
  };
  await round();
  const before = process.memoryUsage.rss();
  for (let i = 0; i < 5; i++) await round();
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < 200e6, `grew by ${grown}, of ${20 * 33.5e6}`);
});
