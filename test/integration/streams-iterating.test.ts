/**
 * `for await` over what a child writes takes chunks straight from the pipe: what that must not change.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable } from "node:stream";
import { act, filling } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const entries = ["pipe", "socket"] as const;

/** What became of a promise: its value, or its error's code. */
async function outcome(promise: Promise<unknown>): Promise<unknown> {
  try {
    return await promise;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error);
  }
}

test("chunks stay as they were delivered, whatever is read later", async () => {
  for (const stdout of entries) {
    const child = await launch(act, ["fill", "1", "20000000"], { stdout });
    const chunks: Buffer[] = [];
    for await (const chunk of child.stdout) chunks.push(chunk);
    assert.ok(Buffer.concat(chunks).equals(filling(20_000_000)), stdout);
    assert.ok(chunks.length > 1);
    await child.closed;
  }
});

test("a chunk can be written to without a trace in another", async () => {
  const child = await launch(act, ["fill", "1", "5000000"]);
  let at = 0;
  const whole = filling(5_000_000);
  for await (const chunk of child.stdout) {
    assert.ok(chunk.equals(whole.subarray(at, at + chunk.length)), `at ${at}`);
    at += chunk.length;
    chunk.fill(255);
  }
  assert.equal(at, whole.length);
  await child.closed;
});

test("what comes in pieces is given in pieces, each as soon as it is there", async () => {
  for (const stdout of entries) {
    const child = await launch("cat", [], { stdout });
    const pieces: string[] = [];
    child.stdin.write("1");
    for await (const chunk of child.stdout) {
      pieces.push(chunk.toString());
      if (pieces.length < 5) child.stdin.write(String(pieces.length + 1));
      else child.stdin.end();
    }
    assert.deepEqual(pieces, ["1", "2", "3", "4", "5"], stdout);
    await child.closed;
  }
});

test("a loop that always finds something to read leaves the event loop its turns", async () => {
  const child = await launch(act, ["fill", "1", "50000000"]);
  let chunks = 0;
  let inOneTurn = 0;
  let most = 0;
  let over = false;
  const turn = (): void => {
    inOneTurn = 0;
    if (!over) setImmediate(turn);
  };
  setImmediate(turn);
  for await (const chunk of child.stdout) {
    assert.ok(chunk.length > 0);
    chunks++;
    most = Math.max(most, ++inOneTurn);
  }
  over = true;
  assert.ok(most <= 40, `${most} of ${chunks} chunks in one turn`);
  await child.closed;
});

test("destroying the stream ends a loop that waits as it does Node's own", async () => {
  for (const stdout of entries) {
    for (const reason of [undefined, Object.assign(new Error("enough"), { code: "ENOUGH" })]) {
      const endings = [];
      for (const iterate of [
        (stream: Readable) => stream[Symbol.asyncIterator](),
        (stream: Readable) => Readable.prototype[Symbol.asyncIterator].call(stream),
      ]) {
        const child = await launch("cat", [], { stdout });
        const iterator = iterate(child.stdout);
        child.stdin.write("x");
        assert.equal(String((await iterator.next()).value), "x");
        const waiting = outcome(iterator.next());
        await new Promise(setImmediate);
        child.stdout.destroy(reason);
        endings.push(await waiting, await outcome(iterator.next()));
        await child.terminate();
        await child.closed;
      }
      assert.deepEqual(endings.slice(0, 2), endings.slice(2), stdout);
      assert.equal(endings[0], reason === undefined ? "ERR_STREAM_PREMATURE_CLOSE" : "ENOUGH");
    }
  }
});

test("destroying the stream in the loop's body ends the loop with an error, too", async () => {
  for (const stdout of entries) {
    const child = await launch(act, ["fill", "1", "1000000"], { stdout });
    const loop = (async () => {
      for await (const _ of child.stdout) child.stdout.destroy();
    })();
    assert.equal(await outcome(loop), "ERR_STREAM_PREMATURE_CLOSE", stdout);
    await child.closed;
  }
});

test("leaving the loop destroys the stream, also while a step waits; nothing comes after", async () => {
  for (const stdout of entries) {
    const child = await launch("cat", [], { stdout });
    const iterator = child.stdout[Symbol.asyncIterator]();
    const waiting = iterator.next();
    await new Promise(setImmediate);
    assert.deepEqual(await iterator.return?.(), { done: true, value: undefined });
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.deepEqual(await iterator.next(), { done: true, value: undefined });
    assert.equal(child.stdout.destroyed, true);
    await child.terminate();
    await child.closed;
  }
});

