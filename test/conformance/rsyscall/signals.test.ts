/**
 * Signals, the checked end, the scope; and what of the parent's own signals is touched: nothing.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { inspect } from "node:util";
import { AbortError, ExitError } from "brood";
import { act, lineOf, processState } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { inNode } from "../../helpers/in-node.js";
import { launch } from "../../helpers/launch.js";
import { parseReport, signalsOf } from "../../helpers/report.js";
import { self } from "../../helpers/self.js";
import { test } from "../../helpers/test.js";

test("R6: check() gives a clean end, and throws with state and command for any other", async () => {
  const clean = await launch("true");
  assert.equal((await clean.check()).kind, "exited");
  await clean.closed;
  for (const [script, says] of [
    [["exit", "3"], /act exit 3 exited with code 3/],
    [["raise", "15"], /act raise 15 was killed by SIGTERM/],
  ] as const) {
    const child = await launch(act, script);
    await assert.rejects(child.check(), (error) => {
      assert.ok(error instanceof ExitError);
      assert.deepEqual([error.exit, error.command, error.args], [child.exit, act, script]);
      assert.match(error.message, says);
      return true;
    });
    await child.closed;
  }
});

test("R6: a check() that is aborted sends SIGTERM, waits for the end, then fails with the reason", async () => {
  const child = await launch(act, ["on", "15", "got it", "say", "1", "ready", "pause"]);
  assert.equal(await lineOf(child.stdout), "ready");
  const controller = new AbortController();
  const checked = child.check({ signal: controller.signal });
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(checked, (error) => error instanceof AbortError && error.cause === reason && child.exit !== null);
  assert.equal(await lineOf(child.stdout), "got it");
  await child.closed;
});

test("R6: one that ignores SIGTERM is killed after the grace period", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 20 });
  assert.equal(await lineOf(child.stdout), "ready");
  const checked = child.check({ signal: AbortSignal.abort() });
  await assert.rejects(checked, { name: "AbortError" });
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
});

test("R7: a signal to a child that has ended hits nobody, reaped or not", async () => {
  const child = await launch(act, ["exit", "0"]);
  // In this very turn it can't be reaped by us.
  while (processState(child.pid) !== "Z");
  assert.deepEqual([child.kill(0), child.kill("SIGKILL")], [false, false]);
  await child.closed;
  assert.deepEqual([child.kill(0), child.kill("SIGKILL")], [false, false]);
});

test("R7: a number that has gone round to another process is never signalled", async () => {
  // In a pid namespace of our own the next number can be chosen.
  const result = await inNode<object>(
    `const child = spawn("true", { stdio: "ignore" });
     await child.closed;
     fs.writeFileSync("/proc/sys/kernel/ns_last_pid", String(child.pid - 1));
     const stranger = spawn("sleep", ["1000"], { stdio: "ignore" });
     const same = stranger.pid === child.pid;
     const hit = child.kill("SIGKILL");
     const alive = stranger.kill(0);
     stranger.kill("SIGKILL");
     await stranger.closed;
     done({ same, hit, alive });`,
    { wrapper: ["unshare", "-pf", "--mount-proc"] },
  );
  assert.deepEqual(result, { same: true, hit: false, alive: true });
});

test("R7: a group is signalled through its leader only, before and after the leader's end", async () => {
  const member = await launch(act, ["read"]);
  assert.throws(() => member.killGroup("SIGKILL"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  member.stdin.end();
  await member.closed;
  assert.throws(() => member.killGroup("SIGKILL"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });

  const leader = await launch(act, ["fork", "on", "12", "hit", "say", "1", "member", "pause", ";", "read"], {
    processGroup: "new",
  });
  assert.equal(await lineOf(leader.stdout), "member");
  leader.stdin.end();
  await leader.exited;
  assert.equal(leader.killGroup("SIGUSR2"), true);
  assert.equal(await leader.stdout.text(), "hit\n");
  await leader.closed;
  leader[Symbol.dispose]();
});

test("R8: leaving the scope asks politely, then kills, reaps, and lets the body's own error through", async () => {
  let pids: number[] = [];
  const said: string[] = [];
  await assert.rejects(
    async () => {
      await using polite = await launch(act, ["on", "15", "polite", "say", "1", "ready", "pause"]);
      await using stubborn = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 20 });
      pids = [polite.pid, stubborn.pid];
      for (const child of [polite, stubborn]) assert.equal(await lineOf(child.stdout), "ready");
      void polite.exited.then((exit) => said.push(exit.kind === "exited" ? String(exit.code) : ""));
      void stubborn.exited.then((exit) => said.push(exit.kind === "killed" ? exit.signal : ""));
      throw new Error("the body's");
    },
    { message: "the body's" },
  );
  assert.deepEqual(said.sort(), ["7", "SIGKILL"]);
  assert.deepEqual(pids.map(processState), [undefined, undefined]);
});

test("R11: mask and dispositions of the parent are untouched, SIGCHLD blocked or not; the child's mask is empty", async () => {
  const status = (): string[] =>
    (readFileSync("/proc/thread-self/status", "utf8").match(/^Sig(Blk|Ign|Cgt):.*$/gm) ?? []).map((line) => line.trim());
  const before = status();
  const free = await launch(act, ["raise", "19", "exit", "0"]);
  await free.wait({ stopped: true });
  free.kill("SIGCONT");
  await free.closed;
  assert.deepEqual(status(), before);

  self.blockSignals(1);
  try {
    const blocked = status();
    const child = await launch(childPath("report"), ["1"], { env: { LD_PRELOAD: undefined } });
    const ends = await child.output();
    assert.deepEqual(signalsOf(parseReport(ends.stdout as string).blocked), []);
    const stopping = await launch(act, ["raise", "19", "exit", "2"]);
    assert.equal((await stopping.wait({ stopped: true })).kind, "stopped");
    stopping.kill("SIGCONT");
    const exit = await stopping.closed;
    assert.equal(exit.kind === "exited" && exit.code, 2);
    assert.deepEqual(status(), blocked);
  } finally {
    self.blockSignals(0);
  }
  const chosen = await launch(childPath("report"), ["1"], { blockSignals: ["SIGUSR1"], env: { LD_PRELOAD: undefined } });
  assert.deepEqual(signalsOf(parseReport((await chosen.output()).stdout as string).blocked), [constants.signals.SIGUSR1]);
});

test("R19: a child describes itself: command, pid, state", async () => {
  const child = await launch(act, ["read", "exit", "4"]);
  assert.match(inspect(child), new RegExp(`^Child \\{ .*act read exit 4, pid ${child.pid}, running`));
  child.stdin.end();
  await child.closed;
  assert.match(inspect(child), new RegExp(`pid ${child.pid}, exited 4`));
});

test("R20: leaving the scope of a child that has ended does nothing", async () => {
  let reason: string | null = null;
  {
    await using child = await launch(act, ["exit", "5"]);
    await child.closed;
    await child[Symbol.asyncDispose]();
    reason = child.reason;
  }
  assert.equal(reason, "exit");
});
