/**
 * timeout: the bound on a child, on its pipes, and on whoever waits for them.
 */

import assert from "node:assert/strict";
import { run, TimeoutError } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { withLimit } from "../helpers/limits.js";
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
  const child = await launch(act, ["pause"], { ignoreSignals: ["SIGTERM"], timeout: 200, forceKillAfterDelay: 100 });
  const exit = await child.exited;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  assert.equal(child.reason, "timeout");
  await child.closed;
});

test("partial output is kept, and a readable that was cut ends in TimeoutError after its data", () =>
  withLimit(200, async (timeout) => {
    const args = [...HOLDER, "fill", "1", "50000", "say", "2", "filled", "pause"];
    const child = await launch(act, args, { timeout, processGroup: "new" });
    const exit = await child.closed;
    assert.equal(exit.kind, "killed");
    const begun = (await lineOf(child.stderr)) === "filled";
    let count = 0;
    const reading = async (): Promise<void> => {
      for await (const chunk of child.stdout) count += chunk.length;
    };
    if (begun) await assert.rejects(reading, (error) => error instanceof TimeoutError && /fd 1/.test(error.message));
    process.kill(-child.pid, "SIGKILL");
    child[Symbol.dispose]();
    if (!begun) return false;
    assert.equal(count, 50_000);
    return true;
  }));

test("a readable that nobody else held ends cleanly after a timeout", () =>
  withLimit(100, async (timeout) => {
    const child = await launch(act, ["say", "1", "partial", "pause"], { timeout });
    const text = await child.stdout.text();
    await child.closed;
    assert.equal(child.reason, "timeout");
    if (text === "") return false;
    assert.equal(text, "partial\n");
    return true;
  }));

test("25: the timeout also bounds pipes that are held after the child's own end in time", () =>
  withLimit(200, async (timeout) => {
    const child = await launch(act, [...HOLDER, "say", "1", "done"], { timeout, processGroup: "new" });
    const exit = await child.exited;
    await child.closed;
    const begun = exit.kind === "exited";
    if (begun) {
      assert.equal(exit.code, 0);
      assert.equal(await lineOf(child.stdout), "done");
      await assert.rejects(child.stdout.text(), TimeoutError);
    }
    process.kill(-child.pid, "SIGKILL");
    child[Symbol.dispose]();
    return begun;
  }));

test("run throws TimeoutError with the output so far, though a background process holds the pipes", async () => {
  for (const script of ["sleep 30 & echo mine; exec sleep 100", "sleep 30 & echo mine"]) {
    await withLimit(300, async (timeout) => {
      const error = await run("sh", ["-c", script], { timeout }).catch((thrown) => thrown);
      assert.ok(error instanceof TimeoutError);
      for (const { pid } of error.heldBy) process.kill(pid, "SIGKILL");
      if (error.stdout === "") return false;
      assert.equal(error.stdout, "mine\n");
      assert.equal(error.reason, "timeout");
      assert.equal(error.command, "sh");
      assert.ok(error.durationMs >= timeout - 5 && error.durationMs < 25_000);
      return true;
    });
  }
});

test("run with reject: false returns what a timed-out command gave", () =>
  withLimit(100, async (timeout) => {
    const result = await run(act, ["say", "1", "partial", "pause"], { timeout, reject: false });
    assert.equal(result.reason, "timeout");
    assert.equal(result.exit.kind, "killed");
    if (result.stdout === "") return false;
    assert.equal(result.stdout, "partial\n");
    return true;
  }));

test("timeout 0 is none; bad values are refused before anything is created", async () => {
  const child = await launch(act, ["read"], { timeout: 0 });
  child.stdin.end();
  assert.equal((await child.closed).kind, "exited");
  await assert.rejects(launch("true", [], { timeout: -1 }), { name: "RangeError", code: "ERR_OUT_OF_RANGE" });
  await assert.rejects(launch("true", [], { timeout: "1" as never }), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
});