test("an iterator that was never asked leaves the stream alone", async () => {
  const child = await launch(act, ["say", "1", "hello"]);
  await child.stdout[Symbol.asyncIterator]().return?.();
  assert.equal(await child.stdout.text(), "hello\n");
  await child.closed;
});

test("steps that are asked for before the answer come in order, up to the end", async () => {
  const child = await launch("cat");
  const iterator = child.stdout[Symbol.asyncIterator]();
  const steps = [iterator.next(), iterator.next(), iterator.next(), iterator.next()];
  child.stdin.write("a");
  assert.equal(String((await steps[0])?.value), "a");
  child.stdin.write("b");
  assert.equal(String((await steps[1])?.value), "b");
  child.stdin.end();
  assert.deepEqual(await Promise.all(steps.slice(2)), Array(2).fill({ done: true, value: undefined }));
  await child.closed;
});

test("a 'data' listener that comes while a loop waits gets all that comes from then on", async () => {
  const child = await launch(act, ["read", "fill", "1", "3000000"]);
  const iterator = child.stdout[Symbol.asyncIterator]();
  const first = iterator.next();
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  await new Promise(setImmediate);
  child.stdin.write("x");
  // As with Node's own iterator: it moves the stream, and shares what it reads.
  for (let step = await first; step.done !== true; step = await iterator.next());
  assert.ok(Buffer.concat(chunks).equals(filling(3_000_000)));
  await child.closed;
});

test("steps by hand, then events: what was left comes by these", async () => {
  for (const stdout of entries) {
    const child = await launch(act, ["fill", "1", "3000000"], { stdout });
    const iterator = child.stdout[Symbol.asyncIterator]();
    const chunks = [(await iterator.next()).value, (await iterator.next()).value];
    assert.equal(child.stdout.readableDidRead, true);
    assert.equal(await outcome(child.output()), "ERR_INVALID_STATE");
    child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
    await once(child.stdout, "end");
    assert.ok(Buffer.concat(chunks).equals(filling(3_000_000)), stdout);
    await child.closed;
  }
});

test("an encoding, and bytes put back, are minded", async () => {
  const child = await launch("cat");
  const iterator = child.stdout[Symbol.asyncIterator]();
  child.stdin.write("one");
  assert.equal(String((await iterator.next()).value), "one");
  child.stdout.unshift(Buffer.from("back"));
  assert.equal(String((await iterator.next()).value), "back");
  child.stdout.setEncoding("hex");
  child.stdin.end("two");
  assert.equal((await iterator.next()).value, Buffer.from("two").toString("hex"));
  assert.equal((await iterator.next()).done, true);
  await child.closed;
});

test("after the loop 'end' and 'close' have been told", async () => {
  for (const stdout of entries) {
    const child = await launch(act, ["say", "1", "hello"], { stdout });
    const told: string[] = [];
    for (const event of ["end", "close"]) child.stdout.on(event, () => told.push(event));
    const closed = stdout === "pipe" ? once(child.stdout, "close") : undefined;
    let text = "";
    for await (const chunk of child.stdout) text += chunk;
    assert.equal(text, "hello\n");
    assert.equal(child.stdout.readableEnded, true);
    await closed;
    assert.equal(told[0], "end");
    await child.closed;
  }
});

test("with a buffer all chunks are views of it, and all bytes come, in order", async () => {
  for (const stdout of entries) {
    for (const size of [1, 4096, 65536, 1 << 20]) {
      const length = size === 1 ? 500 : 3_000_000;
      const child = await launch(act, ["fill", "1", `${length}`], { stdout });
      const buffer = Buffer.alloc(size + 2);
      const whole = filling(length);
      let at = 0;
      for await (const chunk of child.stdout.iterator({ buffer: buffer.subarray(1, size + 1) })) {
        assert.ok(Buffer.isBuffer(chunk));
        assert.ok(chunk.buffer === buffer.buffer);
        assert.equal(chunk.byteOffset, buffer.byteOffset + 1);
        assert.ok(chunk.equals(whole.subarray(at, at + chunk.length)), `at ${at}`);
        at += chunk.length;
      }
      assert.equal(at, length, `${stdout}, ${size}`);
      assert.deepEqual([buffer[0], buffer[size + 1]], [0, 0]);
      await child.closed;
    }
  }
});

