/**
 * Each kind of entry that says what one of the child's fds is.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream, createWriteStream, fstatSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { connect, createServer, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { childPath } from "../helpers/children.js";
import { identity, TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { fdsOf, reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

test('"ignore" is the null device, for reading and writing, on any fd', async () => {
  const report = await reportOf({ stdin: "ignore", stderr: "ignore", fds: { 5: "ignore" } });
  for (const fd of [0, 2, 5]) {
    assert.equal(report.fds[fd]?.link, "/dev/null");
    assert.equal(report.fds[fd]?.access, "rw");
    assert.equal(report.fds[fd]?.nonblock, false);
  }
});

test('"inherit" is our own fd of that number', async () => {
  const report = await reportOf({ stdin: "inherit", stderr: "inherit" });
  assert.equal(report.fds[0]?.file, identity(0));
  assert.equal(report.fds[2]?.file, identity(2));
});

test('"close" leaves an fd closed, where ours is inherited too', async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const report = await reportOf({ stdin: "close", stderr: "close", fds: { [fd]: "close" } });
  assert.deepEqual(fdsOf(report), [1]);
  const child = await launch("sh", ["-c", "exit 7"], { stdio: "close" });
  const exit = await child.exited;
  assert.equal(exit.kind === "exited" && exit.code, 7);
});

test("an fd number, a file handle, streams of fs, and anything with an fd are that fd", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  await using handle = await open(files.write("handle", ""), "r+");
  const reader = createReadStream(files.write("reader", ""));
  const writer = createWriteStream(files.path("writer"));
  await Promise.all([once(reader, "open"), once(writer, "open")]);
  const streams = [reader, writer] as unknown as { fd: number }[];
  const report = await reportOf({ fds: { 3: fd, 4: handle, 5: streams[0], 6: streams[1], 7: { fd } } });
  const wanted = [fd, handle.fd, streams[0]?.fd, streams[1]?.fd, fd].map((number) => identity(number as number));
  assert.deepEqual(
    [3, 4, 5, 6, 7].map((number) => report.fds[number]?.file),
    wanted,
  );
  // They are still ours.
  assert.equal(fstatSync(fd).isFile(), true);
  await handle.write("still open");
  reader.destroy();
  writer.end("still open");
  await Promise.all([once(reader, "close"), once(writer, "close")]);
  assert.equal(readFileSync(files.path("writer"), "utf8"), "still open");
});

test("process.stderr is fd 2", async () => {
  const report = await reportOf({ fds: { 3: process.stderr } });
  assert.equal(report.fds[3]?.file, identity(2));
});

test("a stream without an fd yet, and a closed one, are refused", async () => {
  using files = new TemporaryFiles();
  const stream = createReadStream(files.write("late", ""));
  await assert.rejects(launch("true", [], { stdin: stream as unknown as { fd: null } }), {
    code: "ERR_INVALID_ARG_VALUE",
    message: /no open fd/,
  });
  await once(stream, "open");
  stream.destroy();
  await once(stream, "close");
  await assert.rejects(launch("true", [], { stdin: stream as unknown as { fd: null } }), { code: "ERR_INVALID_ARG_VALUE" });
});

test("{dup} is the same as the child's fd of that number, through chains, for every kind", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const report = await reportOf({
    stdin: { dup: 3 },
    stderr: { dup: 1 },
    fds: { 3: { dup: 4 }, 4: fd, 5: { dup: 6 }, 6: { file: files.path("six"), mode: "w" }, 7: { dup: 8 }, 8: "ignore" },
  });
  for (const number of [0, 3, 4]) assert.equal(report.fds[number]?.file, identity(fd));
  assert.equal(report.fds[2]?.link, report.fds[1]?.link);
  assert.equal(report.fds[5]?.link, files.path("six"));
  assert.equal(report.fds[5]?.file, report.fds[6]?.file);
  assert.equal(report.fds[7]?.link, "/dev/null");
});

test("{dup: 1} on stderr joins both in one pipe, in the order of writing", async () => {
  const script = "echo one; echo two >&2; echo three; echo four >&2";
  await using child = await launch("sh", ["-c", script], { stderr: { dup: 1 } });
  const { stdout, stderr } = await child.output();
  assert.equal(stdout, "one\ntwo\nthree\nfour\n");
  assert.equal(stderr, null);
});

test("{dup: 1} on stderr is one open file, not the same file opened twice", async () => {
  using files = new TemporaryFiles();
  const file = files.path("both");
  await using child = await launch("sh", ["-c", "echo one; echo two >&2; echo three"], {
    stdout: { file },
    stderr: { dup: 1 },
  });
  await child.closed;
  assert.equal(readFileSync(file, "utf8"), "one\ntwo\nthree\n");
});

test("{dup} of itself, of a cycle, of a closed fd and of none are refused", async () => {
  const refused = [
    { stdin: { dup: 0 } },
    { stdin: { dup: 1 }, stdout: { dup: 2 }, stderr: { dup: 0 } },
    { stderr: { dup: 5 } },
    { stderr: { dup: 1 }, stdout: "close" },
  ] as const;
  for (const options of refused) await assert.rejects(launch("true", [], options), { code: "ERR_INVALID_ARG_VALUE" });
});

test("stdio in Node's form: holes are what they are by default", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const report = await reportOf({ stdio: ["ignore", null, undefined, null, fd] });
  assert.deepEqual(fdsOf(report), [0, 1, 2, 4]);
  assert.deepEqual(
    [1, 2].map((number) => report.fds[number]?.kind),
    ["pipe", "pipe"],
  );
  assert.equal(report.fds[4]?.file, identity(fd));
});

test("a source that is not open is EBADF at dup, and names the fd", async () => {
  const number = 999;
  assert.throws(() => fstatSync(number), { code: "EBADF" });
  for (const options of [{ stdin: number }, { fds: { [number]: number } }, { passFds: [number] }]) {
    await assert.rejects(launch("true", [], options), { name: "SpawnError", code: "EBADF", errno: 9, stage: "dup", fd: number });
  }
});

test("two streams handed to a child: what goes in through one comes out of the other unharmed", async () => {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  const sockets: Socket[] = [];
  /** A connection: our end, and the one to hand over. */
  const connection = async (): Promise<[Socket, Socket]> => {
    const client = connect((server.address() as { port: number }).port, "127.0.0.1");
    const [[accepted]] = (await Promise.all([once(server, "connection"), once(client, "connect")])) as [[Socket], unknown];
    sockets.push(client, accepted);
    return [client, accepted];
  };
  try {
    await once(server, "listening");
    const [into, input] = await connection();
    const [from, output] = await connection();
    const handed = { stdin: input as unknown as { fd: number }, stdout: output as unknown as { fd: number } };
    const child = await launch(childPath("relay"), [], handed);
    // Ours would keep the connections open.
    input.destroy();
    output.destroy();
    const sent = "0123456789abcdef".repeat(20_000);
    into.end(sent);
    assert.ok((await text(from)) === sent);
    const exit = await child.closed;
    assert.equal(exit.kind === "exited" && exit.code, 0);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});
