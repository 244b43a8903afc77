/**
 * What CPython's own test_subprocess.py asks of Popen, run and check_output on POSIX, asked of spawn and run. What a row
 * of the table has already is not here.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readlinkSync, readSync, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { type ExitError, run, spawn, TimeoutError } from "brood";
import { act, filling, lineOf } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { TemporaryFiles } from "../../helpers/files.js";
import { inNode } from "../../helpers/in-node.js";
import { stateOf } from "../../helpers/processes.js";
import { fdsOf, reportOf, signalsOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

const sh = (script: string): [string, string[]] => ["sh", ["-c", script]];

test("a clean end is returned, another thrown with its status and output, or returned where that is asked for", async () => {
  const clean = await run(...sh("echo out; echo err >&2"));
  assert.deepEqual([clean.stdout, clean.stderr, clean.exit.kind], ["out\n", "err\n", "exited"]);
  await assert.rejects(run(...sh("echo out; exit 47")), (error: ExitError) => {
    assert.deepEqual([error.code, error.stdout, error.exit.kind === "exited" && error.exit.code], ["ERR_EXIT", "out\n", 47]);
    return /exited with code 47/.test(error.message);
  });
  const { exit } = await run(...sh("exit 47"), { reject: false });
  assert.equal(exit.kind === "exited" && exit.code, 47);
});

test("an end by a signal is told by its name, in the state and in the words", async () => {
  await assert.rejects(run(act, ["raise", "6"]), (error: ExitError) => {
    assert.equal(error.exit.kind === "killed" && error.exit.signal, "SIGABRT");
    return /SIGABRT/.test(error.message);
  });
});

test("a timeout ends the command and throws, also where its output is captured and a child of it holds the pipe", async () => {
  await assert.rejects(run("sleep", ["600"], { timeout: 50 }), TimeoutError);
  await assert.rejects(run(...sh("sleep 600; :"), { timeout: 50 }), (error: TimeoutError) => {
    // The shell's own child is an orphan now; nobody waits for it.
    for (const { pid } of error.heldBy) process.kill(pid, "SIGKILL");
    return error.reason === "timeout";
  });
});

test("input comes as text, bytes, or a file; a command without any reads nothing; both at once are refused", async () => {
  using files = new TemporaryFiles();
  for (const input of ["pear", Buffer.from("pear"), new Uint8Array([112, 101, 97, 114])]) {
    assert.equal((await run("tr", ["a-z", "A-Z"], { input })).stdout, "PEAR");
  }
  assert.equal((await run("cat", [], { stdin: { file: files.write("pear", "pear") } })).stdout, "pear");
  assert.equal((await run("cat")).stdout, "");
  await assert.rejects(run("cat", [], { stdin: "ignore", input: "hare" }), { code: "ERR_OPTION_CONFLICT" });
});

test("bytes of a view of larger elements are all written", async () => {
  const numbers = Uint32Array.from({ length: 20_000 }, (_, i) => i);
  const bytes = new Uint8Array(numbers.buffer);
  const { stdout } = await run("cat", [], { input: bytes, encoding: "buffer" });
  assert.ok((stdout as Buffer).equals(bytes));
});

test("more goes in and comes out than the pipes hold, at once", async () => {
  const input = filling(4_000_000);
  const { stdout, stderr } = await run(...sh("head -c 47; head -c 2000000 /dev/zero >&2; cat"), { input, encoding: "buffer" });
  assert.ok((stdout as Buffer).equals(input));
  assert.equal((stderr as Buffer).length, 2_000_000);
});

test("what was written before goes with what follows; a stdin that was closed already is no error", async () => {
  const child = spawn("cat");
  child.stdin.write("banana");
  child.stdin.end("split");
  assert.equal((await child.output()).stdout, "bananasplit");
  const other = spawn("true");
  other.stdin.end();
  await once(other.stdin, "close");
  assert.equal((await other.output()).exit.kind, "exited");
});

test("a command that reads nothing of a large input is no error", async () => {
  assert.equal((await run("true", [], { input: Buffer.alloc(1 << 20) })).exit.kind, "exited");
  assert.equal((await run("true", [], { input: Buffer.alloc(1 << 20), stdout: "ignore", stderr: "ignore" })).exit.kind, "exited");
});

test("streams that weren't asked for are null; a null device takes anything and gives nothing", async () => {
  const child = spawn(...sh("head -c 10000000 /dev/zero; head -c 10000000 /dev/zero >&2; read x || exit 3"), { stdio: "ignore" });
  assert.deepEqual([child.stdin, child.stdout, child.stderr], [null, null, null]);
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 3);
});

test("without redirection the child writes to where the parent does, also for an fd that is given by number", async () => {
  const { stdout, stderr } = await run(
    process.execPath,
    [
      "--input-type=module",
      "-e",
      `import { run, spawn } from "brood"; await spawn("echo", ["one"], { stdio: "inherit" }).closed; await spawn("echo", ["two"], { stdin: "ignore", stdout: 1, stderr: 2 }).closed; await spawn("sh", ["-c", "echo 42 >&2"], { stdin: "ignore", stdout: "inherit", stderr: { dup: 1 } }).closed;`,
    ],
    { cwd: new URL("./", import.meta.resolve("brood/package.json")) },
  );
  assert.deepEqual([stdout, stderr], ["one\ntwo\n42\n", ""]);
});

test("one fd for reading and writing is any two of the standard ones", async () => {
  for (const [one, other] of [
    ["stdin", "stdout"],
    ["stdout", "stderr"],
    ["stdin", "stderr"],
  ] as const) {
    using files = new TemporaryFiles();
    const [fd] = files.open(1) as [number];
    assert.equal((await spawn("true", [], { stdio: undefined, [one]: fd, [other]: fd }).closed).kind, "exited");
  }
});

test("the executable and args[0] are two things; it is taken as text, bytes or URL", async () => {
  for (const file of [childPath("report"), Buffer.from(childPath("report")), pathToFileURL(childPath("report"))]) {
    const { stdout } = await run(file, ["1"], { argv0: "somethingyoudonthave" });
    const { argv } = JSON.parse(stdout as string) as { argv: string[] };
    assert.equal(Buffer.from(argv[0] as string, "hex").toString(), "somethingyoudonthave");
  }
});

test("a directory as text, bytes or URL; an absolute executable works from any", async () => {
  for (const cwd of ["/usr", Buffer.from("/usr"), new URL("file:///usr")]) {
    assert.equal((await run("/bin/pwd", [], { cwd })).stdout, "/usr\n");
  }
});

test("what fails names the file that it was about: the directory for a bad one, else the executable", () => {
  assert.throws(() => spawn("true", [], { cwd: "/some/nonexistent/directory" }), {
    path: "/some/nonexistent/directory",
    code: "ENOENT",
  });
  assert.throws(() => spawn("/opt/nonexistent_binary", ["with", "args"]), { path: "/opt/nonexistent_binary", code: "ENOENT" });
});

test("variables: one more, only one, none; = in a value is part of it; bytes that are no text go through", async () => {
  assert.equal((await run(...sh("echo $FRUIT"), { env: { FRUIT: "orange=lemon" } })).stdout, "orange=lemon\n");
  assert.equal((await run("/usr/bin/env", [], { env: { fruit: "orange" }, extendEnv: false })).stdout, "fruit=orange\n");
  assert.equal((await run("/usr/bin/env", [], { env: {}, extendEnv: false })).stdout, "");
  const pair = [Buffer.from("te\xffst", "latin1"), Buffer.from("abc\xff", "latin1")] as const;
  const { stdout } = await run("/usr/bin/env", [], { env: [pair], extendEnv: false, encoding: "buffer" });
  assert.equal((stdout as Buffer).toString("latin1"), "te\xffst=abc\xff\n");
});

test("a name in bytes is sought in a PATH of text or bytes", async () => {
  for (const PATH of ["/usr/bin:/bin", Buffer.from("/usr/bin:/bin")]) {
    assert.equal((await spawn(Buffer.from("true"), [], { env: { PATH } }).closed).kind, "exited");
  }
});

test("sessions, groups, users, umask", async () => {
  const session = await reportOf({ session: true });
  const group = await reportOf({ processGroup: "new" });
  assert.deepEqual([session.sid, group.pgid, (await reportOf({ groups: [] })).groups], [session.pid, group.pid, []]);
  for (const closeFds of [true, false]) {
    const { stdout } = await run(...sh("id -u; id -g"), { uid: 65533, gid: 65532, closeFds, cwd: "/" });
    assert.equal(stdout, "65533\n65532\n");
  }
  using files = new TemporaryFiles();
  await run("touch", [files.path("beans")], { umask: 0o053 });
  assert.equal(statSync(files.path("beans")).mode & 0o666, 0o624);
});

test("signals that the runtime ignores are default again, or stay ignored", async () => {
  assert.ok(!signalsOf((await reportOf()).ignored).includes(13));
  assert.ok(signalsOf((await reportOf({ restoreSignals: false })).ignored).includes(13));
});

test("kill, terminate and any signal: by name, and harmless after the end", async () => {
  for (const signal of ["SIGINT", "SIGKILL", "SIGTERM"] as const) {
    const child = spawn(act, ["say", "1", "x", "pause"]);
    assert.equal(await lineOf(child.stdout), "x");
    assert.equal(child.kill(signal), true);
    const exit = await child.closed;
    assert.equal(exit.kind === "killed" && exit.signal, signal);
    assert.equal(child.kill(signal), false);
    assert.deepEqual(await child.terminate(), exit);
  }
  // Ended, and nobody has looked yet: no signal is sent to what may be somebody else by now.
  const fast = spawn("true", [], { stdio: "ignore" });
  while (stateOf(fast.pid) !== "Z") {}
  assert.equal(fast.kill("SIGTERM"), false);
  assert.equal((await fast.closed).kind, "exited");
});

test("the end can be asked for again, and with a limit of time that changes nothing", async () => {
  const child = spawn(act, ["read", "exit", "5"]);
  assert.equal(child.exit, null);
  await assert.rejects(child.wait({ exited: true, signal: AbortSignal.timeout(10) }), { name: "AbortError" });
  assert.equal(child.exit, null);
  child.stdin.end();
  const first = await child.exited;
  assert.deepEqual([await child.exited, child.exit, await child.wait({ exited: true })], [first, first, first]);
  await child.closed;
});

test("parents with any of fds 0 to 2 closed: pipes work all the same", async () => {
  for (const closed of [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]) {
    const result = await inNode<object>(
      `const keep = self.duplicate(1, 20);
       for (const fd of ${JSON.stringify(closed)}) fs.closeSync(fd);
       const { stdout, stderr } = await run("sh", ["-c", "printf apple; printf orange >&2"]);
       fs.writeSync(keep, JSON.stringify([stdout, stderr]));`,
    );
    assert.deepEqual(result, ["apple", "orange"], String(closed));
  }
});

test("the pipes of one child are in no other, and a pipeline over one ends when its writer does", async () => {
  const first = spawn("cat", [], { closeFds: false });
  const pipes = [0, 1, 2].map((fd) => readlinkSync(`/proc/${first.pid}/fd/${fd}`));
  const other = await reportOf({ closeFds: false });
  const shared = Object.values(other.fds).filter(({ link }) => pipes.includes(link));
  assert.deepEqual(shared, []);
  first.stdin.end("zxcvbn\n");
  assert.equal(await first.stdout.text(), "zxcvbn\n");
  await first.closed;
});

test("fds that are passed and are stdin, stdout and stderr too; flags here stay", async () => {
  using files = new TemporaryFiles();
  const [a, b, c] = files.open(3) as [number, number, number];
  self.setCloexec(b, 0);
  const report = await reportOf({ stdin: a, stdout: b, stderr: c, passFds: [a, b, c], fds: { 9: { pipe: "r" } } }, { fd: 9 });
  assert.deepEqual(fdsOf(report), [0, 1, 2, 9, a, b, c]);
  assert.deepEqual([a, b, c].map(self.getCloexec), [1, 0, 1]);
});

test("many failures and many children with few fds left: none leaks", async () => {
  const said = await inNode<string>(
    `await run("true");
     const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
     self.limit(7, 120);
     const filling = [];
     for (;;) { try { filling.push(fs.openSync("/dev/null")); } catch { break; } }
     for (let i = 0; i < 12; i++) fs.closeSync(filling.pop());
     for (let i = 0; i < 200; i++) try { spawn("/nonexistent"); } catch (error) { if (error.code !== "ENOENT") throw error; }
     let said = "";
     for (let i = 0; i < 15; i++) said += (await run("cat", [], { input: "l" })).stdout;
     self.limit(7, limit);
     done(said);`,
  );
  assert.equal(said, "l".repeat(15));
});

test("a signal handler of ours that runs while output is collected loses none of it", async () => {
  const result = await inNode<object>(
    `let handled = 0;
     process.on("SIGUSR1", () => handled++);
     const { stdout } = await run("sh", ["-c", "for i in 1 2 3; do kill -USR1 " + process.pid + "; echo $i; done"]);
     while (handled === 0) await new Promise(setImmediate);
     done(stdout);`,
  );
  assert.equal(result, "1\n2\n3\n");
});

test("a child that closes its stdout and goes on: the end of the stream comes first, that of the child later", async () => {
  const child = spawn(act, ["close", "1", "read", "exit", "2"]);
  assert.equal(await child.stdout.text(), "");
  assert.equal(child.exit, null);
  child.stdin.end();
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 2);
});

test("a script is executed by its first line; one without such a line is an error, and no shell steps in", async () => {
  using files = new TemporaryFiles();
  const script = files.write("script", "#!/bin/sh\nexit 47\n", 0o700);
  const exit = await spawn(script).closed;
  assert.equal(exit.kind === "exited" && exit.code, 47);
  assert.throws(() => spawn(files.write("text", "exit 47\n", 0o700)), { code: "ENOEXEC" });
  assert.equal((await run("sh", ["-c", "echo $0"], { argv0: "/bin/sh" })).stdout, "/bin/sh\n");
});

test("what was stopped is no end", async () => {
  const child = spawn(act, ["say", "1", "x", "read"]);
  assert.equal(await lineOf(child.stdout), "x");
  child.kill("SIGSTOP");
  assert.equal((await child.wait({ stopped: true })).kind, "stopped");
  assert.equal(child.exit, null);
  child.kill("SIGCONT");
  child.stdin.end();
  assert.equal((await child.closed).kind, "exited");
});

test("only a part is read: the rest stays to be read", async () => {
  using files = new TemporaryFiles();
  const [fd] = files.open(1) as [number];
  await spawn("sh", ["-c", "printf apple"], { stdio: ["ignore", fd, "ignore"] }).closed;
  const bytes = Buffer.alloc(4);
  assert.equal(readSync(fd, bytes, 0, 4, 0), 4);
  const child = spawn("sh", ["-c", "printf appleorange"]);
  let read: Buffer | null = null;
  while (read === null) {
    read = child.stdout.read(5) as Buffer | null;
    if (read === null) await once(child.stdout, "readable");
  }
  assert.deepEqual([String(bytes), String(read), await child.stdout.text()], ["appl", "apple", "orange"]);
  await child.closed;
});
