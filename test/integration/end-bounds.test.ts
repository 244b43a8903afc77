/**
 * Whatever asks for the end of a child, the end comes within its bound, though it ignores the polite signal and a background
 * process holds the pipes.
 */

import assert from "node:assert/strict";
import { closeSync, read, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { AbortError, type Child, type Reason, type SpawnOptions, TimeoutError } from "brood";
import { cloexecPipe } from "brood/posix";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { withLimit } from "../helpers/limits.js";
import { runNode } from "../helpers/node.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

/** It ends as one process that starts no other: one that comes and goes would hold the pipes, too. */
const SCRIPT = `trap "" TERM; sleep 30 & echo "$!"; echo partial >&2; exec ${act} pause`;
const GRACE = 300;
const BOUND = 400;
/** For a machine that is busy, or a sanitizer; what holds the pipes does so for twice as long. */
const LATE = 15_000;

interface Way {
  reason: Reason;
  options?: SpawnOptions;
  /** When the end is asked for, after the handshake; nothing: by the options. */
  ask?: (child: Child) => unknown;
  error?: new (...args: never[]) => Error;
}

const abort = new AbortController();
const ways: Record<string, Way> = {
  timeout: { reason: "timeout", options: { timeout: BOUND }, error: TimeoutError },
  idleTimeout: { reason: "idle", options: { idleTimeout: BOUND }, error: TimeoutError },
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
  test(`${name}: SIGKILL after the grace, pipes cut, what came is kept`, () =>
    withLimit(BOUND, async (ms) => {
      const child = await launch("sh", ["-c", SCRIPT], { ...longer(options, ms), forceKillAfterDelay: GRACE });
      let start = performance.now();
      let sleep = 0;
      if (ask !== undefined) {
        sleep = Number(await lineOf(child.stdout));
        await ready(child.pid);
        start = performance.now();
        ask(child as unknown as Child);
      }
      const exit = await child.closed;
      const took = performance.now() - start;
      if (ask === undefined && !isComplete(child.heldBy)) return false;
      assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
      assert.equal(child.reason, reason);
      const bound = GRACE + (ask === undefined ? ms : 0);
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
      return true;
    }));

  test(`${name}: output() gives what came, and who holds the pipes`, () =>
    withLimit(BOUND, async (ms) => {
      const again = new AbortController();
      const own = options.signal === undefined ? longer(options, ms) : { signal: again.signal };
      const child = await launch("sh", ["-c", SCRIPT], { ...own, fds: { 3: "pipe" }, forceKillAfterDelay: GRACE });
      const output = child.output();
      if (ask !== undefined) {
        await ready(child.pid);
        if (options.signal === undefined) ask(child as unknown as Child);
        else again.abort();
      }
      const result = await output;
      if (ask === undefined && !isComplete(result.heldBy)) return false;
      assert.equal(result.reason, reason);
      assert.equal(result.stderr, "partial\n");
      assert.equal(result.drained, false);
      const sleep = Number(result.stdout);
      assert.deepEqual(result.heldBy, [{ pid: sleep, command: "sleep 30", fds: [1, 2, 3] }]);
      process.kill(sleep, "SIGKILL");
      await ended(sleep);
      return true;
    }));
}

/** Options of a limit in time, with that one. */
function longer(options: SpawnOptions, ms: number): SpawnOptions {
  return Object.fromEntries(Object.entries(options).map(([name, value]) => [name, value === BOUND ? ms : value]));
}

/** Whether the command came as far as its last program: else its end has shown nothing, and who is left is ended. */
function isComplete(holders: Child["heldBy"]): boolean {
  const complete = holders.length > 0 && holders.every(({ command }) => command === "sleep 30");
  if (!complete) for (const { pid } of holders) process.kill(pid, "SIGKILL");
  return complete;
}

function lineOfProcess(pid: number | string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1");
  } catch {
    return "";
  }
}

/** Resolves when the command ignores the signal, and is alone with the process that holds its pipes. */
async function ready(pid: number): Promise<void> {
  for (;;) {
    const below = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(lineOfProcess);
    if (lineOfProcess(pid) === `${act}\0pause\0` && below.join() === "sleep\x0030\0") return;
    await new Promise(setImmediate);
  }
}

test("the end of an `await using` scope", async () => {
  let held: Child["heldBy"] = [];
  let start = 0;
  let output: Promise<{ stdout: string; stderr: string; reason: Reason }>;
  let drained: boolean | null = null;
  {
    const child = await launch("sh", ["-c", SCRIPT], { forceKillAfterDelay: GRACE, fds: { 3: "pipe" } });
    output = child.output() as never;
    await ready(child.pid);
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
    const [told, tells] = cloexecPipe();
    const child = await launch(act, ["say", "1", "x", "say", "3", "said", "pause"], { fds: { 3: tells } });
    closeSync(tells);
    const early = late ? undefined : child.output();
    await promisify(read)(told, Buffer.alloc(8), 0, 8, null);
    closeSync(told);
    child[Symbol.dispose]();
    const alive = setInterval(() => {}, 1000);
    const result = await (early ?? child.output());
    clearInterval(alive);
    assert.equal(result.reason, "terminated");
    assert.equal(result.stdout, late ? "" : "x\n");
    assert.equal(result.exit.kind === "killed" && result.exit.signal, "SIGKILL");
  }
});

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
  const late = new AbortController();
  const options = { ignoreSignals: ["SIGTERM"], forceKillAfterDelay: GRACE, signal: late.signal } as const;
  const child = await launch(act, ["pause"], options);
  const start = performance.now();
  void child.terminate();
  void child.terminate();
  late.abort();
  await child.closed;
  assert.ok(performance.now() - start < GRACE + LATE);
  assert.equal(child.reason, "terminated");
});
