/**
 * Whoever is slow makes the other side wait, and nobody's memory grow.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { act, filling, lineOf, processState } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

/** Waits until a process sleeps in the kernel with nothing going on: its CPU time stands still. */
async function blocked(pid: number): Promise<void> {
  for (let last = "", same = 0; same < 5; ) {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
    const now = `${stat[0]} ${stat[11]} ${stat[12]} ${readFileSync(`/proc/${pid}/io`, "utf8")}`;
    same = now === last && stat[0] === "S" ? same + 1 : 0;
    last = now;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("a child that doesn't read makes write() give false, and 'drain' comes when it does", async () => {
  const child = await launch(act, ["say", "1", "ready", "pause"], { stdin: "pipe" });
  assert.equal(await lineOf(child.stdout), "ready");
  const block = filling(65_536);
  let writes = 1;
  while (child.stdin.write(block)) writes++;
  assert.ok(writes <= 3, `${writes} blocks were taken without a reader`);
  assert.equal(child.stdin.writableNeedDrain, true);
  child.kill("SIGKILL");
  await child.closed;

  const reader = await launch(act, ["say", "1", "ready", "count", "0"], { stdin: "pipe" });
  assert.equal(await lineOf(reader.stdout), "ready");
  // Stopped, so that it can't be faster than we are.
  reader.kill("SIGSTOP");
  let written = 1;
  while (reader.stdin.write(block)) written++;
  const drained = once(reader.stdin, "drain");
  reader.kill("SIGCONT");
  await drained;
  reader.stdin.end();
  assert.equal(await lineOf(reader.stdout), String(written * block.length));
  await reader.closed;
});

test("a reader that pauses blocks the child, and our memory stays flat", async () => {
  const size = 200 << 20;
  const before = process.memoryUsage().rss;
  const child = await launch(act, ["fill", "1", String(size), "say", "2", "done"]);
  child.stdout.once("data", () => child.stdout.pause());
  await once(child.stdout, "pause");
  await blocked(child.pid);
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 50 << 20, `grew by ${grown >> 20} MiB`);
  assert.ok(child.stdout.readableLength <= 3 * 65_536, `${child.stdout.readableLength} bytes are buffered`);
  assert.equal(child.exit, null);
  assert.equal(child.stderr.read(), null);
  let count = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    count += chunk.length;
  });
  child.stdout.resume();
  await child.closed;
  // The first chunk went to the listener that paused.
  assert.ok(count >= size - 65_536 && count < size, `${count}`);
});

test("a consumer slower than the child keeps at most a few chunks in memory", async () => {
  const child = await launch(act, ["fill", "1", "5000000"]);
  let count = 0;
  let most = 0;
  for await (const chunk of child.stdout) {
    count += chunk.length;
    most = Math.max(most, child.stdout.readableLength);
    await new Promise(setImmediate);
  }
  assert.equal(count, 5_000_000);
  assert.ok(most <= 3 * 65_536, `${most} bytes were buffered`);
  await child.closed;
});

test("a stream that nobody touches blocks a child that writes more than its pipe holds", async () => {
  const child = await launch(act, ["fill", "1", "1000000"]);
  await blocked(child.pid);
  assert.equal(child.exit, null);
  assert.equal((await child.stdout.bytes()).length, 1_000_000);
  await child.closed;
});

test("a pipe that is seen full again and again grows, unless its size was asked for", async () => {
  const block = 251 * 256;
  // The last page of each write is not filled up by the next, and one that was read in part takes the place of a page.
  const unfilled = Math.ceil((1 << 19) / block) * (4096 - (block % 4096)) + 4096;
  for (const [stdout, least, most] of [
    ["pipe", (1 << 19) - unfilled, (1 << 19) + 2 * block],
    [{ pipe: "r", size: 65_536 }, 0, 3 * block],
    [{ pipe: "r", size: 131_072 }, 0, 4 * block],
  ] as const) {
    const child = await launch(act, ["fill", "1", "50000000"], { stdout });
    const chunks = child.stdout[Symbol.asyncIterator]();
    let read = 0;
    while (read < 20_000_000) read += (await chunks.next()).value.length;
    await blocked(child.pid);
    const written = Number(/wchar: (\d+)/.exec(readFileSync(`/proc/${child.pid}/io`, "utf8"))?.[1]);
    // The write that waits is not counted; it has filled what was left.
    const waiting = written + block - read;
    assert.ok(waiting >= least && waiting <= most, `${waiting} bytes are on their way through ${JSON.stringify(stdout)}`);
    child.kill("SIGKILL");
    await child.closed;
  }
});

test("the same of a pipe that we write", async () => {
  const block = Buffer.alloc(65_536, 1);
  const written = (): number => Number(/wchar: (\d+)/.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
  for (const [stdin, expected] of [
    ["pipe", 1 << 19],
    [{ pipe: "w", size: 65_536 }, 65_536],
  ] as const) {
    const child = await launch(act, ["count", "0"], { stdin });
    for (let i = 0; i < 300; i++) {
      // More than the pipe holds, so that it is found full.
      child.stdin.cork();
      for (let j = 0; j < 10; j++) child.stdin.write(block);
      child.stdin.uncork();
      if (child.stdin.writableNeedDrain) await once(child.stdin, "drain");
    }
    await blocked(child.pid);
    child.kill("SIGSTOP");
    // A read that it sleeps in would still take what is written before it has seen the signal.
    while (processState(child.pid) !== "T") await new Promise((resolve) => setTimeout(resolve, 5));
    const before = written();
    for (let j = 0; j < 20; j++) child.stdin.write(block);
    for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
    const taken = written() - before;
    // Others of this process may have written a little, too.
    assert.ok(taken >= expected && taken < expected + 32_768, `${JSON.stringify(stdin)} took ${taken}`);
    child.kill("SIGCONT");
    child.stdin.end();
    assert.equal(await lineOf(child.stdout), String((300 * 10 + 20) * block.length));
    await child.closed;
  }
});
