/**
 * Writing to a child: what arrives, how the stream ends, and what a child that has gone does to it.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { Readable, Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { act, filling, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

function write(stream: Writable, data: string | Buffer): Promise<NodeJS.ErrnoException | null | undefined> {
  return new Promise((resolve) => stream.write(data, resolve));
}

test("end() gives the child its end of file; 'finish' comes before 'close'", async () => {
  const child = await launch(act, ["count", "0"]);
  const events: string[] = [];
  for (const event of ["finish", "close", "error"]) child.stdin.on(event, () => events.push(event));
  child.stdin.write("12");
  child.stdin.end("345");
  assert.equal(await lineOf(child.stdout), "5");
  await child.closed;
  assert.deepEqual(events, ["finish", "close"]);
});

test("corked writes, strings in other encodings and bytes arrive in order", async () => {
  const child = await launch("cat");
  child.stdin.cork();
  child.stdin.write("a");
  child.stdin.write("YmM=", "base64");
  child.stdin.write(new Uint8Array([0x64]));
  child.stdin.uncork();
  child.stdin.end("65", "hex");
  assert.equal(await child.stdout.text(), "abcde");
  await child.closed;
});

test("pipeline() into a child and out of another, and Writable.toWeb()", async () => {
  const first = await launch("cat");
  const second = await launch(act, ["count", "0"]);
  await Promise.all([pipeline(Readable.from([filling(300_000), filling(1)]), first.stdin), pipeline(first.stdout, second.stdin)]);
  assert.equal(await second.stdout.text(), "300001\n");
  await Promise.all([first.closed, second.closed]);

  const third = await launch(act, ["count", "0"]);
  const writer = Writable.toWeb(third.stdin).getWriter();
  await writer.write(filling(100_000));
  await writer.close();
  assert.equal(await third.stdout.text(), "100000\n");
  await third.closed;
});

test("33: a write to a child that has closed its end, or has exited, fails with EPIPE", async () => {
  const child = await launch(act, ["close", "0", "say", "1", "closed", "pause"]);
  assert.equal(await lineOf(child.stdout), "closed");
  assert.equal((await write(child.stdin, "lost"))?.code, "EPIPE");
  assert.equal(child.stdin.destroyed, true);
  child.kill();
  await child.closed;

  const gone = await launch("true");
  const { stdin } = gone;
  await gone.closed;
  assert.equal((await write(stdin, "lost"))?.code, "EPIPE");
  // Also where the stream is touched only now.
  const untouched = await launch("true");
  await untouched.closed;
  assert.equal((await write(untouched.stdin, "lost"))?.code, "EPIPE");
});

test("33: writes that were on their way when the child exited fail with EPIPE, each told", async () => {
  const child = await launch(act, ["read", "exit", "0"]);
  const results = await Promise.all([filling(200_000), filling(10), filling(10)].map((data) => write(child.stdin, data)));
  assert.deepEqual(
    results.map((error) => error?.code),
    ["EPIPE", "EPIPE", "EPIPE"],
  );
  await child.closed;
});

test("33: a child that doesn't read its stdin never crashes us: no uncaughtException, no listener needed", async () => {
  const result = await runNode(`
    process.on("uncaughtException", (error) => { console.log("uncaught", error.code); });
    const data = Buffer.alloc(1_000_000);
    for (let i = 0; i < 20; i++) {
      const child = spawn("true");
      child.stdin.write(data);
      child.stdin.end(data);
      await child.closed;
      child.stdin.write(data);
    }
    const held = spawn("true", { stdin: data });
    await held.closed;
    console.log("well");
  `);
  assert.deepEqual(result, { code: 0, signal: null, stdout: "well\n", stderr: "" });
});

test("the stream over fd 0 closes when the child exits, without an error", async () => {
  const child = await launch(act, ["read"]);
  const events: string[] = [];
  for (const event of ["close", "error"]) child.stdin.on(event, () => events.push(event));
  const closed = once(child.stdin, "close");
  child.kill("SIGKILL");
  await child.closed;
  await closed;
  assert.deepEqual(events, ["close"]);
});

test("destroying stdin closes the pipe at once", async () => {
  const child = await launch(act, ["count", "0"]);
  child.stdin.destroy();
  assert.equal(await child.stdout.text(), "0\n");
  await child.closed;
});

test("stdin as text: written, ended, and no stream for us", async () => {
  const child = await launch("cat", [], { stdin: "grün" });
  assert.equal(child.stdin, null);
  assert.equal(child.fds.get(0), undefined);
  assert.deepEqual([...child.fds.keys()], [1, 2]);
  assert.equal(await child.stdout.text(), "grün");
  await child.closed;
});

test("chunks that gather while the pipe is full arrive whole and in order, of every size, and each is told", async () => {
  for (const stdin of ["pipe", "socket"] as const) {
    const child = await launch("cat", [], { stdin });
    const sizes = [100_000, 1, 0, 65_536, 3, 200_000, ...Array.from({ length: 300 }, (_, i) => i), 1_000_000, 0];
    const sum = sizes.reduce((total, size) => total + size, 0);
    const whole = filling(sum);
    const told: number[] = [];
    let at = 0;
    for (const [i, size] of sizes.entries()) {
      child.stdin.write(whole.subarray(at, at + size), () => told.push(i));
      at += size;
    }
    child.stdin.end();
    assert.ok((await child.stdout.bytes()).equals(whole), stdin);
    assert.deepEqual(told, [...sizes.keys()], stdin);
    await child.closed;
  }
});

test("chunks that have gathered when the child goes fail with EPIPE, each told", async () => {
  const child = await launch(act, ["pause"]);
  const outcomes = Array.from({ length: 200 }, () => write(child.stdin, filling(5000)));
  child.kill("SIGKILL");
  const codes = (await Promise.all(outcomes)).map((error) => error?.code);
  assert.equal(codes.at(-1), "EPIPE");
  await child.closed;
});

test("a chunk whose memory is transferred away while it waits costs no byte of the others", async () => {
  const child = await launch("cat");
  const first = new Uint8Array(filling(300_000));
  const second = new Uint8Array(1000);
  const third = Buffer.from("the third");
  for (const chunk of [first, second, third]) child.stdin.write(chunk);
  structuredClone(second.buffer, { transfer: [second.buffer] });
  child.stdin.end();
  assert.ok((await child.stdout.bytes()).equals(Buffer.concat([filling(300_000), third])));
  await child.closed;
});

test("a socket that took no more again and again takes more from then on", async () => {
  const child = await launch("cat", [], { stdin: "socket" });
  const all = write(child.stdin, filling(32_000_000));
  let left = 32_000_000;
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    left -= chunk.length;
    if (left === 0) break;
  }
  assert.equal(await all, null);
  child.kill("SIGSTOP");
  await child.wait({ stopped: true });
  // Nobody reads: as much as it holds is taken. Without room for more that would be three of them.
  const taken = [1, 2, 3, 4, 5].map(() => write(child.stdin, filling(65_536)));
  for (const error of await Promise.all(taken)) assert.ok(error == null);
  child.kill("SIGKILL");
  await child.closed;
});
