/**
 * spawnSync, execSync, execFileSync: their results and errors, on each engine the same.
 */

import assert from "node:assert/strict";
import nodes from "node:child_process";
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { text } from "node:stream/consumers";
import { inspect } from "node:util";
import { act, filling } from "../helpers/act.js";
import { type NodeApi, onEachEngine } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { withLimit } from "../helpers/limits.js";

type Failed = NodeJS.ErrnoException & {
  status: number | null;
  signal: string | null;
  stdout: Buffer | string | null;
  stderr: Buffer | string | null;
  output: unknown;
  pid: number;
  spawnargs?: string[];
};

function failure(call: () => unknown): Failed {
  try {
    call();
  } catch (error) {
    return error as Failed;
  }
  return assert.fail("it did not throw");
}

onEachEngine("a result has all fields, in Node's order", ({ cp }) => {
  const { pid, ...result } = cp.spawnSync("sh", ["-c", "echo out; echo err >&2; exit 3"]);
  assert.ok(pid > 1);
  const [stdout, stderr] = [Buffer.from("out\n"), Buffer.from("err\n")];
  assert.deepEqual(result, { status: 3, signal: null, output: [null, stdout, stderr], stdout, stderr });
  assert.deepEqual(Object.keys(result), ["status", "signal", "output", "stdout", "stderr"]);
});

onEachEngine("a signal ends it", ({ cp }) => {
  for (const signal of ["SIGKILL", "SIGTERM", "SIGSEGV"]) {
    const result = cp.spawnSync("sh", ["-c", `ulimit -c 0; kill -${signal.slice(3)} $$`]);
    assert.deepEqual([result.status, result.signal, result.error], [null, signal, undefined]);
  }
});

/** What is in the place of the output of a child that never was: null or undefined, as this Node has it on its own engine. */
const NO_OUTPUT = nodes.spawnSync("/no/such/file").stdout;

onEachEngine("a file that is not there, may not be executed, a directory that is none", ({ cp, ours }) => {
  const files = new TemporaryFiles();
  const rows: [file: string, options: object, code: string, errno: number][] = [
    ["no-such-file-anywhere", {}, "ENOENT", -2],
    ["/no/such/file", {}, "ENOENT", -2],
    [files.write("plain", "text"), {}, "EACCES", -13],
    ["true", { cwd: "/no/such/directory" }, "ENOENT", -2],
    ["true", { cwd: "/etc/hostname" }, "ENOTDIR", -20],
    ["true", { stdio: ["pipe", 99_999, "pipe"] }, "EBADF", -9],
  ];
  for (const [file, options, code, errno] of rows) {
    const { error, ...rest } = cp.spawnSync(file, ["a", "b"], options);
    assert.ok(error !== undefined);
    assert.deepEqual({ ...error }, { errno, code, syscall: `spawnSync ${file}`, path: file, spawnargs: ["a", "b"] });
    assert.equal(error.message, `spawnSync ${file} ${code}`);
    assert.deepEqual(rest, { status: null, signal: null, output: null, pid: 0, stdout: NO_OUTPUT, stderr: NO_OUTPUT });
    assert.equal(error.cause instanceof Error && error.cause.name, ours && "SpawnError");
  }
  files[Symbol.dispose]();
});

onEachEngine("execSync and execFileSync give the output", ({ cp }) => {
  assert.deepEqual(cp.execSync("echo $A; cat", { env: { A: "b" }, input: "in" }), Buffer.from("b\nin"));
  assert.equal(cp.execSync("echo hi", { encoding: "utf8" }), "hi\n");
  assert.equal(cp.execFileSync("printf", ["%s|", "a b", "c"], { encoding: "latin1" }), "a b|c|");
  assert.deepEqual(cp.execFileSync("true"), Buffer.alloc(0));
  assert.equal(cp.execSync("true", { stdio: "ignore" }), null);
  assert.equal(cp.execSync("printf '\\377'", { encoding: "hex" }), "ff");
});

