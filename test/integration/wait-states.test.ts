/**
 * wait(): each state that the kernel tells, as it tells it.
 */

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { act, lineOf, processState } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const uid = process.getuid?.();

test("R2: stopped tells the signal, continued comes after SIGCONT, exited tells the code", async () => {
  // Between two changes the child waits for us: the kernel keeps only the last of those that follow too fast.
  // In a group whose parent is in another one: in an orphaned group, which ours may be, SIGTSTP is ignored.
  const child = await launch(act, ["raise", "19", "read", "raise", "20", "read", "exit", "5"], { processGroup: "new" });
  const { pid } = child;
  assert.deepEqual(await child.wait({ stopped: true }), { kind: "stopped", signal: "SIGSTOP", pid, uid });
  child.kill("SIGCONT");
  assert.deepEqual(await child.wait({ continued: true }), { kind: "continued", pid, uid });
  child.stdin.write("x");
  assert.deepEqual(await child.wait({ stopped: true, exited: true }), { kind: "stopped", signal: "SIGTSTP", pid, uid });
  child.kill("SIGCONT");
  child.stdin.end();
  const exit = await child.wait({ exited: true });
  assert.equal(exit.kind === "exited" && exit.code, 5);
  assert.equal(exit, await child.exited);
  await child.closed;
});

test("what is asked for is a boolean each: nothing else passes for yes or no", async () => {
  const child = await launch(act, ["read", "exit", "0"]);
  const wait = child.wait.bind(child) as (options: unknown) => Promise<unknown>;
  for (const name of ["stopped", "continued", "exited"]) {
    await assert.rejects(wait({ exited: true, [name]: 1 }), {
      name: "TypeError",
      code: "ERR_INVALID_ARG_TYPE",
      message: `options.${name} must be a boolean, not 1`,
    });
  }
  await assert.rejects(wait({ stopped: false }), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  child.stdin.end("x");
  await child.closed;
});

test("R3: a stop that came before anybody waited is told", async () => {
  const child = await launch(act, ["raise", "19", "exit", "0"]);
  while (!processState(child.pid)?.startsWith("T")) await new Promise(setImmediate);
  const state = await child.wait({ stopped: true });
  assert.equal(state.kind, "stopped");
  child.kill("SIGCONT");
  await child.closed;
});

test("killed tells the signal", async () => {
  const child = await launch(act, ["pause"]);
  child.kill("SIGXCPU");
  const state = await child.wait({ exited: true });
  assert.equal(state.kind === "killed" && state.signal, "SIGXCPU");
  await child.closed;
});

test("killed tells whether a core was dumped", async () => {
  const cwd = mkdtempSync(join(tmpdir(), "brood-core-"));
  try {
    // A sanitizer that we may run under would keep its process from dumping.
    const env = { LD_PRELOAD: undefined };
    const core = { soft: "unlimited", hard: "unlimited" } as const;
    const dumping = await launch(act, ["raise", "6"], { cwd, env, rlimits: { core } });
    const dumped = await dumping.wait({ exited: true });
    assert.equal(dumped.kind === "killed" && dumped.signal, "SIGABRT");
    assert.equal(dumped.kind === "killed" && dumped.coreDumped, true);
    assert.equal(dumping.reason, "coredump");
    assert.equal(readdirSync(cwd).length, 1);
    await dumping.closed;

    const plain = await launch(act, ["raise", "6"], { cwd, env, rlimits: { core: 0 } });
    const killed = await plain.wait({ exited: true });
    assert.equal(killed.kind === "killed" && killed.coreDumped, false);
    assert.equal(plain.reason, "signal");
    await plain.closed;
  } finally {
    rmSync(cwd, { recursive: true });
  }
});

test("trapped: a child that lets us trace it, at a signal", async () => {
  const child = await launch(act, ["traceme", "say", "1", "ready", "raise", "12", "exit", "0"]);
  assert.equal(await lineOf(child.stdout), "ready");
  const state = await child.wait({ stopped: true });
  assert.deepEqual(state, { kind: "trapped", signal: "SIGUSR2", pid: child.pid, uid });
  // We don't go on tracing it: that is for debuggers.
  child.kill("SIGKILL");
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
});

test("R4: a dead child's state is given again to whoever asks later", async () => {
  const child = await launch(act, ["exit", "6"]);
  const exit = await child.exited;
  assert.equal(await child.wait({ exited: true }), exit);
  assert.equal(await child.wait({ exited: true, stopped: true, continued: true }), exit);
  await child.closed;
});

test("R16: an empty set of states is refused, and so is what is none", async () => {
  const child = await launch("true");
  for (const options of [{}, { stopped: false, exited: undefined }]) {
    await assert.rejects(child.wait(options), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  }
  await assert.rejects(child.wait({ stoped: true } as never), { code: "ERR_UNKNOWN_OPTION" });
  await assert.rejects(child.wait({ exited: true, signal: 1 as never }), { code: "ERR_INVALID_ARG_TYPE" });
  await child.closed;
});

test("R16: waiting for a stop of a dead child fails with the death state", async () => {
  const child = await launch(act, ["exit", "3"]);
  const exit = await child.exited;
  await assert.rejects(child.wait({ stopped: true }), { name: "ExitError", code: "ERR_EXIT", exit });
  await child.closed;
  await assert.rejects(child.wait({ continued: true, stopped: true }), { name: "ExitError", exit });
});

test("a wait for a stop of a child that ended well, or by its timeout, says so", async () => {
  const well = await launch(act, ["exit", "0"]);
  const message = /exited with code 0, and no stop or continue comes any more$/;
  await assert.rejects(well.wait({ stopped: true }), { name: "ExitError", message });
  await well.closed;
  const late = await launch("sleep", ["60"], { timeout: 10 });
  await assert.rejects(late.wait({ stopped: true }), { name: "TimeoutError", message: /ran longer than 10 ms/ });
  await late.closed;
});

test("R16: a wait for a stop that is pending when the child dies fails with the death state", async () => {
  const child = await launch(act, ["read", "exit", "3"]);
  const pending = child.wait({ stopped: true });
  const other = child.wait({ continued: true });
  child.stdin.end();
  const failure = await pending.catch((error: unknown) => error);
  assert.equal((failure as { exit: unknown }).exit, await child.exited);
  await assert.rejects(other, { name: "ExitError", command: act });
  await child.closed;
});
