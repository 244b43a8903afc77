/**
 * installSignalCleanup(): a signal that ends us takes the children along, and changes nothing else.
 */

import assert from "node:assert/strict";
import { installSignalCleanup, UnsupportedError } from "brood";
import { runNode } from "../helpers/node.js";
import { ended, stateOf } from "../helpers/processes.js";
import { SignalledParent as Parent } from "../helpers/signalled-parent.js";
import { test } from "../helpers/test.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

for (const signal of SIGNALS) {
  test(`${signal}: without a handler of its own the process dies of it, after its children have ended`, async () => {
    const parent =
      new Parent(`installSignalCleanup(); await start(false); const stubborn = await start(true, { forceKillAfterDelay: 400 });
      stubborn.exited.then(({ signal }) => console.log("reaped", signal)); console.log("ready");`);
    const pids = [Number(await parent.line()), Number(await parent.line())];
    assert.equal(await parent.line(), "ready");
    const start = performance.now();
    parent.kill(signal);
    assert.equal(await parent.line(), "reaped SIGKILL");
    assert.deepEqual(await parent.end, [null, signal]);
    assert.ok(performance.now() - start >= 390);
    for (const pid of pids) assert.equal(stateOf(pid), undefined);
  });

  test(`${signal}: a handler of the application's decides; the children are terminated`, async () => {
    for (const order of ["before", "after"]) {
      const handler = `process.on("${signal}", () => { console.log("mine"); ended.then(() => process.exit(42)); });`;
      const parent =
        new Parent(`let ended; ${order === "before" ? handler : ""} installSignalCleanup(); ${order === "after" ? handler : ""}
        const child = await start(false); ended = child.exited; console.log("ready");`);
      const pid = Number(await parent.line());
      await parent.line();
      parent.kill(signal);
      assert.equal(await parent.line(), "mine");
      assert.deepEqual(await parent.end, [42, null]);
      assert.equal(stateOf(pid), undefined);
    }
  });
}

test("a handler that exits at once: its status is kept, the children end, and get one signal", async () => {
  const script = 'trap "trap - TERM; sleep 0.3; echo cleaned >&3; exit" TERM; echo ready >&2; while :; do sleep 0.05; done';
  const parent = new Parent(`installSignalCleanup(); process.on("SIGINT", () => process.exit(9));
    const child = spawn("sh", ["-c", ${JSON.stringify(script)}], { stdin: "ignore", stdout: "ignore", fds: { 3: 1 } });
    await child.stderr.lines().next(); console.log("ready"); setInterval(() => {}, 1000);`);
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGINT");
  assert.equal(await parent.line(), "cleaned");
  assert.deepEqual(await parent.end, [9, null]);
});

test("an application that survives the signal goes on, and may start new children", async () => {
  const parent = new Parent(`installSignalCleanup(); process.on("SIGHUP", async () => {
      const next = await start(false); await first.exited; console.log(next.kill(0)); next.terminate(); await next.exited; clearInterval(alive);
      process.exitCode = 6; uninstall = null; process.removeAllListeners("SIGHUP");
    });
    let uninstall; const alive = setInterval(() => {}, 1000);
    const first = await start(false); console.log("ready");`);
  await parent.line();
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGHUP");
  assert.match(await parent.line(), /^\d+$/);
  assert.equal(await parent.line(), "true");
  assert.deepEqual(await parent.end, [6, null]);
});

test("a second signal kills the children at once", async () => {
  const parent = new Parent(`installSignalCleanup();
    const child = await start(true, { forceKillAfterDelay: 60_000 });
    process.stdout.write("ready\\n"); child.exited.then(() => console.log("reaped"));
    const poll = setInterval(() => { if (process.listenerCount("SIGTERM") && globalThis.seen) clearInterval(poll); }, 1);
    process.prependOnceListener("SIGINT", () => console.log("first"));`);
  const pid = Number(await parent.line());
  assert.equal(await parent.line(), "ready");
  parent.kill("SIGINT");
  assert.equal(await parent.line(), "first");
  const start = performance.now();
  parent.kill("SIGTERM");
  assert.equal(await parent.line(), "reaped");
  assert.deepEqual(await parent.end, [null, "SIGINT"]);
  assert.ok(performance.now() - start < 20_000);
  await ended(pid);
});

test("children that are not to be cleaned up are left alone", async () => {
  const parent = new Parent(
    `installSignalCleanup(); await start(true, { cleanup: false, stderr: "pipe" }); console.log("ready");`,
  );
  const pid = Number(await parent.line());
  await parent.line();
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  assert.ok(stateOf(pid) !== undefined && stateOf(pid) !== "Z");
  process.kill(pid, "SIGKILL");
  await ended(pid);
});

test("it is taken back once for each call; then the process dies of the signal at once", async () => {
  const counts = (): number[] => SIGNALS.map((signal) => process.listenerCount(signal));
  const before = counts();
  const [one, two] = [installSignalCleanup(), installSignalCleanup()];
  assert.deepEqual(
    counts(),
    before.map((n) => n + 1),
  );
  one();
  one();
  assert.deepEqual(
    counts(),
    before.map((n) => n + 1),
  );
  two();
  assert.deepEqual(counts(), before);
  installSignalCleanup()();
  assert.deepEqual(counts(), before);
  const parent = new Parent(`installSignalCleanup()(); await start(true); console.log("ready");`);
  const pid = Number(await parent.line());
  await parent.line();
  parent.kill("SIGTERM");
  assert.deepEqual(await parent.end, [null, "SIGTERM"]);
  assert.ok(!["Z", undefined].includes(stateOf(pid)));
  process.kill(pid, "SIGKILL");
  await ended(pid);
});

test("a worker is refused", async () => {
  const { stdout } = await runNode(`
    import { Worker } from "node:worker_threads";
    const source = ${JSON.stringify(`import { installSignalCleanup } from ${JSON.stringify(import.meta.resolve("brood"))};
      import { parentPort } from "node:worker_threads";
      try { installSignalCleanup(); } catch (error) { parentPort.postMessage([error.name, error.code, error.feature]); }`)};
    new Worker(new URL("data:text/javascript," + encodeURIComponent(source))).on("message", (words) => console.log(words.join(" ")));`);
  assert.equal(stdout, "UnsupportedError ERR_UNSUPPORTED signals\n");
  assert.ok(UnsupportedError);
});
