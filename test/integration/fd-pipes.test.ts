/**
 * Pipes and sockets between us and the child, on any fd, and text for its fd 0.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { fdsOf, reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

test('"pipe" is a pipe, blocking in the child: fd 0 to read, any other to write', async () => {
  const report = await reportOf({ fds: { 7: "pipe" } });
  assert.deepEqual(fdsOf(report), [0, 1, 2, 7]);
  for (const [fd, access] of [
    [0, "r"],
    [1, "w"],
    [2, "w"],
    [7, "w"],
  ] as const) {
    const { kind, access: got, nonblock } = report.fds[fd] as NonNullable<(typeof report.fds)[number]>;
    assert.deepEqual([kind, got, nonblock], ["pipe", access, false], `fd ${fd}`);
  }
});

test("{pipe} says the direction from our side", async () => {
  const report = await reportOf({ stdin: { pipe: "r" }, fds: { 3: { pipe: "w" } } });
  assert.equal(report.fds[0]?.access, "w");
  assert.equal(report.fds[3]?.access, "r");
  const child = await launch("sh", ["-c", "cat >&0 <&3"], { stdin: { pipe: "r" }, fds: { 3: { pipe: "w" } } });
  const three = child.fds.get(3) as NodeJS.WritableStream;
  three.end("through 3, out of 0");
  assert.equal(await child.stdin.text(), "through 3, out of 0");
  await child.closed;
});

test("a pipe holds as much as was asked for, though nobody reads it, and gives it all", async () => {
  const write = "head -c 300000 /dev/zero; echo written >&2";
  const child = await launch("sh", ["-c", write], { stdin: "ignore", stdout: { pipe: "r", size: 300_000 } });
  // It comes so far only if all of it went into the pipe.
  assert.equal(await child.stderr.text(), "written\n");
  assert.equal((await child.stdout.bytes()).length, 300_000);
  await child.closed;
});

test("what goes through a large pipe arrives whole and in order, both ways", async () => {
  const size = 1 << 20;
  const child = await launch("cat", [], { stdin: { pipe: "w", size }, stdout: { pipe: "r", size }, stderr: "ignore" });
  const sent = Buffer.from(Uint32Array.from({ length: 1_500_000 }, (_, i) => i).buffer);
  child.stdin.end(sent);
  assert.ok((await child.stdout.bytes()).equals(sent));
  await child.closed;
});

test("a size that the kernel refuses is none", async () => {
  const { stdout } = await inNode<{ stdout: string }>(
    `process.setgid(65534);
    process.setuid(65534);
    const child = await launch("/bin/echo", ["small"], { stdout: { pipe: "r", size: 0x7fffffff } });
    const { stdout } = await child.output();
    done({ stdout });`,
  );
  assert.equal(stdout, "small\n");
});

test("the child never has our ends: the end of what we write arrives, and of what it writes", async () => {
  const child = await launch("sh", ["-c", "cat; cat <&3 >&4"], { fds: { 3: { pipe: "w" }, 4: { pipe: "r" } } });
  child.stdin.end("one");
  (child.fds.get(3) as NodeJS.WritableStream).end("two");
  const { stdout, fds } = await child.output();
  assert.equal(stdout, "one");
  assert.deepEqual(fds, { 4: "two" });
});

test("another child does not hold a first one's pipes", async () => {
  await using first = await launch("cat", []);
  await using second = await launch("cat", []);
  first.stdin.end("x");
  // Were the second one to hold the writing end, this would not end.
  assert.equal(await first.stdout.text(), "x");
  second.stdin.end();
  await second.closed;
});

test('"socket" is a stream socket, both ways, on any fd', async () => {
  const report = await reportOf({ stdin: "socket", fds: { 5: "socket" } });
  for (const fd of [0, 5]) {
    assert.equal(report.fds[fd]?.kind, "socket");
    assert.equal(report.fds[fd]?.access, "rw");
    assert.equal(report.fds[fd]?.nonblock, false);
  }
  const sent = "back and forth\n".repeat(10_000);
  const child = await launch("sh", ["-c", "cat <&5 >&5"], { fds: { 5: "socket" } });
  const five = child.fds.get(5) as NodeJS.ReadWriteStream & { text(): Promise<string> };
  five.end(sent);
  assert.equal(await five.text(), sent);
  await child.closed;
});

test("stdin as text and as bytes, whatever is in them, then its end", async () => {
  const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
  for (const stdin of ["grüße\0\n", "", bytes, new Uint8Array(0)]) {
    const child = await launch("cat", [], { stdin });
    const { stdout } = await child.output({ encoding: "buffer" });
    assert.deepEqual(stdout, Buffer.from(stdin as string));
  }
});

test("stdin as text larger than a pipe", async () => {
  const text = "0123456789\n".repeat(100_000);
  const child = await launch("cat", [], { stdin: text });
  assert.equal((await child.output()).stdout, text);
});

test("stdin as text for a child that does not read it is no error", async () => {
  const child = await launch("true", [], { stdin: "x".repeat(1_000_000) });
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 0);
});

test("stdin as bytes is taken as it was at the spawn", async () => {
  const bytes = Buffer.alloc(300_000, "a");
  const child = await launch("cat", [], { stdin: bytes });
  bytes.fill("b");
  assert.equal((await child.output()).stdout, "a".repeat(300_000));
});

test("a mistyped word for fd 0 is refused, not written to it", async () => {
  await assert.rejects(launch("cat", [], { stdin: "pip" }), { code: "ERR_INVALID_ARG_VALUE", message: /"pipe"/ });
});

test("PITFALL 23: /dev/stdin, /dev/stdout and /dev/stderr can be opened in the child", async () => {
  const script = "cat /dev/stdin > /dev/stdout; echo told > /dev/stderr";
  const child = await launch("sh", ["-c", script], { stdin: "opened" });
  const { stdout, stderr } = await child.output();
  assert.equal(stdout, "opened");
  assert.equal(stderr, "told\n");
});
