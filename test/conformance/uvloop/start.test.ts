/**
 * What the child is made from, and what a failure leaves: rows U1 to U6, U17 and U18 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { closeSync, existsSync, openSync, readFileSync, readSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type SpawnError, spawnAsync } from "brood";
import { type ProtocolOptions, spawnProcess, subprocessExec, subprocessShell } from "brood/protocol";
import { act, filling } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { identity, TemporaryFiles } from "../../helpers/files.js";
import { inNode } from "../../helpers/in-node.js";
import { takeStock } from "../../helpers/leaks.js";
import { reportBy } from "../../helpers/protocol-report.js";
import { Recorder } from "../../helpers/recorder.js";
import { fdsOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

const bytesOf = (text: string): Buffer => Buffer.from(text, "latin1");
const recorderModule = JSON.stringify(import.meta.resolve("../../helpers/recorder.js"));
const protocolModule = JSON.stringify(import.meta.resolve("brood/protocol"));

/** Runs it to its end; gives what it wrote to fds 1 and 2, and its return code. */
async function outcome(file: string, args: readonly (string | Uint8Array)[], options: ProtocolOptions = {}) {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, file, args, options);
  transport.getPipeTransport(0)?.close();
  await recorder.ended;
  return { out: recorder.text(1), err: recorder.text(2), code: transport.getReturnCode(), recorder };
}

test("U1: the arguments: there must be a file; all are strings or bytes, passed unchanged; later changes have no effect", async () => {
  for (const [file, args] of [
    [undefined, []],
    ["", []],
    ["true", [5]],
    ["true", [null]],
    ["true", "all"],
    ["true", ["a\0b"]],
    ["true", ["\ud800"]],
  ] as const) {
    assert.throws(() => spawnProcess(null, file as never, args as never, { stdio: "ignore" }), { name: "TypeError" });
  }
  const raw = bytesOf("raw \xff\xfe");
  const args = ["ä ö", raw, ""];
  const recorder = new Recorder();
  spawnProcess(recorder, childPath("report"), ["1", ...args], { argv0: bytesOf("zero\xff") });
  args[0] = "changed";
  raw.fill(65);
  await recorder.ended;
  const argv = (JSON.parse(recorder.text()) as { argv: string[] }).argv.map((hex) => Buffer.from(hex, "hex").toString("latin1"));
  assert.deepEqual(argv, ["zero\xff", "1", Buffer.from("ä ö").toString("latin1"), "raw \xff\xfe", ""]);
});

test("U1: arguments that a shell would take apart come as they are", async () => {
  const args = [
    'a\\"b ',
    " \t|<>^&",
    "'",
    '"foo bar" "',
    "$HOME",
    "*",
    "\n",
    String.fromCharCode(...Array.from({ length: 126 }, (_, i) => i + 1)),
  ];
  const { out } = await outcome("printf", ["%s\\0", ...args]);
  assert.deepEqual(out.split("\0").slice(0, -1), args);
});

test("U1: the directory is a string, bytes or a URL; the environment strings or bytes, whose names may be bytes as pairs", async () => {
  using files = new TemporaryFiles();
  for (const cwd of [files.directory, Buffer.from(files.directory), pathToFileURL(files.directory)]) {
    assert.equal((await reportBy({ cwd })).cwd, files.directory);
  }
  const env: [Uint8Array | string, Uint8Array | string][] = [
    [bytesOf("NAME\xff"), bytesOf("value\xfe")],
    ["TEXT", "ü"],
  ];
  const report = await reportBy({ env, extendEnv: false });
  assert.deepEqual(report.environ.sort(), ["NAME\xff=value\xfe", `TEXT=${Buffer.from("ü").toString("latin1")}`]);
  assert.deepEqual((await reportBy({ env: {}, extendEnv: false })).environ, []);
  for (const wrong of [
    { env: { "A=B": "1" } },
    { env: { A: "\0" } },
    { env: { A: 5 } },
    { cwd: 1.5 },
    { cwd: "\ud800" },
    { cwd: {} },
  ]) {
    assert.throws(() => spawnProcess(null, "true", [], { stdio: "ignore", ...(wrong as object) }), { code: /^ERR_/ });
  }
});

test("U1: the file may be other than argv[0]", async () => {
  const { out } = await outcome("/bin/sh", ["-c", "echo $0"], { argv0: "doesnotexist" });
  assert.equal(out, "doesnotexist\n");
  for (const file of [pathToFileURL("/bin/sh"), Buffer.from("/bin/sh")]) {
    const recorder = new Recorder();
    spawnProcess(recorder, file, ["-c", "echo by path"]);
    await recorder.ended;
    assert.equal(recorder.text(), "by path\n");
  }
});

