import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { chmodSync } from "node:fs";
import type { SpawnError } from "brood";
import { importOf, onEachEngine } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

type Failure = NodeJS.ErrnoException & { spawnargs: string[]; cause?: SpawnError };

/** What becomes of a child that can't be. */
async function failure(child: ChildProcess): Promise<{ error: Failure; events: string[] }> {
  const events: string[] = [];
  const error = await new Promise<Failure>((resolve) => {
    child.on("error", (found) => {
      events.push("error");
      resolve(found as Failure);
    });
    child.on("spawn", () => events.push("spawn"));
    child.on("exit", () => events.push("exit"));
    child.on("close", (code) => events.push(`close ${code}`));
  });
  if (!events.some((event) => event.startsWith("close"))) await new Promise((resolve) => child.once("close", resolve));
  return { error, events };
}

onEachEngine("a missing file is an error event, with streams that end", async ({ cp, ours }) => {
  const child = cp.spawn("/nowhere/at-all", ["a", "b"]);
  assert.equal(child.pid, undefined);
  // Node 20's own kill would signal our process group.
  if (ours) assert.equal(child.kill(), false);
  const output: unknown[] = [];
  child.stdout.on("data", (data) => output.push(data));
  const { error, events } = await failure(child);
  assert.equal(error.message, "spawn /nowhere/at-all ENOENT");
  assert.deepEqual(
    [error.code, error.errno, error.syscall, error.path],
    ["ENOENT", -2, "spawn /nowhere/at-all", "/nowhere/at-all"],
  );
  assert.deepEqual(error.spawnargs, ["a", "b"]);
  assert.deepEqual(Object.keys(error), ["errno", "code", "syscall", "path", "spawnargs"]);
  assert.deepEqual(events, ["error", "close -2"]);
  assert.deepEqual(output, []);
  assert.equal(error.cause?.stage, ours ? "exec" : undefined);
  assert.equal(Object.hasOwn(child, "emit"), false);
});

onEachEngine("a name that is nowhere in PATH is not found", async ({ cp }) => {
  const { error } = await failure(cp.spawn("no-such-command", [], { stdio: "ignore", env: { PATH: "/bin:/usr/bin" } }));
  assert.deepEqual([error.code, error.path], ["ENOENT", "no-such-command"]);
});

onEachEngine("a missing directory is told as Node tells it, and its cause names it", async ({ cp, ours }) => {
  const { error } = await failure(cp.spawn("true", { cwd: "/nowhere/at-all", stdio: "ignore" }));
  assert.deepEqual([error.message, error.code, error.path], ["spawn true ENOENT", "ENOENT", "true"]);
  if (!ours) return;
  assert.deepEqual([error.cause?.stage, error.cause?.path], ["chdir", "/nowhere/at-all"]);
  assert.match(String(error.cause?.message), /no such directory "\/nowhere\/at-all"/);
});

onEachEngine("a file that may not be executed is EACCES, also behind others in PATH", async ({ cp }) => {
  using files = new TemporaryFiles();
  files.write("tool", "#!/bin/sh\n", 0o644);
  assert.equal((await failure(cp.spawn(files.path("tool"), { stdio: "ignore" }))).error.code, "EACCES");
  const env = { PATH: `${files.directory}:/nowhere` };
  assert.equal((await failure(cp.spawn("tool", [], { stdio: "ignore", env }))).error.code, "EACCES");
});

onEachEngine("other failures are thrown", async ({ cp, ours }) => {
  using files = new TemporaryFiles();
  const file = files.write("file", "");
  const thrown = (options: object, args: string[] = []): Failure => {
    try {
      cp.spawn("true", args, options);
    } catch (error) {
      return error as Failure;
    }
    throw new Error("it was spawned");
  };
  const notDirectory = thrown({ cwd: file });
  assert.deepEqual([notDirectory.code, notDirectory.message, notDirectory.syscall], ["ENOTDIR", "spawn ENOTDIR", "spawn"]);
  assert.equal(notDirectory.cause?.stage, ours ? "chdir" : undefined);
  assert.equal(thrown({}, ["x".repeat(1 << 20)]).code, "E2BIG");
  assert.equal(thrown({ stdio: ["ignore", "pipe", 987654] }).code, "EBADF");
});

