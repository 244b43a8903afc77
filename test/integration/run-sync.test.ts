/**
 * runSync: what it gives is what run gives; bytes go both ways, and nothing else happens meanwhile.
 */

import assert from "node:assert/strict";
import { closeSync, openSync, readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { type ExitError, type RunSyncOptions, run, runSync, SpawnError, spawn } from "brood";
import { act, filling } from "../helpers/act.js";
import { TemporaryFiles } from "../helpers/files.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

/** What must be the same of two runs of one command. */
function comparable(result: object): object {
  const { exit, durationMs, message, ...rest } = result as Record<string, unknown> & { exit: { pid: number; usage: object } };
  assert.ok((durationMs as number) > 0);
  const { pid, usage, ...end } = exit;
  assert.ok(pid > 1);
  return { ...rest, message, exit: end, usage: Object.keys(usage).sort() };
}

const SAME: [title: string, file: string, args: string[], options?: RunSyncOptions][] = [
  ["output on both fds", "sh", ["-c", "echo out; echo err >&2"]],
  ["no output", "true", []],
  ["a code", "sh", ["-c", "exit 3"]],
  ["a signal", "sh", ["-c", "kill -9 $$"]],
  ["input", "cat", [], { input: "héllo\n\0" }],
  ["input of bytes", "cat", [], { input: new Uint8Array([255, 0, 1]), encoding: "buffer" }],
  ["empty input", "cat", [], { input: "" }],
  ["text on stdin", "cat", [], { stdin: "text for cat" }],
  ["a command that does not read its input", "true", [], { input: "x".repeat(1_000_000) }],
  ["a further fd", "sh", ["-c", "echo three >&3"], { fds: { 3: "pipe" } }],
  ["a socket", "sh", ["-c", "echo three >&3"], { fds: { 3: "socket" } }],
  ["stderr joined to stdout", "sh", ["-c", "echo a; echo b >&2"], { stderr: { dup: 1 } }],
  ["ignored output", "sh", ["-c", "echo a; echo b >&2"], { stdout: "ignore", stderr: "close" }],
  ["bytes that are no UTF-8", "printf", ["\\377\\303"]],
  ["argv0, directory and environment", "sh", ["-c", "echo $0 $A; pwd"], { argv0: "shell", cwd: "/", env: { A: "b" } }],
  ["umask and limits", "sh", ["-c", "umask; ulimit -n"], { umask: 0o27, rlimits: { nofile: 99 } }],
  ["a bound on output", act, ["fill", "1", "300000", "fill", "2", "9"], { maxOutput: { bytes: 100, keep: "both" } }],
];

for (const [title, file, args, options = {}] of SAME) {
  test(`the same as run: ${title}`, async () => {
    const there = await run(file, args, { ...options, reject: false });
    const here = runSync(file, args, { ...options, reject: false });
    assert.deepEqual(comparable(here), comparable(there));
    const [thrown, thrownHere] = await Promise.all([
      run(file, args, options).catch((error: object) => error),
      (async () => runSync(file, args, options))().catch((error: object) => error),
    ]);
    assert.equal(thrownHere.constructor, thrown.constructor);
    if (thrown instanceof Error)
      assert.deepEqual(comparable((thrownHere as ExitError).toJSON()), comparable((thrown as ExitError).toJSON()));
  });
}

test("a failed start is the SpawnError that spawn throws", () => {
  for (const [file, options, stage] of [
    ["/no/such/file", {}, "exec"],
    ["true", { cwd: "/no/such/directory" }, "chdir"],
    ["true", { stdout: { file: "/no/such/file" } }, "open"],
  ] as const) {
    assert.throws(
      () => runSync(file, [], options),
      (error) => {
        assert.ok(error instanceof SpawnError);
        assert.equal(error.stage, stage);
        assert.throws(() => spawn(file, [], options), { message: error.message });
        return true;
      },
    );
  }
});

test("the first spawn of a process may be a synchronous one, which needs no monitor", async () => {
  const { stdout } = await runNode(
    `import { readdirSync } from "node:fs";
     const before = readdirSync("/proc/self/fd").length;
     const { stdout } = brood.runSync("echo", ["hi"]);
     console.log(stdout.trim(), readdirSync("/proc/self/fd").length - before);`,
  );
  assert.equal(stdout, "hi 0\n");
});

for (const size of [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 131_072, 1_000_003]) {
  test(`${size} bytes there and back`, () => {
    const bytes = filling(size);
    const { stdout } = runSync("cat", [], { input: bytes, encoding: "buffer" });
    assert.ok(stdout.equals(bytes));
  });
}

test("many megabytes go in while as many come out", () => {
  const bytes = filling(32 * 1024 * 1024);
  const { stdout, stderr } = runSync("sh", ["-c", "tee /dev/stderr"], { input: bytes, encoding: "buffer" });
  assert.ok(stdout.equals(bytes));
  assert.ok(stderr.equals(bytes));
});

test("a command that closes its stdin before it has all goes on", () => {
  const script = "exec 0<&-; head -c 300000 /dev/zero";
  assert.equal(runSync("sh", ["-c", script], { input: filling(1_000_000) }).stdout.length, 300_000);
});

test("a pipe to the command that nobody can write to is at its end", () => {
  assert.equal(
    runSync("sh", ["-c", "cat; cat <&3; cat <&4; echo end"], { stdin: "pipe", fds: { 3: { pipe: "w" }, 4: "socket" } }).stdout,
    "end\n",
  );
});

test("spill: the whole output in files; why one could not be written", () => {
  const files = new TemporaryFiles();
  const path = files.path("out");
  const options = { encoding: "buffer", maxOutput: { bytes: 10, keep: "tail", spill: path } } as const;
  const { stdout, omitted } = runSync(act, ["fill", "1", "5000000", "fill", "2", "300000", "say", "1", "end"], options);
  assert.equal(stdout.toString("latin1", 6), "end\n");
  assert.ok(readFileSync(path).equals(Buffer.concat([filling(5_000_000), Buffer.from("end\n")])));
  assert.ok(readFileSync(`${path}.2`).equals(filling(300_000)));
  assert.equal(omitted[1]?.bytes, 5_000_004 - 10);
  assert.equal(omitted[2]?.spill, `${path}.2`);
  const elsewhere = { bytes: 10, spill: "/no/such/directory/out" };
  const failed = runSync(act, ["fill", "1", "300000"], { maxOutput: elsewhere });
  assert.equal((failed.omitted[1]?.spillError as NodeJS.ErrnoException | undefined)?.code, "ENOENT");
  const full = runSync(act, ["fill", "1", "300000"], { maxOutput: { bytes: 10, spill: "/dev/full" } });
  assert.equal((full.omitted[1]?.spillError as NodeJS.ErrnoException | undefined)?.code, "ENOSPC");
  assert.equal(full.exit.kind === "exited" && full.exit.code, 0);
  files[Symbol.dispose]();
});

test("nothing of the event loop runs meanwhile, and other children are untouched", async () => {
  const other = spawn("sh", ["-c", "echo said; exit 5"]);
  const ran: string[] = [];
  const immediate = new Promise<void>((resolve) => {
    setImmediate(() => {
      ran.push("immediate");
      resolve();
    });
  });
  queueMicrotask(() => ran.push("microtask"));
  // Until the other child has exited, and waits to be reaped.
  const script = `until grep -q ') Z' /proc/${other.pid}/stat; do :; done; echo done`;
  const { stdout } = runSync("sh", ["-c", script], { timeout: 20_000 });
  assert.equal(stdout, "done\n");
  assert.deepEqual(ran, []);
  assert.equal(other.exit, null);
  assert.equal(await other.stdout.text(), "said\n");
  const exit = await other.closed;
  assert.equal(exit.kind === "exited" && exit.code, 5);
  await immediate;
  assert.deepEqual(ran, ["microtask", "immediate"]);
});

test("signals that have a handler don't disturb it; the handler runs after it", async () => {
  const result = await inNode<{ stdout: string; during: number; after: number }>(`
    let count = 0;
    process.on("SIGUSR2", () => count++);
    const { stdout } = brood.runSync("sh", ["-c", "for i in 1 2 3 4 5 6 7 8 9; do kill -USR2 $PPID; done; cat; echo ok"], { input: "x\\n".repeat(300000) });
    const during = count;
    setTimeout(() => done({ stdout: stdout.slice(-3), during, after: count }), 50);
  `);
  assert.deepEqual([result.stdout, result.during], ["ok\n", 0]);
  assert.ok(result.after > 0);
});

test("SIGINT without a handler ends the process while it waits, as anywhere", async () => {
  const { signal } = await runNode(`brood.runSync("sh", ["-c", "kill -INT $PPID; exec sleep 3"]);`);
  assert.equal(signal, "SIGINT");
});

test("it works in an exit handler", async () => {
  const { stdout } = await runNode(
    `process.on("exit", () => process.stdout.write(brood.runSync("echo", ["last words"]).stdout));`,
  );
  assert.equal(stdout, "last words\n");
});

test("it works in the reaction to another child's end, and again within its own", async () => {
  const said: string[] = [];
  const child = spawn("true");
  await child.exited.then(() => said.push(runSync("echo", ["then"]).stdout));
  assert.deepEqual(said, ["then\n"]);
  await child.closed;
});

test("workers each have their own", async () => {
  const code = `
    const { parentPort, workerData } = require("node:worker_threads");
    import(workerData.brood).then(({ runSync }) => {
      let total = 0;
      for (let i = 0; i < 5; i++) total += runSync("cat", [], { input: Buffer.alloc(300000), encoding: "buffer" }).stdout.length;
      parentPort.postMessage(total);
    });`;
  const totals = await Promise.all(
    Array.from({ length: 3 }, async () => {
      const worker = new Worker(code, { eval: true, workerData: { brood: import.meta.resolve("brood") } });
      const total = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
      await worker.terminate();
      return total;
    }),
  );
  assert.deepEqual(totals, [1_500_000, 1_500_000, 1_500_000]);
});

test("an inherited fd and an fd of ours", () => {
  const files = new TemporaryFiles();
  const path = files.path("log");
  const fd = openSync(path, "w");
  const { stdout } = runSync("sh", ["-c", "echo out; echo err >&2"], { stdout: fd, stderr: fd });
  closeSync(fd);
  assert.equal(stdout, null);
  assert.equal(readFileSync(path, "utf8"), "out\nerr\n");
  files[Symbol.dispose]();
});

test("the types follow the options", () => {
  const text: string = runSync("true").stdout;
  const bytes: Buffer = runSync("true", { encoding: "buffer" }).stdout;
  const nothing: null = runSync("true", [], { stdout: "ignore" }).stdout;
  assert.deepEqual([text, bytes.length, nothing], ["", 0, null]);
});