test("U2: each standard fd is inherited, a pipe, the null device, an fd or an object that has one", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  const report = await reportBy({ stdin: "ignore", stderr: fd });
  assert.deepEqual([report.fds[0]?.link, report.fds[0]?.access], ["/dev/null", "rw"]);
  assert.equal(report.fds[1]?.kind, "pipe");
  assert.equal(report.fds[2]?.file, identity(fd));
  const objects = await reportBy({ stdin: { fd }, stderr: "inherit" });
  assert.equal(objects.fds[0]?.file, identity(fd));
  assert.equal(objects.fds[2]?.file, identity(2));
  for (const stdin of [{ fd: "3" }, { fd: null }, { fileno: () => 3 }, 1.5, -1]) {
    assert.throws(() => spawnProcess(null, "true", [], { stdin, stdout: "ignore", stderr: "ignore" } as ProtocolOptions), {
      code: /^ERR_INVALID_ARG|^ERR_OUT_OF_RANGE/,
    });
  }
});

test("U2: stderr joins stdout of any kind, and no other way round; an fd that isn't mapped and a cycle are refused", async () => {
  const { out, err, recorder } = await outcome("sh", ["-c", "echo out; echo err >&2"], { stderr: { dup: 1 } });
  assert.deepEqual([out, err], ["out\nerr\n", ""]);
  assert.ok(!recorder.log.includes("lost 2"));
  using files = new TemporaryFiles();
  for (const stdout of [{ file: files.path("both") }, openSync(files.path("fd"), "w"), "ignore"] as const) {
    const report = await reportBy({ stdout, stderr: { dup: 1 }, fds: { 3: "pipe" } }, 3);
    assert.equal(report.fds[2]?.file, report.fds[1]?.file);
    if (typeof stdout === "number") closeSync(stdout);
  }
  for (const wrong of [
    { stderr: { dup: 7 } },
    { stdout: { dup: 2 }, stderr: { dup: 1 } },
    { stdin: "close", stdout: { dup: 0 } },
  ]) {
    assert.throws(() => spawnProcess(new Recorder(), "true", [], wrong as ProtocolOptions), { code: "ERR_INVALID_ARG_VALUE" });
  }
});

test("U2: without pipes the child writes to our own stdout and stderr, and the protocol gets nothing", async () => {
  const told = await inNode<string[]>(
    `import { spawnProcess } from ${protocolModule};
    import { Recorder } from ${recorderModule};
    import { readFileSync, openSync } from "node:fs";
    import { spawn as nodeSpawn } from "node:child_process";
    const code = \`import { spawnProcess } from ${protocolModule.replaceAll('"', "'")};
      spawnProcess({}, "sh", ["-c", "echo out; echo err >&2"], { stdio: "inherit" });\`;
    const child = nodeSpawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["ignore", "pipe", "pipe"] });
    let out = "", err = "";
    child.stdout.on("data", (data) => { out += data; });
    child.stderr.on("data", (data) => { err += data; });
    await new Promise((resolve) => child.once("close", resolve));
    done([out, err]);`,
  );
  assert.deepEqual(told, ["out\n", "err\n"]);
});

test("U3: passed fds keep their numbers; our flags are as they were, after success and every failure", async () => {
  using files = new TemporaryFiles();
  const [passed, other] = files.open(2) as [number, number];
  for (const cloexec of [1, 0] as const) {
    self.setCloexec(passed, cloexec);
    const report = await reportBy({ passFds: [passed] });
    assert.equal(report.fds[passed]?.file, identity(passed));
    assert.ok(!fdsOf(report).includes(other));
    for (const wrong of [{ cwd: "/nonexistent" }, { uid: 5, gid: 5, groups: [], cwd: "/nonexistent" }]) {
      assert.throws(() => spawnProcess(new Recorder(), "true", [], { passFds: [passed], ...wrong }), { code: "ENOENT" });
    }
    assert.throws(() => spawnProcess(new Recorder(), "/nonexistent", [], { passFds: [passed] }), { code: "ENOENT" });
    assert.throws(() => spawnProcess(new Recorder(), "true", [], { passFds: [passed, 2] }), { code: "ERR_INVALID_ARG_VALUE" });
    assert.equal(self.getCloexec(passed), cloexec);
  }
});

