/**
 * What libuv's own test-spawn.c asks of uv_spawn, asked of spawn. What a row of the table has already is not here.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { closeSync, createReadStream, existsSync, openSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { spawn } from "brood";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { TemporaryFiles } from "../../helpers/files.js";
import { posix } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { fdsOf, reportOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

const HELLO = ["-c", "echo hello world; echo hello errworld >&2"];
const both = "hello world\nhello errworld\n";

test("a program that isn't there: ENOENT, and there is no child to wait for", async () => {
  const count = await inNode<number>(
    `for (let i = 0; i < 3; i++) try { spawn("program-that-does-not-exist"); } catch (error) { if (error.code !== "ENOENT") throw error; }
     done(fs.readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").length);`,
  );
  assert.equal(count, 0);
});

test("a hundred that fail don't keep the end of one that runs from being told", async () => {
  const child = spawn("true", [], { stdio: "ignore" });
  for (let i = 0; i < 100; i++) assert.throws(() => spawn("program-that-does-not-exist"), { code: "ENOENT" });
  assert.equal((await child.closed).kind, "exited");
});

test("an exit status, a child with stdout alone, one with stdin alone, and one without any arguments", async () => {
  const exit = await spawn(act, ["exit", "1"]).closed;
  assert.equal(exit.kind === "exited" && exit.code, 1);
  const out = spawn("sh", HELLO, { stdio: ["ignore", "pipe", "ignore"] });
  assert.equal(await out.stdout.text(), "hello world\n");
  await out.closed;
  const echo = spawn("cat", [], { stdio: ["pipe", "pipe", "ignore"] });
  echo.stdin.end("hello-from-spawn_stdin");
  assert.equal(await echo.stdout.text(), "hello-from-spawn_stdin");
  await echo.closed;
  const { stdout } = await spawn("cat", { stdin: { file: "/proc/self/cmdline" } }).output();
  assert.equal(stdout, "cat\0");
});

test("stdout to a file, both to one file, each to its own, and the two swapped", async () => {
  using files = new TemporaryFiles();
  const [one, two] = files.open(2) as [number, number];
  const [first, second] = [files.path("open-0"), files.path("open-1")];
  assert.equal((await spawn("sh", HELLO, { stdio: ["ignore", one, "ignore"] }).closed).kind, "exited");
  assert.equal(readFileSync(first, "utf8"), "hello world\n");
  await spawn("sh", HELLO, { stdio: ["ignore", two, two] }).closed;
  assert.equal(readFileSync(second, "utf8"), both);
  await spawn("sh", HELLO, { stdio: ["ignore", { file: files.path("a") }, { file: files.path("b") }] }).closed;
  assert.deepEqual([readFileSync(files.path("a"), "utf8"), readFileSync(files.path("b"), "utf8")], both.match(/.*\n/g));
  // Our own stdout and stderr, the wrong way round.
  const said = await inNode<string[]>(
    `const keep = self.duplicate(1, 20);
     const files = new TemporaryFiles();
     fs.closeSync(1);
     fs.openSync(files.path("one"), "w");
     fs.closeSync(2);
     fs.openSync(files.path("two"), "w");
     await spawn("sh", ${JSON.stringify(HELLO)}, { stdio: ["ignore", 2, 1] }).closed;
     const said = ["one", "two"].map((name) => fs.readFileSync(files.path(name), "utf8"));
     files[Symbol.dispose]();
     fs.writeSync(keep, JSON.stringify(said));`,
  );
  assert.deepEqual(said, ["hello errworld\n", "hello world\n"]);
});

test("stdout and stderr as one pipe", async () => {
  const child = spawn("sh", HELLO, { stdin: "ignore", stderr: { dup: 1 } });
  assert.equal(await child.stdout.text(), both);
  await child.closed;
});

test("a pipe as fd 3, with the first three ignored", async () => {
  const child = spawn("sh", ["-c", "echo fourth stdio! >&3"], { stdio: ["ignore", "ignore", "ignore", "pipe"] });
  const stream = child.fds.get(3) as NodeJS.ReadableStream;
  let text = "";
  for await (const chunk of stream) text += chunk;
  assert.equal(text, "fourth stdio!\n");
  await child.closed;
});

test("a listening socket of ours as the child's fd 3", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const report = await reportOf({ fds: { 3: fd } });
  assert.equal(report.fds[3]?.kind, "socket");
  // It is the same socket: the child's copy is bound to the port that we took.
  const inode = /\[(\d+)\]/.exec(report.fds[3]?.link ?? "")?.[1] as string;
  assert.match(readFileSync("/proc/net/tcp", "utf8"), new RegExp(`:0000 0A .* ${inode} `));
  server.close();
  await once(server, "close");
});

test("without pipes at all the child runs, and a child with three can be killed", async () => {
  assert.equal((await spawn("sh", HELLO, { stdio: "ignore" }).closed).kind, "exited");
  const child = spawn(act, ["pause"]);
  child.stdin.write("a message that nobody reads");
  assert.equal(child.kill("SIGTERM"), true);
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGTERM");
});

test("a parent whose fd 0 is closed can give a child a pipe there", async () => {
  const said = await inNode<string>(
    `fs.closeSync(0);
     const child = spawn("cat");
     child.stdin.end("hello");
     const said = await child.stdout.text();
     await child.closed;
     done(said);`,
  );
  assert.equal(said, "hello");
});

test("a signal that the parent ignores and blocks ends the child, where all are restored", async () => {
  const signal = await inNode<string>(
    `self.ignoreSignal(15, 1);
     self.blockSignals(1);
     const child = spawn(${JSON.stringify(act)}, ["say", "1", "ready", "pause"], { restoreSignals: "all" });
     self.blockSignals(0);
     await child.stdout.lines().next();
     posix.kill(child.pid, 0);
     posix.kill(child.pid, "SIGTERM");
     done((await child.closed).signal);`,
  );
  assert.equal(signal, "SIGTERM");
});

test("what we open doesn't reach the child; a copy without close-on-exec does only where nothing is closed", async () => {
  const fd = openSync("/dev/null", "r+");
  const copy = self.duplicate(fd, 90);
  const has = async (closeFds: boolean): Promise<boolean[]> => {
    const fds = fdsOf(await reportOf({ closeFds }));
    return [fds.includes(fd), fds.includes(copy)];
  };
  assert.deepEqual(
    [await has(true), await has(false)],
    [
      [false, false],
      [false, true],
    ],
  );
  closeSync(fd);
  closeSync(copy);
});

test("a fd that a child has too gives us no more events when we have closed it", async () => {
  const [readEnd, writeEnd] = posix.cloexecPipe();
  const child = spawn(act, ["pause"], { stdio: [readEnd, "ignore", "ignore"] });
  const stream = createReadStream("", { fd: readEnd, highWaterMark: 1 });
  let seen = 0;
  stream.on("data", () => {
    seen++;
    stream.destroy();
  });
  const { writeSync } = await import("node:fs");
  writeSync(writeEnd, "x");
  await once(stream, "close");
  // The child's copy keeps the pipe alive: this write goes well, and wakes nobody here.
  writeSync(writeEnd, "y");
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  assert.equal(seen, 1);
  posix.close(writeEnd);
  child.kill("SIGKILL");
  await child.closed;
});

test("a relative path is taken in the child's directory, a name in the PATH of its own environment", async () => {
  using files = new TemporaryFiles();
  files.write("tool", "#!/bin/sh\necho found\n", 0o755);
  assert.equal((await spawn("./tool", { cwd: files.directory }).output()).stdout, "found\n");
  const env = { PATH: `${files.directory}:/usr/bin:/bin` };
  assert.equal((await spawn("tool", { env, extendEnv: false }).output()).stdout, "found\n");
  assert.ok(existsSync(childPath("act")));
});

test("becoming nobody", async () => {
  const { stdout } = await spawn("sh", ["-c", "id -u; id -g; id -un"], { user: "nobody", cwd: "/" }).output();
  assert.match(stdout as string, /^\d+\n\d+\nnobody\n$/);
});
