/**
 * terminate(), and the options that shape it: killSignal, forceKillAfterDelay.
 */

import assert from "node:assert/strict";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("terminate() is polite: the child may clean up and choose its exit code", async () => {
  const child = await launch(act, ["on", "15", "cleaned up", "say", "1", "ready", "pause"]);
  assert.equal(await lineOf(child.stdout), "ready");
  const exit = await child.terminate();
  assert.equal(exit.kind === "exited" && exit.code, 7);
  assert.equal(child.reason, "terminated");
  assert.equal(await child.stdout.text(), "cleaned up\n");
  await child.closed;
});

test("a child that ignores SIGTERM gets SIGKILL after forceKillAfterDelay, not before", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 200 });
  assert.equal(await lineOf(child.stdout), "ready");
  const start = performance.now();
  const exit = await child.terminate();
  const took = performance.now() - start;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  assert.ok(took >= 195 && took < 5000, `${took} ms`);
  await child.closed;
});

test("forceKillAfterDelay 0 kills at once; false never does", async () => {
  const atOnce = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 0 });
  assert.equal(await lineOf(atOnce.stdout), "ready");
  const exit = await atOnce.terminate();
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  await atOnce.closed;

  const never = await launch(act, ["ignore", "15", "say", "1", "ready", "read"], { forceKillAfterDelay: false });
  assert.equal(await lineOf(never.stdout), "ready");
  const ended = never.terminate();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(never.exit, null);
  never.stdin.end();
  assert.equal((await ended).kind, "exited");
  await never.closed;
});

test("killSignal by name and by number", async () => {
  for (const killSignal of ["SIGINT", 2] as const) {
    const child = await launch(act, ["ignore", "15", "on", "2", "interrupted", "say", "1", "ready", "pause"], { killSignal });
    assert.equal(await lineOf(child.stdout), "ready");
    await child.terminate();
    assert.equal(await child.stdout.text(), "interrupted\n");
    await child.closed;
  }
});

test("terminate() twice is one termination; all get the same state; after the end it changes nothing", async () => {
  const child = await launch(act, ["pause"]);
  const [first, second] = await Promise.all([child.terminate(), child.terminate()]);
  assert.equal(first, second);
  assert.equal(await child.terminate(), first);
  await child.closed;

  const done = await launch("true");
  await done.closed;
  const exit = await done.terminate();
  assert.equal(exit.kind, "exited");
  assert.equal(done.reason, "exit");
});

test("the first cause is the one that is told: a signal that aborts later changes nothing", async () => {
  const controller = new AbortController();
  const child = await launch(act, ["on", "15", "x", "say", "1", "ready", "pause"], {
    signal: controller.signal,
    timeout: 60_000,
  });
  assert.equal(await lineOf(child.stdout), "ready");
  const ended = child.terminate();
  controller.abort();
  await ended;
  assert.equal(child.reason, "terminated");
  await child.closed;
});

test("25: terminate() cuts the pipes that others still hold: closed settles, what has come stays readable", async () => {
  const child = await launch(act, ["fork", "on", "12", "late", "say", "1", "held", "pause", ";", "pause"], {
    processGroup: "new",
  });
  assert.equal(await lineOf(child.stdout), "held");
  await child.terminate();
  await child.closed;
  await assert.rejects(child.stdout.text(), { code: "ABORT_ERR" });
  process.kill(-child.pid, "SIGKILL");
  child[Symbol.dispose]();
});

test("a stopped child is terminated, too: by SIGKILL", async () => {
  const child = await launch(act, ["say", "1", "ready", "raise", "19", "pause"], { forceKillAfterDelay: 50 });
  await child.wait({ stopped: true });
  const exit = await child.terminate();
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  await child.closed;
});
