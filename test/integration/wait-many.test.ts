/**
 * Many waits at once: each gets the changes that it asked for, none eats another's (R5).
 */

import assert from "node:assert/strict";
import { type ChildProcess, spawn as nodeSpawn } from "node:child_process";
import { once } from "node:events";
import type { Child } from "brood";
import { act, processState } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

async function inState(pid: number, letter: string): Promise<void> {
  while (processState(pid) !== letter) await new Promise(setImmediate);
}

test("R5: many waits at once, of all kinds", async () => {
  const child = await launch(act, ["read", "raise", "19", "read", "exit", "4"]);
  const stops = [1, 2, 3].map(() => child.wait({ stopped: true }));
  const either = child.wait({ stopped: true, continued: true });
  const continues = [1, 2].map(() => child.wait({ continued: true }));
  const ends = [1, 2].map(() => child.wait({ exited: true }));
  child.stdin.write("x");
  for (const state of await Promise.all([...stops, either])) assert.equal(state.kind, "stopped");
  child.kill("SIGCONT");
  for (const state of await Promise.all(continues)) assert.equal(state.kind, "continued");
  child.stdin.end();
  for (const state of await Promise.all(ends)) assert.equal(state.kind === "exited" && state.code, 4);
  await child.closed;
});

/** All changes until the end, by a loop over wait(). */
async function follow(child: Child<never>, kinds: { stopped?: boolean; continued?: boolean }): Promise<string[]> {
  const seen: string[] = [];
  for (;;) {
    const state = await child.wait({ ...kinds, exited: true });
    seen.push(state.kind);
    if (state.kind === "exited" || state.kind === "killed" || state.kind === "unknown") return seen;
  }
}

test("R5: loops of several waiters all see each change, in order", async () => {
  const child = await launch(act, ["pause"]);
  const all = { stopped: true, continued: true };
  const followers = [follow(child as never, all), follow(child as never, all), follow(child as never, { stopped: true })];
  for (let round = 0; round < 5; round++) {
    const stopped = child.wait({ stopped: true });
    child.kill("SIGSTOP");
    await stopped;
    const continued = child.wait({ continued: true });
    child.kill("SIGCONT");
    await continued;
  }
  child.kill("SIGKILL");
  const [first, second, third] = await Promise.all(followers);
  const both = [1, 2, 3, 4, 5].flatMap(() => ["stopped", "continued"]);
  assert.deepEqual(first, [...both, "killed"]);
  assert.deepEqual(second, first);
  assert.deepEqual(third, ["stopped", "stopped", "stopped", "stopped", "stopped", "killed"]);
  await child.closed;
});

test("R5: a change that one waiter did not ask for waits for another", async () => {
  const child = await launch(act, ["pause"]);
  const continued = child.wait({ continued: true });
  child.kill("SIGSTOP");
  await inState(child.pid, "T");
  child.kill("SIGCONT");
  assert.equal((await continued).kind, "continued");
  child.kill("SIGSTOP");
  assert.equal((await child.wait({ stopped: true })).kind, "stopped");
  child.kill("SIGKILL");
  await child.closed;
});

test("R1: a wait takes no state of a child of node:child_process, nor of another child of ours", async () => {
  const script = ["pause"];
  const theirs: ChildProcess = nodeSpawn(act, script, { stdio: "ignore" });
  const ours = await launch(act, script);
  const other = await launch(act, script);
  assert.ok(theirs.pid !== undefined);
  const waiting = ours.wait({ stopped: true });
  let told = false;
  void waiting.then(() => {
    told = true;
  });
  theirs.kill("SIGSTOP");
  other.kill("SIGSTOP");
  await inState(theirs.pid, "T");
  await inState(other.pid, "T");
  assert.equal((await other.wait({ stopped: true })).pid, other.pid);
  assert.equal(told, false);
  // waitpid(2) of someone else would still find theirs stopped; its end, too, is left for Node.
  ours.kill("SIGSTOP");
  assert.equal((await waiting).pid, ours.pid);
  const exited = once(theirs, "exit");
  theirs.kill("SIGKILL");
  for (const child of [ours, other]) child.kill("SIGKILL");
  assert.deepEqual(await exited, [null, "SIGKILL"]);
  await Promise.all([ours.closed, other.closed]);
});

test("waits work in a worker, and end with it", async () => {
  const source = `import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
    const child = spawn("sh", ["-c", "kill -STOP $$; read _; exit 3"]);
    const seen = [(await child.wait({ stopped: true })).signal];
    const continued = child.wait({ continued: true });
    child.kill("SIGCONT");
    seen.push((await continued).kind);
    child.stdin.end();
    seen.push((await child.wait({ exited: true })).code);
    console.log(seen.join(" "));
    const stays = spawn("sleep", ["100"]);
    stays.wait({ stopped: true, exited: true });
    stays.unref();`;
  const result = await runNode(`
    import { Worker } from "node:worker_threads";
    const worker = new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(source)}`)}));
    const code = await new Promise((resolve) => worker.on("exit", resolve));
    console.log("worker", code);
  `);
  assert.deepEqual(result, { code: 0, signal: null, stdout: "SIGSTOP continued 3\nworker 0\n", stderr: "" });
});
