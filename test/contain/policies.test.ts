/**
 * What becomes of those that outlive a command, and of those that can't be ended.
 */

import assert from "node:assert/strict";
import { chmodSync, copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Child, SpawnOptions } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { withMark } from "../helpers/contained.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

/** As run(); the pidfd of a group that has members left is given up at once, not when the child is collected. */
async function collect(file: string, args: string[], options: SpawnOptions): ReturnType<Child["output"]> {
  const child = await launch(file, args, { stdin: "ignore", ...options });
  try {
    return await child.output();
  } finally {
    await child[Symbol.asyncDispose]();
  }
}

for (const contain of ["cgroup", "keeper", "namespace", "group"] as const) {
  test(`${contain}: what outlives the command has time for its last words`, async () => {
    const script = "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early";
    const result = await collect("sh", ["-c", script], { contain });
    assert.equal(result.stdout, "early\nlate\n");
    assert.deepEqual(result.containment, { ...result.containment, ended: [], survivors: [] });
    assert.equal(result.drained, true);
  });

  test(`${contain}: descendants "wait" waits for them`, async () => {
    const script = "(sleep 0.8; echo late) & echo early";
    const result = await collect("sh", ["-c", script], { contain, descendants: "wait" });
    assert.equal(result.stdout, "early\nlate\n");
    assert.deepEqual(result.containment?.ended, []);
  });

  test(`${contain}: a timeout ends those that are waited for`, () =>
    withMark(async (mark) => {
      // It is over before the timeout but on a slow machine: what was ended before it forked shows nothing.
      for (let timeout = 200; ; timeout *= 4) {
        const result = await collect(act, ["fork", "pause", ";", "say", "1", "forked", "exit", "0"], {
          contain,
          descendants: "wait",
          timeout,
          env: mark.env,
        });
        assert.equal(result.reason, "timeout");
        assert.deepEqual(mark.living(), []);
        if (result.exit.kind !== "exited") continue;
        assert.equal(result.containment?.ended.length, 1);
        return;
      }
    }));
}

for (const contain of ["cgroup", "keeper", "group"] as const) {
  test(`${contain}: descendants "leave" lets them live on, and says so`, () =>
    withMark(async (mark) => {
      const result = await collect(act, ["fork", "close", "1", "close", "2", "pause", ";", "exit", "0"], {
        contain,
        descendants: "leave",
        env: mark.env,
      });
      const living = mark.living();
      assert.equal(living.length, 1);
      assert.deepEqual(result.containment?.ended, []);
      assert.deepEqual(
        result.containment?.survivors.map(({ pid }) => pid),
        living,
      );
      assert.equal(result.containment?.survivors[0]?.reason, 'descendants: "leave"');
    }));
}

test("what is left behind gets the polite signal first", async () => {
  const child = await launch(act, ["fork", "on", "15", "polite", "say", "1", "ready", "pause", ";", "read"], {
    contain: "keeper",
  });
  await lineOf(child.stdout);
  await child.terminate();
  assert.equal(await child.stdout.text(), "polite\n");
});

test("terminate() signals the command alone, which may end its own as it likes", async () => {
  // Its child would say so, had it got the signal too.
  const script =
    "trap 'kill -USR1 $!; wait; exit 4' TERM; sh -c 'trap \"echo usr1; exit\" USR1; trap \"echo term; exit\" TERM; echo ready; while :; do sleep 0.05; done' & wait";
  const child = await launch("sh", ["-c", script], { contain: "keeper" });
  assert.equal(await lineOf(child.stdout), "ready");
  const exit = await child.terminate();
  assert.equal(exit.kind === "exited" && exit.code, 4);
  assert.doesNotMatch(await child.stdout.text(), /term/);
});

test("forceKillAfterDelay bounds the end of all of it", () =>
  withMark(async (mark) => {
    const stubborn = ["ignore", "15", "fork", "ignore", "15", "say", "1", "ready", "pause", ";", "pause"];
    const child = await launch(act, stubborn, { contain: "keeper", env: mark.env, forceKillAfterDelay: 30 });
    await lineOf(child.stdout);
    await child.terminate();
    assert.deepEqual(mark.living(), []);
    await child.closed;
  }));

test("another user's process is a survivor, with the reason; nothing hangs", () =>
  withMark(async (mark) => {
    const folder = mkdtempSync(join(tmpdir(), "brood-survivor-"));
    try {
      chmodSync(folder, 0o755);
      const setuid = join(folder, "act");
      copyFileSync(act, setuid);
      chmodSync(setuid, 0o4755);
      const code = `
        const child = spawn(${JSON.stringify(setuid)}, ["fork", "uid", "0", "say", "1", "ready", "pause", ";", "pause"],
          { contain: "keeper", env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20, stderr: "ignore" });
        child.stdout.once("data", async () => {
          await child.terminate();
          await child.closed;
          console.log(JSON.stringify(child.containment));
        });`;
      const { stdout, stderr } = await runNode(code, { uid: 65534, gid: 65534 });
      assert.equal(stderr, "");
      const verdict = JSON.parse(stdout);
      assert.equal(verdict.survivors.length, 1);
      assert.equal(verdict.survivors[0].reason, "EPERM: it belongs to another user");
      assert.deepEqual(mark.living(), [verdict.survivors[0].pid]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }));

test("a signal that ends us ends all of it, politely first, and is the reason", () =>
  withMark(async (mark) => {
    const code = `
      const { installSignalCleanup } = brood;
      installSignalCleanup();
      const child = spawn(${JSON.stringify(act)}, ["fork", "ignore", "15", "pause", ";", "on", "15", "bye", "say", "1", "ready", "pause"],
        { contain: "keeper", env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 50 });
      child.stdout.once("data", () => process.kill(process.pid, "SIGTERM"));
      const exit = await child.exited;
      console.log(child.reason, exit.code);
      await child.closed;`;
    const { stdout, signal } = await runNode(code);
    assert.equal(stdout, "parent-exit 7\n");
    assert.equal(signal, "SIGTERM");
    assert.deepEqual(mark.living(), []);
  }));
