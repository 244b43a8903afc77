/**
 * What holds the event loop: a live child does, a pending await doesn't; ref, unref, detached.
 */

import assert from "node:assert/strict";
import { act, processState } from "../helpers/act.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

const ACT = JSON.stringify(act);

/** Runs a script; what it prints at its end is the evidence. */
async function printed(code: string): Promise<string> {
  const result = await runNode(code);
  assert.equal(result.stderr, "");
  assert.equal(result.code, 0);
  return result.stdout;
}

test("L11: a live child holds the loop, without any listener or await", async () => {
  const out = await printed(`
    const child = spawn("sleep", ["0.2"], { stdio: "ignore" });
    process.on("exit", () => console.log(child.exit?.kind));
  `);
  assert.equal(out, "exited\n");
});

test("L11: an unref'ed child lets the loop end, whatever awaits it and whatever streams are read", async () => {
  const start = performance.now();
  const out = await printed(`
    const child = spawn("sleep", ["100"]).unref();
    child.stdout.on("data", () => {});
    child.exited.then(() => console.log("no"));
    child.closed.then(() => console.log("no"));
    child.wait({ stopped: true, exited: true }).catch(() => {});
    process.on("exit", () => console.log(child.exit));
  `);
  assert.equal(out, "null\n");
  assert.ok(performance.now() - start < 20_000);
});

test("ref() after unref() holds again; neither counts", async () => {
  const out = await printed(`
    const child = spawn("sleep", ["0.2"]);
    console.log(child.unref() === child, child.unref().ref() === child);
    process.on("exit", () => console.log(child.exit?.kind));
  `);
  assert.equal(out, "true true\nexited\n");
});

test("a pending timeout or termination of an unref'ed child doesn't hold the loop", async () => {
  const start = performance.now();
  const out = await printed(`
    const child = spawn(${ACT}, ["ignore", "15", "say", "1", "ready", "pause"], {
      timeout: 60_000, forceKillAfterDelay: 60_000, cleanup: false,
    });
    await child.stdout.lines().next();
    child.unref();
    child.terminate();
    process.on("exit", () => { console.log(child.exit); child.kill("SIGKILL"); });
  `);
  assert.equal(out, "null\n");
  assert.ok(performance.now() - start < 20_000);
});

test("pipes that a grandchild holds hold the loop until closed", async () => {
  const out = await printed(`
    const child = spawn("sh", ["-c", "sleep 0.2 & exit 0"]);
    process.on("exit", () => console.log(child.exit?.kind));
    child.closed.then(() => console.log("closed"));
  `);
  assert.equal(out, "closed\nexited\n");
});

test("a detached child doesn't hold the loop, survives the parent, and leads a session of its own", async () => {
  const out = await printed(`
    const child = spawn(${ACT}, ["say", "3", "ready", "pause"], {
      detached: true, stdin: "ignore", stdout: "ignore", stderr: "ignore", fds: { 3: "pipe" },
    });
    // Nothing of a detached child holds the loop: this timer does, as long as it is needed.
    const alive = setInterval(() => {}, 1000);
    await child.fds.get(3).lines().next();
    clearInterval(alive);
    console.log(child.pid);
  `);
  const pid = Number(out);
  assert.match(processState(pid) ?? "gone", /[SR]/);
  process.kill(-pid, "SIGTERM");
});