onEachEngine("they throw an error that carries the result", ({ cp }) => {
  const shell = failure(() => cp.execSync("echo out; echo why >&2; exit 7", { stdio: "pipe", encoding: "utf8" }));
  assert.equal(shell.message, "Command failed: echo out; echo why >&2; exit 7\nwhy\n");
  assert.deepEqual([shell.status, shell.signal, shell.stdout, shell.stderr], [7, null, "out\n", "why\n"]);
  assert.deepEqual(shell.output, [null, "out\n", "why\n"]);
  assert.ok(shell.pid > 1);
  const file = failure(() => cp.execFileSync("sh", ["-c", "exit 2"], { stdio: "pipe" }));
  assert.deepEqual([file.message, file.status], ["Command failed: sh -c exit 2", 2]);
  const killed = failure(() => cp.execSync("kill -9 $$", { stdio: "pipe" }));
  assert.deepEqual([killed.status, killed.signal], [null, "SIGKILL"]);
  const missing = failure(() => cp.execFileSync("/no/such/file", ["x"]));
  assert.deepEqual(
    [missing.code, missing.syscall, missing.path, missing.spawnargs, missing.status, missing.pid],
    ["ENOENT", "spawnSync /no/such/file", "/no/such/file", ["x"], null, 0],
  );
});

onEachEngine("input is a string, a typed array, a DataView, in any encoding", ({ cp }) => {
  const bytes = Uint8Array.of(0, 1, 254, 255);
  const inputs: [input: string | NodeJS.ArrayBufferView, expected: Uint8Array, encoding?: BufferEncoding][] = [
    ["héllo", Buffer.from("héllo")],
    ["", Buffer.alloc(0)],
    [bytes, bytes],
    [bytes.subarray(1, 3), bytes.subarray(1, 3)],
    [new DataView(bytes.buffer, 1, 2), bytes.subarray(1, 3)],
    [new Uint16Array([1, 2]), Uint8Array.of(1, 0, 2, 0)],
    [new Float64Array(0), Buffer.alloc(0)],
    ["ff00", Uint8Array.of(255, 0), "hex"],
  ];
  for (const [input, expected, encoding] of inputs) {
    const { stdout, error } = cp.spawnSync("cat", { input, ...(encoding === undefined ? {} : { encoding }) });
    assert.equal(error, undefined);
    const got = typeof stdout === "string" ? Buffer.from(stdout, encoding) : stdout;
    assert.deepEqual(new Uint8Array(got), new Uint8Array(expected), inspect(input));
  }
  for (const input of [5, {}, true]) {
    assert.throws(() => cp.spawnSync("cat", { input: input as never }), { code: "ERR_INVALID_ARG_TYPE" });
  }
});

