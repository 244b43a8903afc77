/**
 * idleTimeout: the end of a child that has moved no byte for so long.
 */

import assert from "node:assert/strict";
import { setTimeout as delay } from "node:timers/promises";
import { run, TimeoutError } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { withLimit } from "../helpers/limits.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

test("silence ends the child: reason idle, a TimeoutError with what came", () =>
  withLimit(200, async (idleTimeout) => {
    const error = await run(act, ["say", "1", "partial", "pause"], { idleTimeout }).catch((thrown) => thrown);
    assert.ok(error instanceof TimeoutError);
    assert.equal(error.code, "ERR_TIMEOUT");
    assert.equal(error.reason, "idle");
    assert.equal(error.exit.kind === "killed" && error.exit.signal, "SIGTERM");
    assert.match(error.message, new RegExp(` gave no output for ${idleTimeout} ms, and `));
    assert.ok(error.durationMs >= idleTimeout - 5);
    if (error.stdout === "") return false;
    assert.equal(error.stdout, "partial\n");
    return true;
  }));

test("a child that goes on talking is left alone, on whatever fd it talks", async () => {
  const result = await run("sh", ["-c", "for i in 1 2 3 4 5 6; do sleep 0.2; echo $i >&2; done"], { idleTimeout: 1100 });
  assert.equal(result.stderr, "1\n2\n3\n4\n5\n6\n");
  assert.ok(result.durationMs >= 1190);
});

test("what is written to it counts, too", async () => {
  const child = await launch("cat", [], { stdout: "ignore", idleTimeout: 1200 });
  for (let i = 0; i < 8; i++) {
    child.stdin.write("x");
    await delay(200);
  }
  child.stdin.end();
  assert.equal((await child.check()).kind, "exited");
  await child.closed;
});

test("output that nobody reads counts while it comes", async () => {
  const child = await launch("sh", ["-c", "for i in 1 2 3 4 5 6; do sleep 0.2; echo $i; done"], { idleTimeout: 1100 });
  assert.equal((await child.exited).kind, "exited");
  assert.equal(child.reason, "exit");
  await child.closed;
});

test("a slow reader of ours is not the child's silence; the child's is", async () => {
  const child = await launch(act, ["fill", "1", "500000", "say", "1", "", "pause"], { idleTimeout: 1000 });
  const start = performance.now();
  let length = 0;
  let slow = 0;
  await assert.rejects(
    async () => {
      for await (const chunk of child.stdout) {
        length += chunk.length;
        if (slow++ < 2) {
          await delay(1500);
          assert.equal(child.reason, null);
        }
        if (length >= 500_001) throw new Error("all of it");
      }
    },
    { message: "all of it" },
  );
  assert.ok(performance.now() - start >= 2900);
  await child.exited;
  assert.equal(child.reason, "idle");
  await child.closed;
});

test("a pipe that nobody touches does not hide the silence", async () => {
  const child = await launch(act, ["say", "2", "a warning", "pause"], { idleTimeout: 300 });
  child.stdout.resume();
  await child.exited;
  assert.equal(child.reason, "idle");
  await child.closed;
});

test("an idle error says that the child waited for its standard input", async () => {
  const child = await launch("cat", [], { idleTimeout: 1500 });
  await assert.rejects(child.check(), /cat gave no output for 1500 ms \(it was waiting for its standard input\), and /);
  await child.closed;
});

test("an idle error says that the child waited for a terminal", async () => {
  const master = self.openTerminal();
  const slave = self.openSlave(master);
  const { closeSync } = await import("node:fs");
  try {
    await assert.rejects(
      run("sh", ["-c", "exec cat <&5"], { fds: { 5: slave }, idleTimeout: 1500 }),
      /waiting for its standard input/,
    );
    await assert.rejects(run("bash", ["-c", "read -u 5 answer"], { fds: { 5: slave }, idleTimeout: 1500 }), (error) => {
      assert.ok(error instanceof TimeoutError);
      assert.match(error.message, /\(it was waiting for a terminal\)/);
      return true;
    });
  } finally {
    closeSync(slave);
    closeSync(master);
  }
});

test("idleTimeout 0 is none; a child that exits in time leaves no clock", async () => {
  const child = await launch(act, ["say", "1", "ready", "read"], { idleTimeout: 0 });
  assert.equal(await lineOf(child.stdout), "ready");
  await delay(50);
  child.stdin.end();
  assert.equal((await child.check()).kind, "exited");
  await (await launch("true", [], { idleTimeout: 60_000 })).closed;
});

test("an idle child that ignores the polite signal is killed after forceKillAfterDelay", async () => {
  const result = await run(act, ["pause"], {
    ignoreSignals: ["SIGTERM"],
    idleTimeout: 300,
    forceKillAfterDelay: 200,
    reject: false,
  });
  assert.equal(result.reason, "idle");
  assert.equal(result.exit.kind === "killed" && result.exit.signal, "SIGKILL");
});

test("a reader that has taken all there is, and asks for no more, leaves the child its silence", async () => {
  // Each fits into the pipe: by one read that is much, by one as large as it was asked for, and by a small one.
  for (const bytes of [40_000, 65_536, 1000]) {
    const child = await launch(act, ["fill", "1", `${bytes}`, "say", "2", "written", "pause"], { idleTimeout: 300 });
    assert.equal(await lineOf(child.stderr), "written");
    const iterator = child.stdout[Symbol.asyncIterator]();
    for (let left = bytes; left > 0; left -= (await iterator.next()).value.length);
    assert.equal((await child.exited).kind, "killed");
    assert.equal(child.reason, "idle");
    await iterator.return?.();
    await child.closed;
  }
});
