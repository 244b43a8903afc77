import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import type { ChildProcess, ExecFileException } from "node:child_process";
import diagnostics from "node:diagnostics_channel";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { promisify } from "node:util";
import { closed, onEachEngine } from "../helpers/engines.js";

type Rejected = ExecFileException & { stdout: string; stderr: string };

const rejection = (promise: Promise<unknown>): Promise<Rejected> =>
  promise.then(
    () => assert.fail("it was fulfilled"),
    (error) => error,
  );

onEachEngine("exec and execFile call back with the output", async ({ cp, ours }) => {
  const child = cp.exec("echo out; echo err >&2");
  assert.equal(child.brood !== undefined, ours);
  await closed(child);
  const called = await new Promise<unknown[]>((resolve) => cp.exec("echo $A", { env: { A: "1" } }, (...args) => resolve(args)));
  assert.deepEqual(called, [null, "1\n", ""]);
  const file = await new Promise<unknown[]>((resolve) => cp.execFile("sh", ["-c", "echo err >&2"], (...args) => resolve(args)));
  assert.deepEqual(file, [null, "", "err\n"]);
  const bytes = await new Promise<unknown[]>((resolve) =>
    cp.execFile("printf", ["\\377"], { encoding: "buffer" }, (...args) => resolve(args)),
  );
  assert.deepEqual(bytes.slice(0, 2), [null, Buffer.of(255)]);
});

onEachEngine("their promisified forms have the child, and reject with the output", async ({ cp, ours }) => {
  const exec = promisify(cp.exec);
  const execFile = promisify(cp.execFile);
  const promise = execFile("echo", ["x"]);
  assert.equal(promise.child.brood !== undefined, ours);
  assert.deepEqual(await promise, { stdout: "x\n", stderr: "" });
  assert.deepEqual(await exec("echo y"), { stdout: "y\n", stderr: "" });
  const failed = await rejection(exec("echo out; echo err >&2; exit 3"));
  assert.deepEqual([failed.code, failed.killed, failed.signal, failed.stdout, failed.stderr], [3, false, null, "out\n", "err\n"]);
  assert.equal(failed.cmd, "echo out; echo err >&2; exit 3");
  assert.equal(failed.message, "Command failed: echo out; echo err >&2; exit 3\nerr\n");
  const missing = await rejection(execFile("/nowhere/at-all", ["a"]));
  assert.deepEqual([missing.code, missing.path, missing.cmd], ["ENOENT", "/nowhere/at-all", "/nowhere/at-all a"]);
  const killed = await rejection(exec("kill -9 $$"));
  assert.deepEqual([killed.code, killed.signal], [null, "SIGKILL"]);
});

onEachEngine("execFile keeps to maxBuffer and timeout", async ({ cp }) => {
  const execFile = promisify(cp.execFile);
  const long = await rejection(execFile("sh", ["-c", "printf 0123456789; exec sleep 30"], { maxBuffer: 5 }));
  assert.deepEqual([long.code, long.stdout], ["ERR_CHILD_PROCESS_STDIO_MAXBUFFER", "01234"]);
  const late = await rejection(execFile("sleep", ["30"], { timeout: 20, killSignal: "SIGINT" }));
  assert.deepEqual([late.killed, late.signal, late.code], [true, "SIGINT", null]);
});

onEachEngine("timeout and signal end a child", async ({ cp }) => {
  const late = cp.spawn("sleep", ["30"], { stdio: "ignore", timeout: 20, killSignal: "SIGUSR2" });
  assert.deepEqual(await closed(late), { code: null, signal: "SIGUSR2" });
  const controller = new AbortController();
  const aborted = cp.spawn("sleep", ["30"], { stdio: "ignore", signal: controller.signal });
  const [[error]] = await Promise.all([once(aborted, "error"), pause(1).then(() => controller.abort("why"))]);
  assert.deepEqual([error.name, error.code, error.cause], ["AbortError", "ABORT_ERR", "why"]);
  await once(aborted, "close");
  assert.equal(aborted.signalCode, "SIGTERM");
  const already = cp.spawn("sleep", ["30"], { stdio: "ignore", signal: AbortSignal.abort() });
  assert.equal((await once(already, "error"))[0].name, "AbortError");
  await once(already, "close");
});

onEachEngine("events keep the async context of the spawn", async ({ cp }) => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const child = storage.run("spawn", () => cp.spawn("echo", ["x"], { stdio: ["ignore", "pipe", "inherit"] }));
  storage.run("later", () => {
    child.on("exit", () => seen.push(storage.getStore()));
    child.stdout.on("data", () => seen.push(storage.getStore()));
  });
  await closed(child);
  assert.deepEqual(seen, ["spawn", "spawn"]);
});

onEachEngine("the diagnostics channel tells of each child once", async ({ cp }) => {
  const told: ChildProcess[] = [];
  const onChild = (message: unknown): void => {
    told.push((message as { process: ChildProcess }).process);
  };
  diagnostics.subscribe("child_process", onChild);
  try {
    const child = cp.spawn("true", { stdio: "ignore" });
    assert.deepEqual(told, [child]);
    await closed(child);
  } finally {
    diagnostics.unsubscribe("child_process", onChild);
  }
});

onEachEngine("a child that has come to its end is collected", async ({ cp, context }) => {
  const { gc } = globalThis as { gc?: () => void };
  assert.ok(gc, "to be run with --expose-gc");
  const reference = await (async () => {
    const child = cp.spawn("echo", ["x"], { stdio: ["ignore", "pipe", "inherit"] });
    child.stdout.resume();
    await closed(child);
    return new WeakRef(child);
  })();
  for (let turns = 0; reference.deref() !== undefined && turns < 100; turns++) {
    await pause(5, undefined, { signal: context.signal });
    gc();
  }
  assert.equal(reference.deref(), undefined);
});
