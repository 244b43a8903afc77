/**
 * A child belongs to a scope: `await using` and `using`, by their symbols.
 */

import assert from "node:assert/strict";
import { act, lineOf, processState } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("R8: the end of an `await using` scope terminates politely, escalates, reaps and closes", async () => {
  let pid = 0;
  let closed = false;
  {
    await using child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 50 });
    pid = child.pid;
    assert.equal(await lineOf(child.stdout), "ready");
    void child.closed.then((exit) => {
      closed = exit.kind === "killed" && exit.signal === "SIGKILL";
    });
  }
  assert.equal(processState(pid), undefined);
  assert.equal(closed, true);
});

test("`await using` lets a polite child clean up", async () => {
  let exit: unknown;
  {
    await using child = await launch(act, ["on", "15", "x", "say", "1", "ready", "pause"]);
    assert.equal(await lineOf(child.stdout), "ready");
    void child.exited.then((state) => {
      exit = state.kind === "exited" && state.code;
    });
  }
  assert.equal(exit, 7);
});

test("R8: the body's own error survives", async () => {
  let pid = 0;
  await assert.rejects(
    async () => {
      await using child = await launch(act, ["pause"]);
      pid = child.pid;
      throw new Error("of the body");
    },
    { message: "of the body" },
  );
  assert.equal(processState(pid), undefined);
});

test("25: `await using` doesn't wait for a grandchild that holds the pipes", async () => {
  const start = performance.now();
  {
    await using child = await launch("sh", ["-c", "sleep 5 & echo held; wait"]);
    assert.equal(await lineOf(child.stdout), "held");
  }
  assert.ok(performance.now() - start < 4000);
});

test("the end of a `using` scope kills by SIGKILL, closes the pipes, and reaps in the background", async () => {
  let exited: Promise<{ kind: string }>;
  let closed: Promise<unknown>;
  {
    using child = await launch(act, ["on", "15", "polite", "say", "1", "ready", "pause"]);
    assert.equal(await lineOf(child.stdout), "ready");
    ({ exited, closed } = child);
  }
  // unref'ed: this timer stands for a program that has other things to do.
  const alive = setInterval(() => {}, 1000);
  const exit = await exited;
  await closed;
  clearInterval(alive);
  assert.equal((exit as { signal?: string }).signal, "SIGKILL");
});

test("disposing twice, and after the end, is harmless", async () => {
  const child = await launch("true");
  await child.closed;
  await child[Symbol.asyncDispose]();
  child[Symbol.dispose]();
  await child[Symbol.asyncDispose]();
  assert.equal(child.reason, "exit");
});

test("dispose during a termination that is still polite makes it SIGKILL", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"]);
  assert.equal(await lineOf(child.stdout), "ready");
  const ended = child.terminate();
  child[Symbol.dispose]();
  const alive = setInterval(() => {}, 1000);
  const exit = await ended;
  clearInterval(alive);
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
});