test("a buffer is read into when a chunk is asked for, and not before", async () => {
  const child = await launch("cat", [], { stdout: "socket" });
  const buffer = new Uint8Array(100);
  const iterator = child.stdout.iterator({ buffer });
  child.stdin.write("one");
  assert.equal(String((await iterator.next()).value), "one");
  child.stdin.write("two");
  // It has gone through the child when the next is there, too: a second child would tell no more.
  child.stdin.end();
  await child.exited;
  assert.equal(Buffer.from(buffer).toString("latin1", 0, 3), "one");
  assert.equal(String((await iterator.next()).value), "two");
  assert.equal((await iterator.next()).done, true);
  await child.closed;
});

test("a child that has ended before the loop gives all, whatever the buffer", async () => {
  for (const stdout of entries) {
    const child = await launch(act, ["fill", "1", "40000"], { stdout });
    await child.exited;
    const parts: Buffer[] = [];
    const buffer = new Uint8Array(1000);
    for await (const chunk of child.stdout.iterator({ buffer })) {
      assert.ok(chunk.buffer === buffer.buffer);
      parts.push(Buffer.from(chunk));
    }
    assert.ok(Buffer.concat(parts).equals(filling(40_000)), stdout);
    await child.closed;
  }
});

test("two loops with a buffer each don't disturb one another", async () => {
  const counts = await Promise.all(
    [1, 2, 3].map(async () => {
      const child = await launch(act, ["fill", "1", "2000000"]);
      const whole = filling(2_000_000);
      let at = 0;
      for await (const chunk of child.stdout.iterator({ buffer: new Uint8Array(10_000) })) {
        await new Promise(setImmediate);
        assert.ok(chunk.equals(whole.subarray(at, at + chunk.length)), `at ${at}`);
        at += chunk.length;
      }
      await child.closed;
      return at;
    }),
  );
  assert.deepEqual(counts, [2_000_000, 2_000_000, 2_000_000]);
});

test("a buffer that is transferred away while the loop runs costs no byte", async () => {
  for (const stdout of entries) {
    const child = await launch("cat", [], { stdout });
    const buffer = new Uint8Array(1000);
    const iterator = child.stdout.iterator({ buffer });
    child.stdin.write("1");
    assert.equal(String((await iterator.next()).value), "1");
    const waiting = iterator.next();
    await new Promise(setImmediate);
    structuredClone(buffer.buffer, { transfer: [buffer.buffer] });
    assert.equal(buffer.length, 0);
    child.stdin.write("2");
    assert.equal(String((await waiting).value), "2");
    child.stdin.end("3");
    assert.equal(String((await iterator.next()).value), "3");
    assert.equal((await iterator.next()).done, true);
    await child.closed;
  }
});

test("left with destroyOnReturn: false the stream goes on where the loop was", async () => {
  for (const buffer of [undefined, new Uint8Array(10)]) {
    const child = await launch("cat");
    const options = { destroyOnReturn: false, ...(buffer && { buffer }) };
    child.stdin.write("one");
    for await (const chunk of child.stdout.iterator(options)) {
      assert.equal(String(chunk), "one");
      break;
    }
    assert.equal(child.stdout.destroyed, false);
    const iterator = child.stdout.iterator(options);
    const waiting = iterator.next();
    const returned = iterator.return?.();
    child.stdin.write("two");
    assert.equal(String((await waiting).value), "two");
    assert.equal((await returned)?.done, true);
    assert.equal((await iterator.next()).done, true);
    child.stdin.end("three");
    assert.equal(await child.stdout.text(), "three");
    await child.closed;
  }
});

test("wrong options of iterator() are refused, and the stream is as it was", async () => {
  const child = await launch(act, ["say", "1", "hello"]);
  const wrong: [options: object, code: string, says: RegExp][] = [
    [{ buffer: 65536 }, "ERR_INVALID_ARG_TYPE", /^options\.buffer must be a Uint8Array, not 65536/],
    [{ buffer: new ArrayBuffer(10) }, "ERR_INVALID_ARG_TYPE", /^options\.buffer must be a Uint8Array/],
    [{ buffer: new Uint8Array(0) }, "ERR_INVALID_ARG_VALUE", /^options\.buffer must not be empty/],
    [{ destroyOnReturn: 1 }, "ERR_INVALID_ARG_TYPE", /^options\.destroyOnReturn must be a boolean, not 1/],
    [{ buffers: [] }, "ERR_UNKNOWN_OPTION", /did you mean "buffer"/],
  ];
  for (const [options, code, message] of wrong)
    assert.throws(() => child.stdout.iterator(options), { name: "TypeError", code, message });
  assert.throws(() => child.stdout.iterator(null as never), { code: "ERR_INVALID_ARG_TYPE" });
  assert.equal(await child.stdout.text(), "hello\n");
  await child.closed;
});
