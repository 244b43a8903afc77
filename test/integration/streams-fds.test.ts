/**
 * Streams over fds other than 0 to 2, and the two-way "socket".
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { Duplex, Readable, Writable } from "node:stream";
import type { ChildDuplex } from "brood";
import { act, filling, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("reading fd 3 and writing fd 4", async () => {
  const child = await launch("sh", ["-c", "cat <&4 >&3"], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    fds: { 3: "pipe", 4: { pipe: "w" } },
  });
  assert.equal(child.stdin, null);
  assert.equal(child.stdout, null);
  assert.deepEqual([...child.fds.keys()], [3, 4]);
  assert.equal(child.fds.has(3), true);
  assert.equal(child.fds.has(1), false);
  const [from, to] = [child.fds.get(3) as Readable, child.fds.get(4) as Writable];
  assert.ok(from instanceof Readable && !(from instanceof Duplex));
  assert.ok(to instanceof Writable && !(to instanceof Duplex));
  to.end(filling(300_000));
  const chunks: Buffer[] = [];
  for await (const chunk of from) chunks.push(chunk);
  assert.ok(Buffer.concat(chunks).equals(filling(300_000)));
  await child.closed;
});

test("a stream is made once: each look gives the same", async () => {
  const child = await launch("true");
  assert.equal(child.stdout, child.stdout);
  assert.equal(child.fds.get(1), child.stdout);
  await child.closed;
  assert.equal(child.fds.get(1), child.stdout);
});

test("a socket goes both ways over one fd", async () => {
  const child = await launch(act, ["say", "0", "hello", "count", "0"], { stdin: "socket" });
  assert.ok(child.stdin instanceof Duplex);
  assert.equal(await lineOf(child.stdin), "hello");
  child.stdin.end("four");
  assert.equal(await lineOf(child.stdout), "4");
  await child.closed;
});

test("half-close: our end() is the child's end of file, and what it answers still comes", async () => {
  const child = await launch("sh", ["-c", "wc -c <&0 >&0; printf '%0200000d' 0 >&0"], { stdin: "socket", stdout: "ignore" });
  child.stdin.end(filling(100_000));
  const text = await child.stdin.text();
  assert.equal(text.length, "100000\n".length + 200_000);
  assert.ok(text.startsWith("100000\n"));
  await child.closed;
});

test("half-close from the child: we read the end, and can still write", async () => {
  const script = "shutdown STDIN, 1; local $/; my $all = <STDIN>; print length $all;";
  const child = await launch("perl", ["-e", script], { stdin: "socket" });
  child.stdin.resume();
  await once(child.stdin, "end");
  assert.equal(child.exit, null);
  child.stdin.end(filling(1000));
  assert.equal(await child.stdout.text(), "1000");
  await child.closed;
});

test("a socket whose child goes without reading what we wrote ends cleanly, with all that the child wrote", async () => {
  const child = await launch(act, ["say", "1", "ready", "read", "fill", "0", "100000"], { stdin: "socket" });
  assert.equal(await lineOf(child.stdout), "ready");
  child.stdin.write(filling(1000));
  assert.ok((await child.stdin.bytes()).equals(filling(100_000)));
  await child.closed;
});

test("33: a write that fails on a socket doesn't lose what the child wrote before it went", async () => {
  const child = await launch(act, ["fill", "0", "50000"], { stdin: "socket" });
  const { stdin }: { stdin: ChildDuplex } = child;
  // The child has gone, but its exit has not been seen in this turn yet.
  while (stdin.write(filling(1000))) await new Promise(setImmediate);
  const failed = new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => stdin.write("more", resolve));
  assert.ok((await stdin.bytes()).equals(filling(50_000)));
  assert.equal((await failed)?.code, "EPIPE");
  await child.closed;
});

test("an unended socket closes by itself when the child has gone and all is read", async () => {
  const child = await launch("true", [], { stdin: "socket" });
  const closed = once(child.stdin, "close");
  child.stdin.resume();
  await closed;
  await child.closed;
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) => child.stdin.write("late", resolve));
  assert.ok(error instanceof Error);
});

test("an unended socket whose end came before the child's exit closes at the exit", async () => {
  const child = await launch(act, ["close", "0", "read", "pause"], { stdin: "socket" });
  const events: string[] = [];
  for (const event of ["end", "close"]) child.stdin.on(event, () => events.push(event));
  child.stdin.resume();
  await once(child.stdin, "end");
  assert.deepEqual(events, ["end"]);
  child.kill();
  await once(child.stdin, "close");
  await child.closed;
});

test("destroying a socket closes both ways", async () => {
  const child = await launch(act, ["count", "0"], { stdin: "socket" });
  child.stdin.destroy();
  assert.equal(await child.stdout.text(), "0\n");
  await child.closed;
});