test("U3: our ends of the pipes are not in the child, also where it inherits: it reads the end of its input", async () => {
  const first = new Recorder();
  const second = new Recorder();
  const transports = [first, second].map((recorder) => spawnProcess(recorder, "cat", [], { closeFds: false }));
  transports[0]?.write("abc");
  transports[0]?.closeStdin();
  await first.ended;
  assert.equal(first.text(), "abc");
  assert.equal(transports[1]?.getReturnCode(), null);
  transports[1]?.closeStdin();
  await second.ended;
});

test("U4: a new session: its id is the pid; without the option it is ours", async () => {
  const own = await reportBy({ session: true });
  assert.deepEqual([own.sid, own.pgid], [own.pid, own.pid]);
  const ours = await reportBy();
  assert.notEqual(ours.sid, ours.pid);
  const { code } = await outcome("sh", ["-c", "exit 8"], { session: true });
  assert.equal(code, 8);
});

test("U4: ignored signals are restored, or not", async () => {
  assert.deepEqual((await reportBy({ restoreSignals: "all" })).ignored, ["0000000000000000"]);
  const kept = await reportBy({ restoreSignals: false });
  const pipe = 1n << 12n;
  assert.ok(BigInt(`0x${kept.ignored[0]}`) & pipe);
});

test("U4: a user's step that fails: nothing is executed, the child is gone, its error is the cause", async () => {
  using files = new TemporaryFiles();
  const never = join(files.directory, "never");
  class Refused extends Error {}
  let pid = 0;
  await assert.rejects(
    spawnAsync("touch", [never], {
      async preexec(embryo) {
        pid = embryo.pid;
        throw new Refused("by the user");
      },
    }),
    ({ name, stage, cause }: SpawnError) => name === "SpawnError" && stage === "preexec" && cause instanceof Refused,
  );
  assert.equal(existsSync(never), false);
  assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
});

test("U5: two threads that start children at the same time don't disturb each other", async () => {
  const right = await inNode<number[]>(`
    import { Worker } from "node:worker_threads";
    const code = \`
      import { parentPort } from "node:worker_threads";
      const { spawnProcess } = await import(${protocolModule.replaceAll('"', "'")});
      const { Recorder } = await import(${recorderModule.replaceAll('"', "'")});
      const all = await Promise.all(Array.from({ length: 50 }, async (_, i) => {
        const recorder = new Recorder();
        const transport = spawnProcess(recorder, "sh", ["-c", "cat; exit " + i]);
        transport.write(String(i));
        transport.closeStdin();
        await recorder.ended;
        return recorder.text() === String(i) && transport.getReturnCode() === i;
      }));
      parentPort.postMessage(all.filter(Boolean).length);
    \`;
    const workers = Array.from({ length: 4 }, () => new Worker(new URL("data:text/javascript," + encodeURIComponent(code))));
    done(await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject)))));
  `);
  assert.deepEqual(right, [50, 50, 50, 50]);
});

test("U6: each kind of bad executable is its own SpawnError; nothing leaks and nobody is told", async () => {
  using files = new TemporaryFiles();
  const plain = files.write("plain", "echo no\n", 0o755);
  const forbidden = files.write("forbidden", "#!/bin/sh\n", 0o644);
  const fail = async (file: string, args: string[], code: string): Promise<void> => {
    const compare = takeStock();
    const recorder = new Recorder();
    assert.throws(() => spawnProcess(recorder, file, args), { name: "SpawnError", code, file });
    await assert.rejects(
      subprocessExec(() => recorder, file, args),
      { name: "SpawnError", code },
    );
    await compare();
    assert.deepEqual(recorder.log, []);
  };
  for (let i = 0; i < 10; i++) {
    await fail("nonexistent-program", [], "ENOENT");
    await fail(files.path("nothing"), [], "ENOENT");
    await fail(forbidden, [], "EACCES");
    await fail(files.directory, [], "EACCES");
    await fail(plain, [], "ENOEXEC");
    await fail("/bin/true", ["x".repeat(200_000)], "E2BIG");
  }
});

test("U6: a script with #! is run by its interpreter", async () => {
  using files = new TemporaryFiles();
  const { out, code } = await outcome(files.write("script", "#!/bin/sh\necho from the script; exit 3\n", 0o755), []);
  assert.deepEqual([out, code], ["from the script\n", 3]);
});

