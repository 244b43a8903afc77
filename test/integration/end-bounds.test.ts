/**
 * Whatever asks for the end of a child, the end comes within its bound, though it ignores the polite signal and a background
 * process holds the pipes.
 */

import assert from "node:assert/strict";
import { AbortError, type Child, type Reason, type SpawnOptions, TimeoutError } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const SCRIPT = 'trap "" TERM; sleep 30 & echo "$!"; echo partial >&2; while :; do sleep 0.05 >/dev/null 2>&1 3>&-; done';
const GRACE = 300;
/** "Within a second of its bound", and as much again for a machine that is busy, or a sanitizer. */
const LATE = 2000;

interface Way {
  reason: Reason;
  options?: SpawnOptions;
  /** When the end is asked for, after the handshake; nothing: by the options. */
  ask?: (child: Child) => unknown;
  error?: new (...args: never[]) => Error;
}

const abort = new AbortController();
const ways: Record<string, Way> = {
  timeout: { reason: "timeout", options: { timeout: 300 }, error: TimeoutError },
  idleTimeout: { reason: "idle", options: { idleTimeout: 300 }, error: TimeoutError },
  "an abort": {
    reason: "aborted",
    options: { signal: abort.signal },
    ask: () => abort.abort("enough"),
    error: AbortError,
  },
  "terminate()": { reason: "terminated", ask: (child) => void child.terminate() },
  "the abort of check()": {
    reason: "aborted",
    ask: (child) => {
      const controller = new AbortController();
      child.check({ signal: controller.signal }).catch(() => {});
      controller.abort();
    },
    error: AbortError,
  },
};

for (const [name, { reason, options = {}, ask, error }] of Object.entries(ways)) {
  test(`${name}: SIGKILL after the grace, pipes cut, what came is kept`, async () => {
    const child = await launch("sh", ["-c", SCRIPT], { ...options, forceKillAfterDelay: GRACE });
    let start = performance.now();
    let sleep = 0;
    if (ask !== undefined) {
      sleep = Number(await lineOf(child.stdout));
      start = performance.now();
      ask(child as unknown as Child);
    }
    const exit = await child.closed;
    const took = performance.now() - start;
    assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
    assert.equal(child.reason, reason);
    const bound = GRACE + (ask === undefined ? 300 : 0);
    assert.ok(took >= bound - 10 && took < bound + LATE, String(took));
    assert.equal(child.drained, false);
    assert.deepEqual(
      child.heldBy.map(({ command, fds }) => [command, fds]),
      [["sleep 30", [1, 2]]],
    );
    if (sleep === 0) sleep = Number(await lineOf(child.stdout));
    assert.equal(child.heldBy[0]?.pid, sleep);
    let got = "";
    await assert.rejects(
      async () => {
        for await (const chunk of child.stderr ?? []) got += chunk;
      },
      (thrown) => thrown instanceof (error ?? AbortError) && /^fd 2 of sh .* was cut: /.test(thrown.message),
    );
    assert.equal(got, "partial\n");
    if (error !== undefined) await assert.rejects(child.check(), error);
    process.kill(sleep, "SIGKILL");
    await ended(sleep);
  });

  test(`${name}: output() gives what came, and who holds the pipes`, async () => {
    const again = new AbortController();
    const own = options.signal === undefined ? options : { signal: again.signal };
    const child = await launch("sh", ["-c", SCRIPT], { ...own, fds: { 3: "pipe" }, forceKillAfterDelay: GRACE });
    const output = child.output();
    if (ask !== undefined) {
      // The background process is there when the shell ignores the signal: seen from its child.
      while (!(await hasChild(child.pid))) await new Promise(setImmediate);
      if (options.signal === undefined) ask(child as unknown as Child);
      else again.abort();
    }
    const result = await output;
    assert.equal(result.reason, reason);
    assert.equal(result.stderr, "partial\n");
    assert.equal(result.drained, false);
    const sleep = Number(result.stdout);
    assert.deepEqual(result.heldBy, [{ pid: sleep, command: "sleep 30", fds: [1, 2, 3] }]);
    process.kill(sleep, "SIGKILL");
    await ended(sleep);
  });
}

