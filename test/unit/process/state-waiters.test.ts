/**
 * Waits for changes of state: many at once, each gets what it asked for, one change per turn.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { StateWaiters, type WaitKind } from "#dist/process/state-waiters.js";
import type { ChildState, ExitState, LiveState } from "#dist/states.js";

const stop = (pid = 1): LiveState => ({ kind: "stopped", signal: "SIGSTOP", pid, uid: 0 });
const go = (pid = 1): LiveState => ({ kind: "continued", pid, uid: 0 });
const exit: ExitState = { kind: "exited", code: 3, pid: 1, uid: 0, usage: null };

class Refused extends Error {
  constructor(readonly exit: ExitState) {
    super("refused");
  }
}

const make = (): StateWaiters => new StateWaiters((state) => new Refused(state));

/** A wait whose result can be looked at. */
function wait(waiters: StateWaiters, ...kinds: WaitKind[]) {
  const { promise, cancel } = waiters.wait(new Set(kinds));
  const seen: { state?: ChildState; error?: unknown } = {};
  const settled = promise.then(
    (state) => {
      seen.state = state;
    },
    (error) => {
      seen.error = error;
    },
  );
  return { seen, cancel, settled };
}

/** Waits in a loop until the end. */
async function follow(waiters: StateWaiters, ...kinds: WaitKind[]): Promise<string[]> {
  const states: string[] = [];
  for (;;) {
    const state = await waiters.wait(new Set<WaitKind>([...kinds, "exited"])).promise;
    states.push(state.kind);
    if (state.kind === "exited") return states;
  }
}

test("all who wait for a change get it, the others don't", async () => {
  const waiters = make();
  const stops = [wait(waiters, "stopped"), wait(waiters, "stopped", "exited")];
  const goes = wait(waiters, "continued");
  const state = stop();
  waiters.change(state);
  await turn();
  for (const { seen } of stops) assert.equal(seen.state, state);
  assert.deepEqual(goes.seen, {});
});

test("nothing is given in the turn of the change itself", async () => {
  const waiters = make();
  const { seen } = wait(waiters, "stopped");
  waiters.change(stop());
  for (let i = 0; i < 10; i++) await Promise.resolve();
  assert.deepEqual(seen, {});
  await turn();
  assert.equal(seen.state?.kind, "stopped");
});

test("changes come one per turn", async () => {
  const waiters = make();
  const first = wait(waiters, "stopped", "continued");
  waiters.change(stop());
  waiters.change(go());
  await turn();
  assert.equal(first.seen.state?.kind, "stopped");
  const second = wait(waiters, "stopped", "continued");
  assert.deepEqual(second.seen, {});
  await turn();
  assert.equal(second.seen.state?.kind, "continued");
});

test("loops of waits each see every change, in order, though all came at once", async () => {
  const waiters = make();
  const all = [follow(waiters, "stopped", "continued"), follow(waiters, "stopped", "continued"), follow(waiters, "continued")];
  for (let i = 0; i < 3; i++) {
    waiters.change(stop());
    waiters.change(go());
  }
  waiters.end(exit);
  const both = ["stopped", "continued", "stopped", "continued", "stopped", "continued", "exited"];
  assert.deepEqual(await Promise.all(all), [both, both, ["continued", "continued", "continued", "exited"]]);
});

test("a wait for one kind does not eat the changes of another", async () => {
  const waiters = make();
  waiters.change(stop());
  waiters.change(go());
  const goes = wait(waiters, "continued");
  await goes.settled;
  assert.equal(goes.seen.state?.kind, "continued");
  const stops = wait(waiters, "stopped");
  await stops.settled;
  assert.equal(stops.seen.state?.kind, "stopped");
});

test("a trap counts as a stop", async () => {
  const waiters = make();
  const { seen, settled } = wait(waiters, "stopped");
  waiters.change({ kind: "trapped", signal: "SIGTRAP", pid: 1, uid: 0 });
  await settled;
  assert.equal(seen.state?.kind, "trapped");
});

test("a change that nobody waits for is kept for the first who does, and given once", async () => {
  const waiters = make();
  waiters.change(stop(7));
  await turn();
  const first = wait(waiters, "stopped");
  const together = wait(waiters, "stopped");
  await first.settled;
  assert.equal(first.seen.state?.pid, 7);
  assert.equal(together.seen.state?.pid, 7);
  const later = wait(waiters, "stopped");
  await turn();
  await turn();
  assert.deepEqual(later.seen, {});
});

test("of very many changes that nobody asked for the oldest are dropped", async () => {
  const waiters = make();
  for (let pid = 1; pid <= 1030; pid++) waiters.change(stop(pid));
  const { seen, settled } = wait(waiters, "stopped");
  await settled;
  assert.equal(seen.state?.pid, 7);
});

test("cancelling ends that wait alone", async () => {
  const waiters = make();
  const one = wait(waiters, "stopped");
  const other = wait(waiters, "stopped");
  const reason = new Error("enough");
  one.cancel(reason);
  await one.settled;
  assert.equal(one.seen.error, reason);
  waiters.change(stop());
  await other.settled;
  assert.equal(other.seen.state?.kind, "stopped");
  other.cancel(reason);
  await turn();
  assert.equal(other.seen.error, undefined, "too late");
});

test("a cancelled wait takes no change: it is kept", async () => {
  const waiters = make();
  const cancelled = wait(waiters, "stopped");
  waiters.change(stop(5));
  cancelled.cancel(new Error("enough"));
  await turn();
  const { seen, settled } = wait(waiters, "stopped");
  await settled;
  assert.equal(seen.state?.pid, 5);
});

test("the end is for those who asked for it, and an error for the others", async () => {
  const waiters = make();
  const ends = wait(waiters, "exited");
  const stops = wait(waiters, "stopped", "continued");
  waiters.end(exit);
  await Promise.all([ends.settled, stops.settled]);
  assert.equal(ends.seen.state, exit);
  assert.ok(stops.seen.error instanceof Refused);
  assert.equal(stops.seen.error.exit, exit);
  const late = [wait(waiters, "exited"), wait(waiters, "stopped")] as const;
  await Promise.all(late.map((one) => one.settled));
  assert.equal(late[0].seen.state, exit);
  assert.ok(late[1].seen.error instanceof Refused);
});

test("the end comes after the changes that somebody waits for", async () => {
  const waiters = make();
  waiters.change(stop());
  waiters.end(exit);
  const only = wait(waiters, "exited");
  const both = wait(waiters, "stopped", "exited");
  await both.settled;
  assert.equal(both.seen.state?.kind, "stopped");
  await only.settled;
  assert.equal(only.seen.state, exit);
  const last = wait(waiters, "stopped", "exited");
  await last.settled;
  assert.equal(last.seen.state, exit);
});

test("a wait for the end alone is not held up by changes that nobody wants", async () => {
  const waiters = make();
  waiters.change(stop());
  waiters.change(go());
  const { seen } = wait(waiters, "exited");
  waiters.end(exit);
  await turn();
  assert.equal(seen.state, exit);
});