onEachEngine("a wrong call is thrown by Node's own checks", ({ cp }) => {
  const spawn = cp.spawn as (...args: unknown[]) => ChildProcess;
  assert.throws(() => spawn(""), { code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => spawn(5), { code: "ERR_INVALID_ARG_TYPE" });
  assert.throws(() => spawn("true", [], { cwd: 5 }), { code: "ERR_INVALID_ARG_TYPE" });
  assert.throws(() => spawn("true", ["\0"]), { code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => spawn("true", [], { stdio: "none" }), { code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => spawn("true", [], { stdio: ["ipc", "ipc"] }), { code: "ERR_IPC_ONE_PIPE" });
  assert.throws(() => spawn("true", [], { uid: "root" }), { code: "ERR_INVALID_ARG_TYPE" });
  assert.throws(() => (new cp.ChildProcess() as unknown as { spawn(options: unknown): void }).spawn(undefined), {
    code: "ERR_INVALID_ARG_TYPE",
  });
});

onEachEngine("without fds to be had, a spawn is an EMFILE error, and nothing is lost", async ({ engine }) => {
  const found = await inNode<string[]>(
    `${importOf(engine)}
    const RLIMIT_NOFILE = 7;
    const before = fs.readdirSync("/proc/self/fd").length;
    await new Promise((resolve) => cp.spawn("true").on("close", resolve));
    const open = new Set(fs.readdirSync("/proc/self/fd").map(Number));
    const gaps = [];
    for (let fd = 0; fd < Math.max(...open); fd++) if (!open.has(fd)) gaps.push(fs.openSync("/dev/null"));
    const found = [];
    for (let room = 0; room < 9; room++) {
      self.limit(RLIMIT_NOFILE, Math.max(...open) + 1 + room);
      await new Promise((resolve) => cp.spawn("true").on("error", (error) => resolve(found.push(error.code))).on("close", resolve));
    }
    self.limit(RLIMIT_NOFILE, 1024);
    await new Promise((resolve) => cp.spawn("true").on("close", (code) => resolve(found.push(code))));
    done(found);`,
  );
  assert.ok(found.includes("EMFILE"));
  assert.equal(found.at(-1), 0);
});

onEachEngine("a process that may not change its user is told so", async ({ engine }) => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  const code = await inNode<unknown>(
    `${importOf(engine)}
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    let thrown;
    try { cp.spawn("true", { uid: 0 }); } catch (error) { thrown = error.code; }
    const same = cp.spawn("sh", ["-c", "id -u; id -g"], { uid: 65534, gid: 65534 });
    let output = "";
    same.stdout.on("data", (data) => { output += data; }).on("end", () => done([thrown, output]));`,
  );
  assert.deepEqual(code, ["EPERM", "65534\n65534\n"]);
});

for (const engine of ["register", "module"] as const) {
  test(`a pipe that can't be had fails the spawn, which leaves no child and no fd (${engine})`, async () => {
    const found = await inNode<unknown[]>(
      `${importOf(engine)}
    const { Pipe } = process.binding("pipe_wrap");
    const fds = () => fs.readdirSync("/proc/self/fd").length;
    await new Promise((resolve) => cp.spawn("true").on("close", resolve));
    const before = fds();
    const open = Pipe.prototype.open;
    let calls = 0;
    Pipe.prototype.open = function (fd) { return ++calls === 2 ? -22 : open.call(this, fd); };
    let child = new cp.ChildProcess();
    const told = [];
    child.on("exit", (...end) => told.push("exit", ...end)).on("error", ({ code }) => told.push(code));
    try { child.spawn({ file: "sleep", args: ["sleep", "60"], stdio: "pipe" }); } catch ({ code, cause }) { told.push(code, cause?.stage); }
    Pipe.prototype.open = open;
    const { kind, signal } = await child.brood.exited;
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    done([told, kind, signal, fds() - before]);`,
      { nodeArgs: ["--no-deprecation"] },
    );
    assert.deepEqual(found, [["EINVAL", "pipe"], "killed", "SIGKILL", 0]);
  });
}
