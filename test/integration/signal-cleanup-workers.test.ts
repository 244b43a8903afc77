/**
 * installSignalCleanup() and the children of workers, which hear of no signal: the main thread has them end theirs.
 */

import assert from "node:assert/strict";
import { ended, stateOf } from "../helpers/processes.js";
import { SignalledParent, workerOf } from "../helpers/signalled-parent.js";
import { test } from "../helpers/test.js";

test("the process dies of the signal after the children of its workers have ended, each terminated as by its options", async () => {
  const worker = `const polite = await start(false); const stubborn = await start(true, { forceKillAfterDelay: 300 });
    for (const child of [polite, stubborn]) child.exited.then(({ signal, code }) => tell(child.reason, signal ?? code));
    tell("ready");`;
  const parent = new SignalledParent(`installSignalCleanup(); await start(false); ${workerOf(worker)}; ${workerOf(worker)};`);
  const lines: string[] = [];
  for (let i = 0; i < 7; i++) lines.push(await parent.line());
  assert.equal(lines.filter((line) => line === "ready").length, 2);
  const pids = lines.map(Number).filter((pid) => pid > 0);
  assert.equal(pids.length, 5);
  parent.kill("SIGTERM");
  const ends = [await parent.line(), await parent.line(), await parent.line(), await parent.line()];
  assert.deepEqual(ends.sort(), ["parent-exit 7", "parent-exit 7", "parent-exit SIGKILL", "parent-exit SIGKILL"]);
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  for (const pid of pids) assert.equal(stateOf(pid), undefined);
});

test("a handler of the application's decides about the process; the children of workers are terminated", async () => {
  const worker = `const child = await start(false); tell("ready"); await child.exited; tell("ended", child.reason);`;
  const parent = new SignalledParent(`process.on("SIGHUP", () => console.log("mine")); installSignalCleanup();
    process.once("SIGUSR2", () => process.exit(7)); ${workerOf(worker)}; setInterval(() => {}, 1000);`);
  const pid = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGHUP");
  assert.deepEqual([await parent.line(), await parent.line()].sort(), ["ended parent-exit", "mine"]);
  assert.equal(stateOf(pid), undefined);
  parent.kill("SIGUSR2");
  assert.deepEqual(await parent.end, [7, null]);
});

test("a second signal kills the children of workers at once", async () => {
  const worker = `const child = await start(true, { forceKillAfterDelay: 60_000 }); tell("ready");
    child.exited.then(({ signal }) => tell(child.reason, signal));`;
  const parent = new SignalledParent(`installSignalCleanup(); process.prependOnceListener("SIGINT", () => console.log("first"));
    ${workerOf(worker)};`);
  const pid = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGINT");
  assert.equal(await parent.line(), "first");
  parent.kill("SIGTERM");
  assert.equal(await parent.line(), "parent-exit SIGKILL");
  assert.deepEqual(await parent.end, [null, "SIGINT"]);
  await ended(pid);
});

test("what a worker starts while its children are being ended is ended, too", async () => {
  const worker = `const child = await start(false); tell("ready"); await child.exited; await start(false);`;
  const parent = new SignalledParent(`installSignalCleanup(); ${workerOf(worker)};`);
  const first = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  assert.equal(stateOf(first), undefined);
  const next = Number(await parent.line());
  assert.equal(next > 0 ? stateOf(next) : undefined, undefined);
});

test("a worker that ends while it is asked: its children have their time, and the process dies after them", async () => {
  const worker = `await start(true, { forceKillAfterDelay: 300 }); tell("ready");`;
  const parent = new SignalledParent(`installSignalCleanup(); const worker = ${workerOf(worker)};
    await new Promise((resolve) => process.once("SIGUSR2", resolve)); process.prependOnceListener("SIGTERM", () => worker.terminate());
    console.log("armed");`);
  const pid = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGUSR2");
  assert.equal(await parent.line(), "armed");
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  // Killed in that very moment: it may still be on its way out.
  await ended(pid);
});

test("what a worker's children have started is ended with them, where it is contained", async () => {
  const worker = `const child = spawn("sh", ["-c", "trap '' TERM; sleep 100 & echo $!; wait"],
      { contain: "keeper", stdout: "pipe", forceKillAfterDelay: 100 });
    for await (const line of child.stdout.lines()) { tell(line); break; }`;
  const parent = new SignalledParent(`installSignalCleanup(); ${workerOf(worker)};`);
  const pid = Number(await parent.line());
  assert.ok(pid > 0);
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  await ended(pid);
});

test("a worker that does not come to its event loop is not waited for: its children live on", async () => {
  const worker = `await start(true); tell("ready"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);`;
  const parent = new SignalledParent(
    `installSignalCleanup(); const own = await start(true, { forceKillAfterDelay: 100 }); ${workerOf(worker)};`,
  );
  const own = Number(await parent.line());
  const pid = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  assert.equal(stateOf(own), undefined);
  assert.ok(!["Z", undefined].includes(stateOf(pid)));
  process.kill(pid, "SIGKILL");
  await ended(pid);
});