test("U6: an fd that isn't open is EBADF, for each standard fd", () => {
  for (const name of ["stdin", "stdout", "stderr"] as const) {
    assert.throws(() => spawnProcess(new Recorder(), "true", [], { [name]: 54_321 }), {
      name: "SpawnError",
      code: "EBADF",
      fd: 54_321,
    });
  }
});

test("U17: a signal that is aborted already creates nothing", async () => {
  const compare = takeStock();
  let made = 0;
  const factory = (): Recorder => {
    made++;
    return new Recorder();
  };
  const signal = AbortSignal.abort("no");
  await assert.rejects(subprocessExec(factory, act, ["pause"], { signal }), {
    name: "AbortError",
    code: "ABORT_ERR",
    cause: "no",
  });
  await assert.rejects(subprocessShell(factory, "sleep 60", { signal }), { name: "AbortError" });
  assert.throws(() => spawnProcess(new Recorder(), act, ["pause"], { signal }), { name: "AbortError" });
  assert.equal(made, 0);
  await compare();
});

test("U17: one that aborts during the creation: rejected, killed, reaped, no fd left, the protocol told", async () => {
  for (const stubborn of [false, true]) {
    const compare = takeStock();
    const controller = new AbortController();
    const recorder = new Recorder();
    const args = stubborn ? ["ignore", "15", "pause"] : ["pause"];
    const creation = subprocessExec(() => recorder, act, args, { signal: controller.signal });
    controller.abort("enough");
    await assert.rejects(creation, { name: "AbortError", cause: "enough" });
    // All is over by now, not some time later.
    assert.equal(recorder.log.at(-1), "ended");
    assert.ok((recorder.transport?.getReturnCode() as number) < 0);
    await compare();
  }
});

test("U17: one that aborts later terminates the child, and connectionLost gets the AbortError", async () => {
  const controller = new AbortController();
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["pause"], { signal: controller.signal });
  controller.abort("later");
  await recorder.ended;
  assert.equal(transport.getReturnCode(), -15);
  assert.equal(recorder.error?.name, "AbortError");
  assert.equal(recorder.error?.cause, "later");
});

test("U17: a timeout does the same with a TimeoutError", async () => {
  const recorder = new Recorder();
  spawnProcess(recorder, act, ["pause"], { timeout: 20 });
  await recorder.ended;
  assert.equal(recorder.error?.name, "TimeoutError");
});

test("U18: the user's fds and streams stay open and as they are, after success and failure", async () => {
  using files = new TemporaryFiles();
  const [fd, second] = files.open(2) as [number, number];
  writeFileSync(fd, "0123456789");
  const { out } = await outcome("cat", [], { stdin: openedAgain(files, 0), stderr: second });
  assert.equal(out, "0123456789");
  await outcome("sh", ["-c", "echo to fd"], { stdout: fd, stderr: { fd: second } });
  assert.throws(() => spawnProcess(new Recorder(), "/nonexistent", [], { stdout: fd, stderr: second }), { code: "ENOENT" });
  assert.equal(readFileSync(files.path("open-0"), "utf8"), "0123456789to fd\n");
  assert.deepEqual([self.getCloexec(fd), self.getCloexec(second)], [1, 1]);
  assert.equal(readSync(fd, Buffer.alloc(4), 0, 4, 0), 4);
  for (const opened of again.splice(0)) closeSync(opened);
});

const again: number[] = [];
function openedAgain(files: TemporaryFiles, index: number): number {
  const fd = openSync(join(files.directory, `open-${index}`), "r");
  again.push(fd);
  return fd;
}

test("U18: brood's own ends are closed once: a stranger who gets the number keeps it", async () => {
  using files = new TemporaryFiles();
  for (let i = 0; i < 30; i++) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["fill", "1", "100000"]);
    transport.closeStdin();
    transport.closeStdin();
    transport.closeStdout();
    await recorder.noted("lost 0");
    // These get the lowest free numbers: those of the ends that were closed.
    const strangers = [openSync(files.path("a"), "w"), openSync(files.path("b"), "w"), openSync(files.path("c"), "w")];
    transport.loseConnection();
    transport.close();
    await recorder.ended;
    transport.close();
    for (const fd of strangers) {
      writeFileSync(fd, "mine");
      closeSync(fd);
    }
  }
});

test("U18: no fd is left by children that came and went, however they ended", async () => {
  const compare = takeStock();
  for (let i = 0; i < 10; i++) {
    const { recorder } = await outcome(act, ["fill", "1", "1000", "exit", String(i)]);
    assert.ok(recorder.bytes(1).equals(filling(1000)));
  }
  await compare();
});