/** Whether the shell has come to its loop. */
async function hasChild(pid: number): Promise<boolean> {
  const { readFileSync } = await import("node:fs");
  const pids = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean);
  const lines = pids.map((one) => {
    try {
      return readFileSync(`/proc/${one}/cmdline`, "latin1");
    } catch {
      return "";
    }
  });
  return lines.some((line) => line.includes("0.05"));
}

test("the end of an `await using` scope", async () => {
  let held: Child["heldBy"] = [];
  let start = 0;
  let output: Promise<{ stdout: string; stderr: string; reason: Reason }>;
  let drained: boolean | null = null;
  {
    const child = await launch("sh", ["-c", SCRIPT], { forceKillAfterDelay: GRACE, fds: { 3: "pipe" } });
    output = child.output() as never;
    while (!(await hasChild(child.pid))) await new Promise(setImmediate);
    start = performance.now();
    await child[Symbol.asyncDispose]();
    held = child.heldBy;
    drained = child.drained;
    assert.equal(child.reason, "terminated");
  }
  const took = performance.now() - start;
  assert.ok(took >= GRACE - 10 && took < GRACE + LATE, String(took));
  assert.equal(drained, false);
  const { stdout, stderr, reason } = await output;
  const sleep = Number(stdout);
  assert.equal(held[0]?.pid, sleep);
  assert.deepEqual([stderr, reason], ["partial\n", "terminated"]);
  process.kill(sleep, "SIGKILL");
  await ended(sleep);
});

test("the end of a scope after the exit gives pipes up that are held; output() that waits for them ends", async () => {
  const child = await launch("sh", ["-c", "sleep 30 & echo done"]);
  const output = child.output();
  await child.exited;
  await child[Symbol.asyncDispose]();
  const result = await output;
  assert.deepEqual([result.stdout, result.reason, result.drained], ["done\n", "exit", false]);
  assert.match(result.heldBy[0]?.command ?? "", /sleep 30/);
  process.kill(result.heldBy[0]?.pid ?? 0, "SIGKILL");
  await ended(result.heldBy[0]?.pid ?? 0);
});

test("output() of a child that is disposed settles with what came; so does one that is asked for later", async () => {
  for (const late of [false, true]) {
    const child = await launch(act, ["say", "1", "x", "pause"]);
    const early = late ? undefined : child.output();
    while (child.exit === null && !(await quietlyReady(child.pid))) await new Promise(setImmediate);
    child[Symbol.dispose]();
    const alive = setInterval(() => {}, 1000);
    const result = await (early ?? child.output());
    clearInterval(alive);
    assert.equal(result.reason, "terminated");
    assert.equal(result.stdout, late ? "" : "x\n");
    assert.equal(result.exit.kind === "killed" && result.exit.signal, "SIGKILL");
  }
});

/** Whether it is in pause(2). */
async function quietlyReady(pid: number): Promise<boolean> {
  const { readFileSync } = await import("node:fs");
  return (
    readFileSync(`/proc/${pid}/wchan`, "utf8").includes("pause") || readFileSync(`/proc/${pid}/syscall`, "utf8").startsWith("34 ")
  );
}

test("the parent's process.exit", async () => {
  const start = performance.now();
  const { code, stdout, stderr } = await runNode(`
    const child = spawn("sh", ["-c", ${JSON.stringify(SCRIPT)}], { forceKillAfterDelay: ${GRACE}, stdin: "ignore" });
    const sleep = (await child.stdout.lines().next()).value;
    const start = performance.now();
    process.on("exit", () => console.log(sleep, child.pid, performance.now() - start));
    process.exit(4);
  `);
  assert.equal(code, 4, stderr);
  const [sleep = 0, pid = 0, took = 0] = stdout.split(" ").map(Number);
  assert.ok(took >= GRACE - 10 && took < GRACE + LATE, stdout);
  assert.ok(performance.now() - start < 20_000);
  await ended(pid);
  process.kill(sleep, "SIGKILL");
  await ended(sleep);
});

test("a second cause changes nothing: neither the reason nor the bound", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: GRACE, timeout: 400 });
  assert.equal(await lineOf(child.stdout), "ready");
  const start = performance.now();
  void child.terminate();
  void child.terminate();
  await child.closed;
  assert.ok(performance.now() - start < GRACE + LATE);
  assert.equal(child.reason, "terminated");
});
