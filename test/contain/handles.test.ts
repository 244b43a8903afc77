/**
 * What can be done to a command and all that is below it: seen, signalled, stopped and continued, by each means and without.
 */

import assert from "node:assert/strict";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { launch, launchRun } from "../helpers/launch.js";
import { stateOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const torture = childPath("torture");
const MEANS = [false, "cgroup", "keeper", "namespace", "group"] as const;

for (const contain of MEANS) {
  const name = contain === false ? "not contained" : contain;
  /** A command with a child and a grandchild, none of which leaves its group or loses its parent. */
  const family = ["fork", "fork", "say", "1", "grandchild", "pause", ";", "pause", ";", "pause"];

  test(`${name}: descendants() has pid, ppid, command, start time and state`, async () => {
    const before = Date.now();
    const child = await launch(act, ["fork", "say", "1", "child", "pause", ";", "pause"], { contain, killSignal: "SIGKILL" });
    try {
      assert.equal(await lineOf(child.stdout), "child");
      const [only, ...others] = child.descendants();
      assert.deepEqual(others, []);
      assert.ok(only !== undefined);
      assert.deepEqual(Object.keys(only), ["pid", "ppid", "command", "startTime", "state"]);
      assert.equal(only.ppid, child.pid);
      assert.match(only.command, /^\S+act fork say 1 child pause ; pause$/);
      assert.ok(Math.abs(only.startTime - before) < 5000, `${only.startTime - before} ms`);
      assert.match(only.state, /^[RSD]$/);
      process.kill(only.pid, "SIGKILL");
    } finally {
      await child[Symbol.asyncDispose]();
    }
    assert.deepEqual(child.descendants(), []);
  });

  test(`${name}: killTree() reaches all of them, and says how many`, () =>
    withMark(async (mark) => {
      const child = await launch(act, family, { contain, env: mark.env });
      assert.equal(await lineOf(child.stdout), "grandchild");
      assert.equal(mark.living().length, 3);
      assert.equal(child.killTree(0), 3);
      assert.equal(child.killTree("SIGTERM"), 3);
      await child.closed;
      assert.deepEqual(await mark.settle(), []);
      assert.equal(child.exit?.kind === "killed" && child.exit.signal, "SIGTERM");
      assert.equal(child.killTree(0), 0, "nobody is below one that has ended");
      await child[Symbol.asyncDispose]();
    }));

  test(`${name}: suspend() stops all of them, resume() continues them`, () =>
    withMark(async (mark) => {
      const child = await launch(act, family, { contain, env: mark.env });
      await lineOf(child.stdout);
      const all = mark.living();
      await child.suspend();
      // A frozen process sleeps; any other is stopped.
      const states = new Set(all.map(stateOf));
      assert.ok(contain === "cgroup" ? [...states].every((state) => ["S", "D"].includes(state ?? "")) : states.has("T"));
      assert.equal(states.size, 1);
      child.killTree("SIGTERM");
      // What is stopped ends when it is continued; what is frozen at once.
      if (contain !== "cgroup") assert.equal(mark.living().length, 3);
      await child.resume();
      await child.closed;
      assert.deepEqual(await mark.settle(), []);
      await child[Symbol.asyncDispose]();
    }));
}

for (const contain of ["cgroup", "keeper", "namespace"] as const) {
  test(`${contain}: what has got away from its parents is among the descendants`, () =>
    withMark(async (mark) => {
      const child = await launch(torture, ["stay"], { contain, env: mark.env, forceKillAfterDelay: 10 });
      try {
        await lineOf(child.stdout);
        const living = (): number[] => mark.living().filter((pid) => pid !== child.pid);
        let before: number[];
        let seen: number[];
        // Some are only there to lose their children: those end about now, and wait to be reaped.
        do {
          before = living();
          seen = child.descendants().flatMap(({ pid, state }) => (state === "Z" ? [] : [pid]));
        } while (before.join() !== living().join());
        assert.deepEqual(seen.sort(), before.sort());
      } finally {
        await child[Symbol.asyncDispose]();
      }
    }));

  test(`${contain}: terminate() continues what was suspended, so that it can end politely`, async () => {
    const child = await launch(act, ["on", "15", "bye", "say", "1", "ready", "pause"], { contain });
    await lineOf(child.stdout);
    await child.suspend();
    const exit = await child.terminate();
    assert.equal(exit.kind === "exited" && exit.code, 7);
    await child.closed;
  });

  test(`${contain}: states, exit code, signal and usage are the command's`, async () => {
    const child = await launch(act, ["touch", "40", "say", "1", "ready", "raise", "19", "read", "exit", "9"], { contain });
    await lineOf(child.stdout);
    assert.deepEqual(await child.wait({ stopped: true }), {
      kind: "stopped",
      signal: "SIGSTOP",
      pid: child.pid,
      uid: process.getuid?.() ?? null,
    });
    child.kill("SIGCONT");
    assert.equal((await child.wait({ continued: true })).kind, "continued");
    child.stdin.end();
    const exit = await child.closed;
    assert.equal(exit.kind === "exited" && exit.code, 9);
    assert.equal(exit.pid, child.pid);
    // A page has 64 KiB at most.
    assert.ok((exit.usage?.minorFaults ?? 0) >= 640, "40 MiB were touched");
    assert.equal(child.kill(), false);
    const killed = await launchRun("sh", ["-c", "kill -QUIT $$"], { contain, reject: false });
    assert.equal(killed.exit.kind === "killed" && killed.exit.signal, "SIGQUIT");
    assert.equal(killed.reason, killed.exit.kind === "killed" && killed.exit.coreDumped ? "coredump" : "signal");
  });
}