onEachEngine("sizes around what a pipe holds, and megabytes both ways", ({ cp }) => {
  for (const size of [1, 65_535, 65_536, 65_537, 212_992, 1_000_003, 8 * 1024 * 1024]) {
    const input = filling(size);
    const { stdout, stderr, error } = cp.spawnSync("sh", ["-c", "tee /dev/stderr"], {
      input,
      maxBuffer: Number.POSITIVE_INFINITY,
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A socket can't be opened by its name in /dev.
    assert.equal(error, undefined);
    assert.ok(stdout.equals(input), `${size}`);
    assert.match(stderr.toString(), /tee: \/dev\/stderr: No such device or address/);
  }
  const input = filling(4 * 1024 * 1024);
  const both = cp.spawnSync("sh", ["-c", "tee /proc/self/fd/3 3>&2"], { input, maxBuffer: Number.POSITIVE_INFINITY });
  assert.ok(both.stdout.equals(input));
});

onEachEngine("a child that does not read its input: what does not fit is an EPIPE", ({ cp }) => {
  const small = cp.spawnSync("head", ["-c", "1"], { input: "x".repeat(1000) });
  assert.deepEqual([small.status, small.error], [0, undefined]);
  const large = cp.spawnSync("head", ["-c", "1"], { input: filling(8 * 1024 * 1024) });
  assert.deepEqual([large.status, large.stdout.length], [0, 1]);
  assert.match((large.error as Failed).code as string, /^(EPIPE|ECONNRESET)$/);
});

onEachEngine("a stdin without input is at its end, also for who tries to write to it", ({ cp }) => {
  assert.equal(cp.spawnSync("cat").status, 0);
  assert.equal(cp.spawnSync("sh", ["-c", "cat; echo end"], { encoding: "utf8" }).stdout, "end\n");
});

onEachEngine("stdio of any length and form", ({ cp }) => {
  const result = cp.spawnSync("sh", ["-c", "echo one; echo three >&3; echo five >&5"], {
    stdio: ["ignore", "pipe", "inherit", "pipe", "ignore", "pipe"],
    encoding: "utf8",
  });
  assert.deepEqual(result.output, [null, "one\n", null, "three\n", null, "five\n"]);
  assert.equal(cp.spawnSync("true", { stdio: "ignore" }).stdout, null);
  assert.deepEqual(cp.spawnSync("true", { stdio: "ignore" }).output, [null, null, null]);
  const files = new TemporaryFiles();
  const fd = openSync(files.path("log"), "w+");
  cp.spawnSync("sh", ["-c", "echo to the file; echo and this >&2"], { stdio: ["ignore", fd, fd] });
  assert.equal(readFileSync(files.path("log"), "utf8"), "to the file\nand this\n");
  writeSync(fd, "next");
  closeSync(fd);
  files[Symbol.dispose]();
  assert.throws(() => cp.spawnSync("true", { stdio: ["pipe", "ipc"] }), { code: "ERR_IPC_SYNC_FORK" });
});

onEachEngine("the child has the fds that it was given, and no others", ({ cp }) => {
  const stdio = ["pipe", "pipe", "inherit", "ignore", "pipe"] as const;
  const { stdout } = cp.spawnSync("sh", ["-c", "ls -x /proc/$$/fd"], { encoding: "utf8", stdio: [...stdio] });
  const fds = stdout.trim().split(/\s+/).map(Number);
  // Of those that our own parent left open to us nothing is said.
  assert.deepEqual(
    fds.filter((fd) => fd < 10),
    [0, 1, 2, 4],
  );
});

onEachEngine("maxBuffer is of all pipes together; what came is kept, and the child killed", ({ cp }) => {
  const exact = cp.spawnSync(act, ["fill", "1", "500", "fill", "2", "500"], { maxBuffer: 1000 });
  assert.deepEqual([exact.error, exact.stdout.length, exact.stderr.length], [undefined, 500, 500]);
  const over = cp.spawnSync(act, ["fill", "1", "600", "pause"], { maxBuffer: 599 });
  assert.deepEqual([(over.error as Failed).code, over.status, over.signal], ["ENOBUFS", null, "SIGTERM"]);
  assert.equal((over.error as Error).message, `spawnSync ${act} ENOBUFS`);
  assert.ok(over.stdout.equals(filling(600)));
  const polite = cp.spawnSync("yes", { maxBuffer: 10, killSignal: "SIGINT" });
  assert.deepEqual([(polite.error as Failed).code, polite.signal], ["ENOBUFS", "SIGINT"]);
  assert.ok(polite.stdout.length > 10 && polite.stdout.length <= 10 + 65_536);
  const byDefault = failure(() => cp.execFileSync(act, ["fill", "1", `${1024 * 1024 + 1}`, "pause"]));
  assert.equal(byDefault.code, "ENOBUFS");
  assert.equal(cp.execFileSync(act, ["fill", "1", `${1024 * 1024}`]).length, 1024 * 1024);
  for (const maxBuffer of [0, Number.POSITIVE_INFINITY]) {
    assert.equal(cp.spawnSync(act, ["fill", "1", "3000000"], { maxBuffer }).stdout.length, 3_000_000);
  }
  assert.throws(() => cp.spawnSync("true", { maxBuffer: -1 }), { code: "ERR_OUT_OF_RANGE" });
});

onEachEngine("timeout kills; who holds the pipes is not waited for", async ({ cp }) => {
  await withLimit(200, (timeout) => {
    const late = cp.spawnSync("sh", ["-c", "echo early; exec sleep 100"], { timeout, encoding: "utf8" });
    if (late.stdout === "") return false;
    assert.deepEqual(
      [(late.error as Failed).code, late.status, late.signal, late.stdout],
      ["ETIMEDOUT", null, "SIGTERM", "early\n"],
    );
    assert.equal((late.error as Error).message, "spawnSync sh ETIMEDOUT");
    return true;
  });
  await withLimit(300, (timeout) => {
    const caught = cp.spawnSync(act, ["on", "2", "bye", "say", "1", "up", "pause"], { timeout, killSignal: "SIGINT" });
    assert.equal((caught.error as Failed).code, "ETIMEDOUT");
    if (caught.stdout.length === 0) return false;
    assert.equal(caught.stdout.toString(), "up\n");
    return true;
  });
  const thrown = failure(() => cp.execSync("exec sleep 100", { timeout: 100, stdio: "pipe" }));
  assert.deepEqual([thrown.code, thrown.signal], ["ETIMEDOUT", "SIGTERM"]);
  await withLimit(400, (timeout) => {
    const held = cp.spawnSync("sh", ["-c", "sleep 100 & echo $!"], { timeout, encoding: "utf8" });
    if (held.stdout !== "") process.kill(Number(held.stdout), "SIGKILL");
    assert.equal((held.error as Failed).code, "ETIMEDOUT");
    if (held.status === null) return false;
    assert.deepEqual([held.status, held.signal], [0, null]);
    return true;
  });
  assert.equal(cp.spawnSync("true", { timeout: 60_000 }).status, 0);
  assert.throws(() => cp.spawnSync("true", { timeout: -1 }), { code: "ERR_OUT_OF_RANGE" });
});

onEachEngine("a background process that holds the output is waited for", ({ cp }) => {
  const { stdout, status } = cp.spawnSync("sh", ["-c", "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early"], {
    encoding: "utf8",
  });
  assert.deepEqual([stdout, status], ["early\nlate\n", 0]);
  const ignored = cp.spawnSync("sh", ["-c", "sleep 100 >/dev/null 2>&1 & echo $!"], { encoding: "utf8" });
  process.kill(Number(ignored.stdout), "SIGKILL");
  assert.equal(ignored.status, 0, "one that holds stdin alone is not");
});

onEachEngine("shell, argv0, cwd, env, detached", ({ cp }) => {
  const say = (...args: Parameters<NodeApi["spawnSync"]>): string => String(cp.spawnSync(...args).stdout);
  assert.equal(say("echo", ["$0", "'a b'"], { shell: true }), "/bin/sh a b\n");
  assert.equal(say("echo $BASH", [], { shell: "/bin/bash" }), "/bin/bash\n");
  assert.equal(say("sh", ["-c", "echo $0"], { argv0: "other" }), "other\n");
  assert.equal(say("pwd", [], { cwd: "/" }), "/\n");
  assert.equal(say("pwd", [], { cwd: new URL("file:///usr") }), "/usr\n");
  assert.equal(say("/usr/bin/env", [], { env: { A: "1", B: undefined, C: "=" } }), "A=1\nC==\n");
  assert.equal(say("sh", ["-c", "ps -o sid= -p $$ | tr -d ' '; echo $$"], { detached: true } as object).split("\n").length, 3);
  const [session, own] = say("sh", ["-c", "ps -o sid= -p $$ | tr -d ' '; echo $$"], { detached: true } as object).split("\n");
  assert.equal(session, own);
});

onEachEngine("arguments that are no strings become some", async ({ cp }) => {
  const args = ["%s|", 5, true, null, ["a", "b"]] as unknown as string[];
  assert.equal(String(cp.spawnSync("printf", args).stdout), "5|true|null|a,b|");
  assert.equal(await text(cp.spawn("printf", args).stdout), "5|true|null|a,b|");
});

onEachEngine("PATH of the child's environment; a script without #! is for the shell", ({ cp }) => {
  const files = new TemporaryFiles();
  files.write("tool", "echo tool $1\n", 0o755);
  const env = { PATH: `${files.directory}:/bin:/usr/bin` };
  assert.equal(String(cp.spawnSync("tool", ["x"], { env }).stdout), "tool x\n");
  assert.equal((cp.spawnSync("tool", { env: { PATH: "/nowhere" } }).error as Failed).code, "ENOENT");
  files[Symbol.dispose]();
});

onEachEngine("as another user and group", ({ cp }) => {
  if (process.getuid?.() !== 0) {
    assert.equal((cp.spawnSync("true", { uid: 0 }).error as Failed).code, "EPERM");
    return;
  }
  assert.equal(String(cp.spawnSync("id", ["-u"], { uid: 65_534, gid: 65_534 }).stdout), "65534\n");
  assert.equal(String(cp.spawnSync("id", ["-G"], { gid: 7 }).stdout), "7\n");
});

onEachEngine("options.brood reaches it; a wrong one throws before anything is created", ({ cp, ours }) => {
  const options = { brood: { umask: 0o27, rlimits: { nofile: 77 } }, encoding: "utf8" } as const;
  const { stdout } = cp.spawnSync("sh", ["-c", "umask; ulimit -n"], options);
  assert.equal(stdout === "0027\n77\n", ours);
  if (ours) {
    assert.equal(cp.execSync("umask", options), "0027\n");
    assert.throws(() => cp.spawnSync("true", { brood: { umaks: 1 } } as object), { code: "ERR_UNKNOWN_OPTION" });
  }
});

onEachEngine("many in a row leave nothing", ({ cp }) => {
  for (let i = 0; i < 200; i++) assert.equal(cp.spawnSync("true").status, 0);
});

onEachEngine("names that are too long for the kernel", ({ cp }) => {
  const long = "a".repeat(100_000);
  assert.equal((cp.spawnSync("true", { cwd: long }).error as Failed).code, "ENAMETOOLONG");
  assert.equal((cp.spawnSync(`/${long}`).error as Failed).code, "ENAMETOOLONG");
  assert.throws(() => cp.spawn("true", { cwd: long }), { code: "ENAMETOOLONG" });
});
