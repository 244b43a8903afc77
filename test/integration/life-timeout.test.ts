/**
 * timeout: the bound on a child, on its pipes, and on whoever waits for them.
 */

import assert from "node:assert/strict";
import { run, TimeoutError } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

/** A background process of the child's group that holds fds 1 and 2. */
const HOLDER = ["fork", "pause", ";"];

test("timeout terminates the child; exited, reason and check() tell", async () => {
  const start = performance.now();
  const child = await launch(act, ["pause"], { timeout: 100 });
  const exit = await child.exited;
  assert.ok(performance.now() - start >= 95);
  assert.equal(exit.kind === "killed" && exit.signal, "SIGTERM");
  assert.equal(child.reason, "timeout");
  await assert.rejects(child.check(), (error) => {
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.code, "ERR_TIMEOUT");
    assert.equal(error.reason, "timeout");
    assert.equal(error.exit, exit);
    assert.match(error.message, /ran longer than 100 ms/);
    return true;
  });
  await child.closed;
});

test("a child that exits in time isn't bothered, and its timer is gone", async () => {
  const child = await launch("true", [], { timeout: 60_000 });
  assert.equal((await child.check()).kind, "exited");
  await child.closed;
  assert.equal(child.reason, "exit");
});

test("exited settles by timeout and forceKillAfterDelay, also for a child that ignores the polite signal", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { timeout: 200, forceKillAfterDelay: 100 });
  assert.equal(await lineOf(child.stdout), "ready");
  const exit = await child.exited;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  assert.equal(child.reason, "timeout");
  await child.closed;
});

test("partial output is kept, and a readable that was cut ends in TimeoutError after its data", async () => {
  const child = await launch(act, [...HOLDER, "fill", "1", "50000", "pause"], { timeout: 200, processGroup: "new" });
  const exit = await child.closed;
  assert.equal(exit.kind, "killed");
  let count = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of child.stdout) count += chunk.length;
    },
    (error) => error instanceof TimeoutError && /fd 1/.test(error.message),
  );
  assert.equal(count, 50_000);
  child.killGroup("SIGKILL");
  child[Symbol.dispose]();
});

test("a readable that nobody else held ends cleanly after a timeout", async () => {
  const child = await launch(act, ["say", "1", "partial", "pause"], { timeout: 100 });
  assert.equal(await child.stdout.text(), "partial\n");
  await child.closed;
  assert.equal(child.reason, "timeout");
});

test("25: the timeout also bounds pipes that are held after the child's own end in time", async () => {
  const child = await launch(act, [...HOLDER, "say", "1", "done"], { timeout: 200, processGroup: "new" });
  const exit = await child.exited;
  assert.equal(exit.kind === "exited" && exit.code, 0);
  const start = performance.now();
  await child.closed;
  assert.ok(performance.now() - start < 5000);
  assert.equal(await lineOf(child.stdout), "done");
  await assert.rejects(child.stdout.text(), TimeoutError);
  child.killGroup("SIGKILL");
  child[Symbol.dispose]();
});

test("run throws TimeoutError with the output so far, though a background process holds the pipes", async () => {
  for (const script of ["sleep 5 & echo mine; exec sleep 100", "sleep 5 & echo mine"]) {
    await assert.rejects(run("sh", ["-c", script], { timeout: 300 }), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.equal(error.stdout, "mine\n");
      assert.equal(error.reason, "timeout");
      assert.equal(error.command, "sh");
      assert.ok(error.durationMs >= 295 && error.durationMs < 4000);
      return true;
    });
  }
});

test("run with reject: false returns what a timed-out command gave", async () => {
  const result = await run(act, ["say", "1", "partial", "pause"], { timeout: 100, reject: false });
  assert.equal(result.reason, "timeout");
  assert.equal(result.stdout, "partial\n");
  assert.equal(result.exit.kind, "killed");
});

test("timeout 0 is none; bad values are refused before anything is created", async () => {
  const child = await launch(act, ["read"], { timeout: 0 });
  child.stdin.end();
  assert.equal((await child.closed).kind, "exited");
  await assert.rejects(launch("true", [], { timeout: -1 }), { name: "RangeError", code: "ERR_OUT_OF_RANGE" });
  await assert.rejects(launch("true", [], { timeout: "1" as never }), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
});
