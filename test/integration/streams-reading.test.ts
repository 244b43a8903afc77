/**
 * Every way of reading a Node stream gives the same bytes.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { PassThrough, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ChildReadable } from "brood";
import { act, filling } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const COUNT = 300_000;
const expected = filling(COUNT);

async function gather(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function onData(stream: ChildReadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  return once(stream, "end").then(() => Buffer.concat(chunks));
}

function onReadable(stream: ChildReadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("readable", () => {
    for (let chunk: Buffer | null = stream.read(); chunk !== null; chunk = stream.read()) chunks.push(chunk);
  });
  return once(stream, "end").then(() => Buffer.concat(chunks));
}

/** Pauses after each chunk until the next turn. */
function byTurns(stream: ChildReadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => {
    assert.equal(stream.isPaused(), false);
    chunks.push(chunk);
    stream.pause();
    setImmediate(() => stream.resume());
  });
  return once(stream, "end").then(() => Buffer.concat(chunks));
}

async function piped(stream: ChildReadable): Promise<Buffer> {
  const through = new PassThrough();
  stream.pipe(through);
  return gather(through);
}

async function pipelined(stream: ChildReadable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      setImmediate(done);
    },
  });
  await pipeline(stream, sink);
  return Buffer.concat(chunks);
}

async function throughWeb(stream: ChildReadable): Promise<Buffer> {
  const { Readable } = await import("node:stream");
  return gather(Readable.toWeb(stream) as unknown as AsyncIterable<Buffer>);
}

const ways: Record<string, (stream: ChildReadable) => Promise<Buffer>> = {
  "for await": gather,
  '"data" events': onData,
  '"readable" events': onReadable,
  "pause() and resume()": byTurns,
  "pipe()": piped,
  "pipeline()": pipelined,
  "Readable.toWeb()": throughWeb,
  "bytes()": (stream) => stream.bytes(),
};

for (const [name, read] of Object.entries(ways)) {
  test(`all bytes come in order by ${name}`, async () => {
    const child = await launch(act, ["fill", "1", String(COUNT)]);
    const bytes = await read(child.stdout);
    assert.equal(bytes.length, COUNT);
    assert.ok(bytes.equals(expected));
    await child.closed;
  });
}

test("setEncoding gives strings, and no character is torn at the border of two chunks", async () => {
  const child = await launch("sh", ["-c", "printf 'gr\\303'; read _; printf '\\274n'"]);
  child.stdout.setEncoding("utf8");
  const chunks: string[] = [];
  child.stdout.on("data", (chunk: string) => {
    chunks.push(chunk);
    child.stdin.end("\n");
  });
  await child.closed;
  assert.deepEqual(chunks, ["gr", "ün"]);
});

test("text() puts characters together that came in pieces, and replaces what isn't UTF-8", async () => {
  const child = await launch("sh", ["-c", "printf 'gr\\303'; read _; printf '\\274n \\377'"]);
  const text = child.stdout.text();
  child.stdin.end("\n");
  assert.equal(await text, "grün \ufffd");
  await child.closed;
});

test("what a 'data' listener gets has all come when closed settles", async () => {
  const child = await launch(act, ["fill", "1", "2500000"]);
  let count = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    count += chunk.length;
  });
  await child.closed;
  assert.equal(count, 2_500_000);
});

for (const stdout of ["pipe", "socket"] as const) {
  test(`${stdout}: text() and bytes() give a stream's content once; afterwards they say so, where they gave nothing`, async () => {
    const child = await launch(act, ["fill", "1", "100"], { stdout });
    const reading = child.stdout.bytes();
    await assert.rejects(child.stdout.text(), { code: "ERR_INVALID_STATE" });
    assert.equal((await reading).length, 100);
    await assert.rejects(child.stdout.text(), { code: "ERR_INVALID_STATE" });
    await child.closed;
  });

  test(`${stdout}: text() after a loop that was left says that it has destroyed the stream; what a loop has left open, it reads`, async () => {
    const left = await launch("printf", ["one\ntwo\nthree\n"], { stdout });
    for await (const line of left.stdout.lines()) {
      assert.equal(line, "one");
      break;
    }
    await assert.rejects(left.stdout.text(), { code: "ERR_INVALID_STATE" });
    await left.closed;

    const open = await launch("sh", ["-c", "echo one; read -r line; echo two"], { stdout });
    for await (const chunk of open.stdout.iterator({ destroyOnReturn: false })) {
      assert.equal(chunk.toString(), "one\n");
      break;
    }
    open.stdin.end("\n");
    assert.equal(await open.stdout.text(), "two\n");
    await open.closed;
  });
}
