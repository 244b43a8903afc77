/**
 * Which signals the child starts with ignored and blocked, whatever its parent does with them. signal(7)
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import type { SpawnOptions } from "brood";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { parseReport, reportOf, signalsOf } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

const { SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR2, SIGXFSZ } = constants.signals;
const BEYOND_STANDARD = 40;

async function ignored(options: SpawnOptions): Promise<number[]> {
  return signalsOf((await reportOf(options)).ignored);
}

/** Ignores signals in this process while the body runs, as if they had been so from the start. */
async function whileIgnoring(signals: number[], body: () => Promise<void>): Promise<void> {
  for (const signal of signals) assert.equal(self.ignoreSignal(signal, 1), 0);
  try {
    await body();
    for (const signal of signals) assert.equal(self.ignoreSignal(signal, 1), 1, "it is still ignored here");
  } finally {
    for (const signal of signals) self.ignoreSignal(signal, 0);
  }
}

test("PITFALL 28: what the runtime ignores, SIGPIPE and SIGXFSZ, is default in the child", async () => {
  assert.deepEqual(await ignored({}), []);
  assert.deepEqual(await ignored({ restoreSignals: "runtime" }), []);
  // And so a writer ends when its reader has gone.
  const child = await launch("sh", ["-c", "yes; exit 3"], { stdin: "ignore" });
  child.stdout.destroy();
  const exit = await child.exited;
  assert.deepEqual(exit.kind === "exited" && exit.code, 3);
  const yes = await launch("yes", []);
  yes.stdout.destroy();
  const end = await yes.exited;
  assert.equal(end.kind === "killed" && end.signal, "SIGPIPE");
});

test("restoreSignals: false leaves what the runtime ignores ignored", async () => {
  assert.deepEqual(
    await ignored({ restoreSignals: false }),
    [SIGPIPE, SIGXFSZ].sort((a, b) => a - b),
  );
});

test('restoreSignals: a SIGHUP that we ignore, as under nohup, stays so, but for "all"', async () => {
  await whileIgnoring([SIGHUP, SIGUSR2, BEYOND_STANDARD], async () => {
    assert.deepEqual(await ignored({}), [SIGHUP, SIGUSR2, BEYOND_STANDARD]);
    assert.deepEqual(await ignored({ restoreSignals: "all" }), []);
    assert.deepEqual(await ignored({ restoreSignals: false }), [SIGHUP, SIGUSR2, SIGPIPE, SIGXFSZ, BEYOND_STANDARD]);
  });
});

test("ignoreSignals come on top, by name and number, also those that are restored", async () => {
  assert.deepEqual(await ignored({ ignoreSignals: ["SIGHUP", "SIGPIPE", 40] }), [SIGHUP, SIGPIPE, BEYOND_STANDARD]);
  assert.deepEqual(await ignored({ ignoreSignals: ["SIGINT"], restoreSignals: "all" }), [SIGINT]);
  const child = await launch("sh", ["-c", "kill -TERM $$; echo alive"], { ignoreSignals: ["SIGTERM"] });
  assert.equal((await child.output()).stdout, "alive\n");
});

test("a signal that we handle is default in the child, unless it is to be ignored", async () => {
  const handler = (): void => {};
  process.on("SIGUSR1", handler);
  process.on("SIGUSR2", handler);
  try {
    assert.deepEqual(await ignored({ ignoreSignals: ["SIGUSR2"] }), [SIGUSR2]);
    const child = await launch("sh", ["-c", "kill -USR1 $$; echo alive"]);
    const exit = await child.closed;
    assert.equal(exit.kind === "killed" && exit.signal, "SIGUSR1");
  } finally {
    process.off("SIGUSR1", handler);
    process.off("SIGUSR2", handler);
  }
});

test("the child's mask is empty, though our thread blocks all signals", async () => {
  self.blockSignals(1);
  try {
    const child = launch(childPath("report"), ["1"], { env: { LD_PRELOAD: undefined } });
    self.blockSignals(0);
    assert.deepEqual(signalsOf(parseReport((await (await child).output()).stdout as string).blocked), []);
  } finally {
    self.blockSignals(0);
  }
});

test("our own mask is as before: nothing is blocked that wasn't, and nothing let through", async () => {
  const masks = await inNode<string[]>(
    `const mask = () => fs.readFileSync("/proc/thread-self/status", "utf8").match(/SigBlk:\\t(.*)/)[1];
    await reportOf();
    const masks = [mask()];
    await reportOf();
    masks.push(mask());
    self.blockSignals(1);
    masks.push(mask());
    spawn("true", { stdio: "ignore" });
    masks.push(mask());
    try { spawn("/nonexistent"); } catch {}
    masks.push(mask());
    self.blockSignals(0);
    done(masks);`,
  );
  const [before, after, all, afterAll, afterFailure] = masks;
  assert.deepEqual([before, after], ["0".repeat(16), "0".repeat(16)]);
  assert.deepEqual([afterAll, afterFailure], [all, all]);
  assert.notEqual(all, before);
});

test("blockSignals are blocked in the child, and no others", async () => {
  const report = await reportOf({ blockSignals: ["SIGTERM", "SIGRTMIN", 64] });
  assert.deepEqual(signalsOf(report.blocked), [SIGTERM, 34, 64]);
  // SIGKILL and SIGSTOP can't be blocked.
  const most = Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => signal !== 9 && signal !== 19);
  assert.deepEqual(signalsOf((await reportOf({ blockSignals: most })).blocked), most);
});

test("a blocked signal that was sent meanwhile is still pending for the program", async () => {
  const child = await launch(childPath("witness"), [], {
    blockSignals: ["SIGUSR1"],
    fds: { 3: "pipe" },
    env: { LD_PRELOAD: undefined },
  });
  // It may not even have begun to run.
  child.kill("SIGUSR1");
  assert.equal((await child.output()).stdout, "SIGUSR1\n");
});

test("what is no signal, or no way to restore them, is refused", async () => {
  await assert.rejects(launch("true", [], { ignoreSignals: ["SIGNOPE"] }), { code: "ERR_UNKNOWN_SIGNAL" });
  await assert.rejects(launch("true", [], { blockSignals: [0] }), { code: "ERR_UNKNOWN_SIGNAL" });
  await assert.rejects(launch("true", [], { restoreSignals: "some" as "all" }), { code: "ERR_INVALID_ARG_VALUE" });
});
