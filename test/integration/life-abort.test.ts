/**
 * AbortSignals: of the child (option `signal`), of check() and of wait().
 */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { AbortError, run } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { takeStock } from "../helpers/leaks.js";
import { test } from "../helpers/test.js";

function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, "abort").length;
}

test("U17: a signal that has aborted already creates nothing", async () => {
  const reason = new Error("changed my mind");
  const compare = takeStock();
  const isIt = (error: unknown): boolean => error instanceof AbortError && error.code === "ABORT_ERR" && error.cause === reason;
  await assert.rejects(launch("true", [], { signal: AbortSignal.abort(reason) }), isIt);
  await assert.rejects(run("true", [], { signal: AbortSignal.abort(reason) }), isIt);
  await compare();
});

test("an abort terminates the child; reason and check() tell, with the signal's reason as cause", async () => {
  const controller = new AbortController();
  const reason = { why: "any value" };
  const child = await launch(act, ["on", "15", "polite", "say", "1", "ready", "pause"], { signal: controller.signal });
  assert.equal(await lineOf(child.stdout), "ready");
  controller.abort(reason);
  assert.equal(child.exit, null);
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 7);
  assert.equal(child.reason, "aborted");
  assert.equal(await child.stdout.text(), "polite\n");
  await assert.rejects(child.check(), (error) => error instanceof AbortError && error.cause === reason && error.exit === exit);
  assert.equal(listeners(controller.signal), 0);
});

test("an abort is an AbortError even if the child exits with 0", async () => {
  const controller = new AbortController();
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "read"], { signal: controller.signal });
  assert.equal(await lineOf(child.stdout), "ready");
  controller.abort();
  child.stdin.end();
  await assert.rejects(child.check(), AbortError);
  await child.closed;
});

test("an abort escalates to SIGKILL, and cuts pipes that others hold", async () => {
  const controller = new AbortController();
  const child = await launch(act, ["ignore", "15", "fork", "say", "1", "held", "pause", ";", "pause"], {
    signal: controller.signal,
    forceKillAfterDelay: 50,
    processGroup: "new",
  });
  assert.equal(await lineOf(child.stdout), "held");
  controller.abort(new Error("stop"));
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  await assert.rejects(child.stdout.text(), { code: "ABORT_ERR", cause: controller.signal.reason });
  process.kill(-child.pid, "SIGKILL");
  child[Symbol.dispose]();
});

test("no listener is left on the signal after a child that ended by itself, nor after a failed spawn", async () => {
  const { signal } = new AbortController();
  const child = await launch("true", [], { signal });
  assert.equal(listeners(signal), 1);
  await child.check({ signal });
  await child.closed;
  assert.equal(listeners(signal), 0);
  await assert.rejects(launch("/nonexistent", [], { signal }), { code: "ENOENT" });
  assert.equal(listeners(signal), 0);
});

test("run throws AbortError that carries the output so far, and the signal's reason", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  const running = run(act, ["say", "1", "partial", "pause"], { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await assert.rejects(running, (error) => {
    assert.ok(error instanceof AbortError);
    assert.equal(error.cause, reason);
    assert.equal(error.stdout, "partial\n");
    assert.equal(error.reason, "aborted");
    return true;
  });
  assert.equal(listeners(controller.signal), 0);
});

test("AbortSignal.timeout() works as a signal", async () => {
  const child = await launch(act, ["pause"], { signal: AbortSignal.timeout(100) });
  await assert.rejects(child.check(), (error) => error instanceof AbortError && (error.cause as Error).name === "TimeoutError");
  await child.closed;
});

test("R6: check({ signal }): aborted meanwhile, the child is terminated first, then AbortError", async () => {
  const controller = new AbortController();
  const child = await launch(act, ["on", "15", "polite", "say", "1", "ready", "pause"]);
  assert.equal(await lineOf(child.stdout), "ready");
  const checking = child.check({ signal: controller.signal });
  controller.abort("reason");
  await assert.rejects(checking, (error) => error instanceof AbortError && error.cause === "reason" && error.exit !== undefined);
  assert.notEqual(child.exit, null);
  assert.equal(await child.stdout.text(), "polite\n");
  assert.equal(listeners(controller.signal), 0);
  await child.closed;
});

test("check({ signal }) with an aborted signal: a live child is terminated, one that has ended is judged as it ended", async () => {
  const signal = AbortSignal.abort();
  const child = await launch(act, ["pause"]);
  await assert.rejects(child.check({ signal }), AbortError);
  await child.closed;

  const done = await launch("true");
  await done.closed;
  assert.equal((await done.check({ signal })).kind, "exited");
  assert.equal(done.reason, "exit");
});

test("an abort of wait() ends that wait alone: the child and other waits go on", async () => {
  const controller = new AbortController();
  const child = await launch(act, ["read"]);
  const aborted = child.wait({ exited: true, stopped: true, signal: controller.signal });
  const other = child.wait({ exited: true });
  controller.abort(new Error("not you"));
  await assert.rejects(aborted, (error) => error instanceof AbortError && (error.cause as Error).message === "not you");
  assert.equal(listeners(controller.signal), 0);
  await assert.rejects(child.wait({ exited: true, signal: controller.signal }), AbortError);
  child.stdin.end();
  assert.equal((await other).kind, "exited");
  await child.closed;
});

test("many children and waits share a signal without a warning of too many listeners, and are all told of it", async () => {
  const warnings: string[] = [];
  const note = (warning: Error): void => void warnings.push(warning.name);
  process.on("warning", note);
  const controller = new AbortController();
  const { signal } = controller;
  const children = await Promise.all(Array.from({ length: 12 }, () => launch("cat", [], { signal })));
  const settled = Promise.allSettled(
    children.flatMap((child) => [child.check({ signal }), child.wait({ exited: true, signal })]),
  );
  assert.equal(listeners(signal), 1);
  controller.abort();
  const results = await settled;
  assert.ok(
    results.every(({ status, ...rest }) => status === "rejected" && (rest as { reason: Error }).reason.name === "AbortError"),
  );
  await Promise.all(children.map(({ closed }) => closed));
  // A warning comes in a turn of its own.
  await new Promise(setImmediate);
  process.off("warning", note);
  assert.deepEqual([warnings, listeners(signal)], [[], 0]);
});
