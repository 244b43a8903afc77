/**
 * The child's fds, and the bytes that go through them.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createReadStream, createWriteStream, readdirSync } from "node:fs";
import { Socket } from "node:net";
import { buffer } from "node:stream/consumers";
import { Worker } from "node:worker_threads";
import { type StdioEntry, spawn } from "brood";
import { act, filling } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { identity, TemporaryFiles } from "../../helpers/files.js";
import { posix } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { fdsOf, reportOf } from "../../helpers/report.js";
import { test } from "../../helpers/test.js";

test("L3: each fd is ignored, a pipe from the child's side readable, writable or both, an fd or a stream of ours", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const stream = createReadStream(files.write("read", "text"));
  await once(stream, "open");
  const { fds } = await reportOf({ stdin: "ignore", fds: { 3: { pipe: "w" }, 4: { pipe: "r" }, 5: "socket", 6: fd, 7: stream } });
  assert.deepEqual(
    Object.values(fds).map(({ kind, access }) => `${kind} ${access}`),
    ["device rw", "pipe w", "pipe w", "pipe r", "pipe w", "socket rw", "file rw", "file r"],
  );
  assert.deepEqual([fds[6]?.file, fds[7]?.link], [identity(fd), files.path("read")]);
  stream.destroy();
  await once(stream, "close");
});

test("L3: any number of fds", async () => {
  const fds: Record<number, StdioEntry> = {};
  for (let fd = 3; fd < 123; fd++) fds[fd] = fd % 2 ? "ignore" : { pipe: "r" };
  assert.equal(fdsOf(await reportOf({ fds })).length, 123);
});

test("L3: on success and on failure our copies are closed, once", () => {
  // A second close would hit one of these, opened in between.
  const open = (): string => readdirSync("/proc/self/fd").join();
  const before = open();
  for (let i = 0; i < 50; i++) {
    const pipes = [posix.cloexecPipe(), posix.cloexecPipe()].flat();
    assert.throws(() => spawn("/nonexistent/file", [], { fds: { 3: "pipe", 4: "socket", 5: pipes[0] as number } }), {
      code: "ENOENT",
    });
    for (const fd of pipes) posix.close(fd);
  }
  assert.equal(open(), before);
});

test("L6: fds that another thread opens meanwhile don't leak into a child", async () => {
  // Node's own are close-on-exec; these are opened without it, as native code does, while we spawn.
  const worker = new Worker(
    `const { parentPort, workerData } = require("node:worker_threads");
     import(workerData).then(({ posix }) => {
       const module = { exports: {} };
       process.dlopen(module, ADDON);
       let on = true;
       parentPort.on("message", () => { on = false; parentPort.close(); });
       const turn = () => {
         for (let i = 0; i < 50; i++) posix.close(module.exports.duplicate(2, 100));
         if (on) setImmediate(turn);
       };
       parentPort.postMessage("on");
       turn();
     });`.replace("ADDON", JSON.stringify(childPath("self_addon"))),
    { eval: true, workerData: import.meta.resolve("../../helpers/fork.js") },
  );
  await once(worker, "message");
  for (let i = 0; i < 30; i++) assert.deepEqual(fdsOf(await reportOf({ stdin: "ignore" })), [0, 1, 2]);
  worker.postMessage("off");
  await once(worker, "exit");
});

test("L9: spawn and ping: signal 0 succeeds first, no callback within the turn, the bytes come back, one exit", async () => {
  const child = spawn("cat", [], { stderr: "ignore" });
  let turn = true;
  const early: string[] = [];
  let exits = 0;
  let output = "";
  assert.equal(child.kill(0), true);
  child.stdin.end("TEST", () => turn && early.push("write"));
  child.stdout.on("data", (chunk) => {
    if (turn) early.push("data");
    output += chunk;
  });
  void child.exited.then(() => exits++);
  turn = false;
  await child.closed;
  await new Promise(setImmediate);
  assert.deepEqual([early, output, exits], [[], "TEST", 1]);
});

test("L10: two streams handed to the child carry a large payload round, unharmed", async () => {
  const [stdin, input] = posix.cloexecPipe();
  const [output, stdout] = posix.cloexecPipe();
  // Streams over the child's ends, paused and empty; we keep the others.
  const given = { stdin: createReadStream("", { fd: stdin }), stdout: createWriteStream("", { fd: stdout }) };
  const child = spawn("cat", [], { ...given, stderr: "ignore" });
  const closed = [once(given.stdin.destroy(), "close"), once(given.stdout.destroy(), "close")];
  const writer = new Socket({ fd: input, readable: false, writable: true });
  const reader = new Socket({ fd: output, readable: true, writable: false });
  const bytes = filling(1_000_003);
  writer.end(bytes);
  assert.ok((await buffer(reader)).equals(bytes));
  assert.equal((await child.closed).kind, "exited");
  await Promise.all([...closed, writer.destroyed || once(writer, "close"), reader.destroyed || once(reader, "close")]);
});

test("L10: our ends of the pipes are not in the child, which ends when we close them", async () => {
  const child = spawn(act, ["count", "0"]);
  child.stdin.end(filling(70_000));
  assert.equal(await child.stdout.text(), "70000\n");
  await child.closed;
  const fds = await inNode<number[]>(
    `const first = spawn("cat");
     // A second child that held the first one's stdin would keep it alive.
     const second = spawn("cat", [], { closeFds: false });
     first.stdin.end();
     await first.closed;
     second.stdin.end();
     await second.closed;
     done([first.exit.code, second.exit.code]);`,
  );
  assert.deepEqual(fds, [0, 0]);
});
