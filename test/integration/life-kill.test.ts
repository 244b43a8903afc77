/**
 * kill(): who is hit, and what the caller is told.
 */

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { act, lineOf, processState } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

test("kill() is true for a live child, by name and by number; the state tells the signal", async () => {
  for (const [signal, name] of [
    [undefined, "SIGTERM"],
    ["SIGINT", "SIGINT"],
    [9, "SIGKILL"],
    ["SIGRTMIN+2", "SIGRTMIN+2"],
    [36, "SIGRTMIN+2"],
  ] as const) {
    const child = await launch(act, ["pause"]);
    assert.equal(child.kill(signal), true);
    const exit = await child.closed;
    assert.equal(exit.kind === "killed" && exit.signal, name);
    assert.equal(exit.kind === "killed" && exit.coreDumped, false);
    assert.equal(child.reason, "signal");
  }
});

test("kill(0) probes and sends nothing", async () => {
  const child = await launch(act, ["read"]);
  assert.equal(child.kill(0), true);
  child.stdin.end();
  const exit = await child.closed;
  assert.equal(exit.kind, "exited");
  assert.equal(child.kill(0), false);
});

test("kill() is false for a child that has exited, also before it is reaped", async () => {
  const child = await launch("true");
  // This thread doesn't let the event loop run, so nothing has reaped it.
  while (processState(child.pid) !== "Z") {}
  assert.equal(child.kill(0), false);
  assert.equal(child.kill("SIGKILL"), false);
  const exit = await child.closed;
  assert.equal(exit.kind, "exited");
  assert.equal(child.kill("SIGKILL"), false);
});

test("an unknown signal is refused before anything is sent", async () => {
  const child = await launch(act, ["read"]);
  for (const signal of ["TERM", "SIGNOPE", 65, -1, 1.5]) {
    assert.throws(() => child.kill(signal), { name: "TypeError", code: "ERR_UNKNOWN_SIGNAL" });
  }
  assert.throws(() => child.kill({} as never), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  child.stdin.end();
  const exit = await child.closed;
  assert.equal(exit.kind, "exited");
});

test("17: kill() after the exit never hits a process that got the same pid", async () => {
  const { old, young } = await samePid();
  assert.equal(old.kill("SIGKILL"), false);
  assert.equal(old.kill(0), false);
  assert.throws(() => old.killGroup("SIGKILL"), { code: "ERR_INVALID_ARG_VALUE" });
  await old.terminate();
  old[Symbol.dispose]();
  assert.equal(young.kill(0), true);
  young.stdin.end();
  const exit = await young.closed;
  assert.equal(exit.kind, "exited");
});

/** A child that has ended, and a living one that got its pid. Someone else in the system may be faster, and keep it. */
async function samePid() {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const old = await launch("true");
    await old.closed;
    writeFileSync("/proc/sys/kernel/ns_last_pid", String(old.pid - 1));
    const young = await launch(act, ["read"]);
    if (young.pid === old.pid) return { old, young };
    young.kill("SIGKILL");
    await young.closed;
  }
  throw new Error("no pid could be had again");
}

test("21: EPERM is thrown, never taken for dead: a child that changed its user", async () => {
  // Then the parent becomes an ordinary user, and another one.
  const result = await runNode(
    `
    const child = spawn(${JSON.stringify(act)}, ["say", "1", "ready", "uid", "1234", "say", "1", "changed", "read"]);
    const lines = child.stdout.lines();
    await lines.next();
    await lines.next();
    process.seteuid(1000);
    try {
      child.kill("SIGTERM");
      console.log("sent");
    } catch (error) {
      console.log(error.code, error.syscall, error.errno, error.message.includes("SIGTERM"));
    }
    console.log(child.exit);
    // Termination of someone out of reach waits for the child's own end.
    const ended = child.terminate();
    child.stdin.end();
    console.log((await ended).kind);
    console.log(child.kill());
  `,
  );
  assert.deepEqual(result, { code: 0, signal: null, stdout: "EPERM kill -1 true\nnull\nexited\nfalse\n", stderr: "" });
});

test("35: kill() being true doesn't mean dead: a child that ignores the signal lives, and terminate() escalates", async () => {
  const child = await launch(act, ["ignore", "15", "say", "1", "ready", "pause"], { forceKillAfterDelay: 50 });
  assert.equal(await lineOf(child.stdout), "ready");
  assert.equal(child.kill("SIGTERM"), true);
  assert.equal(child.kill("SIGTERM"), true);
  assert.equal(child.exit, null);
  assert.equal(child.kill(0), true);
  const exit = await child.terminate();
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
  await child.closed;
});
