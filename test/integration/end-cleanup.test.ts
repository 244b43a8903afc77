/**
 * cleanup: a parent that ends takes its children along, and waits no longer than it must.
 */

import assert from "node:assert/strict";
import { act } from "../helpers/act.js";
import { runNode } from "../helpers/node.js";
import { ended, stateOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const ACT = JSON.stringify(act);
/** A busy machine, or a sanitizer. */
const LATE = 3000;

/** `start(stubborn, options)`: a child that says when it is ready, and holds fd 1 of the parent. */
const START = `
  async function start(stubborn, options = {}) {
    const words = stubborn ? ["ignore", "15"] : ["on", "15", "polite "];
    const child = spawn(${ACT}, [...words, "say", "2", "ready", "pause"], { stdin: "ignore", stdout: "inherit", ...options });
    const alive = setInterval(() => {}, 1000);
    await child.stderr.lines().next();
    clearInterval(alive);
    return child;
  }
  const began = () => {
    const start = performance.now();
    // After brood's own listener.
    process.on("exit", () => console.log("waited", performance.now() - start));
  };
`;

function waited(stdout: string): number {
  return Number(/waited ([\d.]+)/.exec(stdout)?.[1]);
}

const ends: Record<string, [code: string, status: number]> = {
  "process.exit": ["process.exit(3);", 3],
  "the natural end": ["children.forEach((child) => child.unref()); process.exitCode = 3;", 3],
  "an uncaught exception": ["throw new Error('x');", 1],
  "an unhandled rejection": ["Promise.reject(new Error('x'));", 1],
};

for (const [name, [code, status]] of Object.entries(ends)) {
  test(`${name}: a child that ignores the signal is killed after forceKillAfterDelay, while the exit waits`, async () => {
    const result = await runNode(`${START} const children = [await start(true, { forceKillAfterDelay: 500 })];
      console.log("pid", children[0].pid); began(); ${code}`);
    assert.equal(result.code, status, result.stderr);
    const took = waited(result.stdout);
    assert.ok(took >= 480 && took < 500 + LATE, result.stdout);
    await ended(Number(/pid (\d+)/.exec(result.stdout)?.[1]));
  });

  test(`${name}: a child that complies costs no waiting`, async () => {
    const result = await runNode(`${START} const children = [await start(false, { forceKillAfterDelay: 60_000 })];
      began(); ${code}`);
    assert.equal(result.code, status, result.stderr);
    assert.match(result.stdout, /polite/);
    assert.ok(waited(result.stdout) < LATE, result.stdout);
  });
}

test("the waits of many children run at the same time, each with its own bound", async () => {
  const result = await runNode(`${START}
    const children = [];
    for (const delay of [900, 300, 600]) children.push(await start(true, { forceKillAfterDelay: delay }));
    children.push(await start(false, { forceKillAfterDelay: 60_000 }));
    began(); process.exit(0);`);
  const took = waited(result.stdout);
  assert.ok(took >= 880 && took < 1500 + LATE, result.stdout);
});

test("forceKillAfterDelay: false waits for nobody; cleanup: false touches nobody", async () => {
  for (const options of ["{ forceKillAfterDelay: false }", "{ cleanup: false }"]) {
    const { stdout } = await runNode(`${START} const child = await start(true, { ...${options}, stdout: "ignore" });
      console.log("pid", child.pid); began(); process.exit(0);`);
    assert.ok(waited(stdout) < LATE);
    const pid = Number(/pid (\d+)/.exec(stdout)?.[1]);
    assert.ok(stateOf(pid) !== undefined);
    process.kill(pid, "SIGKILL");
    await ended(pid);
  }
});

test("a child that is being terminated already gets no second signal, and no second grace", async () => {
  // Its second SIGTERM would kill it.
  const script =
    'trap "trap - TERM; echo polite; sleep 0.4; echo cleaned; exit" TERM; echo ready >&2; while :; do sleep 0.05; done';
  const code = `${START}
    const child = spawn("sh", ["-c", ${JSON.stringify(script)}], { stdin: "ignore", stdout: "inherit" });
    await child.stderr.lines().next();
    child.terminate(); process.exit(0);`;
  assert.match((await runNode(code)).stdout, /polite\ncleaned/);
  const result = await runNode(`${START} const child = await start(true, { forceKillAfterDelay: 1500 });
    child.terminate(); setTimeout(() => { began(); process.exit(0); }, 1000);`);
  assert.ok(waited(result.stdout) < 1400, result.stdout);
});

test("a signal of the user's own is not the clean-up's", async () => {
  const result = await runNode(`${START} const child = await start(true, { forceKillAfterDelay: 500 });
    child.kill("SIGTERM"); began(); process.exit(0);`);
  assert.ok(waited(result.stdout) >= 480, result.stdout);
});

const WORKER = `
  import { Worker } from "node:worker_threads";
  import { readFileSync } from "node:fs";
  const state = (pid) => { try { return readFileSync("/proc/" + pid + "/stat", "latin1").split(") ")[1][0]; } catch { return "gone"; } };
  async function work(code) {
    const source = ${JSON.stringify(`import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))}; import { parentPort } from "node:worker_threads"; ${START}`)};
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(source + code)));
    const pid = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    return { worker, pid };
  }
`;
const STUBBORN = (delay: number): string =>
  JSON.stringify(`const child = await start(true, { forceKillAfterDelay: ${delay}, stdout: "ignore" });
    parentPort.postMessage(child.pid); setInterval(() => {}, 1000);`);

test("worker.terminate(): SIGKILL after the delay, in the background; no zombie is left", async () => {
  const { stdout, stderr } = await runNode(`${WORKER}
    const { worker, pid } = await work(${STUBBORN(700)});
    const start = performance.now();
    await worker.terminate();
    const alive = state(pid);
    while (state(pid) !== "gone") await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(alive !== "gone" && alive !== "Z", performance.now() - start);`);
  const [alive, took] = stdout.trim().split(" ");
  assert.equal(alive, "true", stderr);
  assert.ok(Number(took) >= 680 && Number(took) < 700 + LATE, stdout);
});

test("a worker's own process.exit waits for nobody; its children end in the background", async () => {
  const code = JSON.stringify(`const child = await start(true, { forceKillAfterDelay: 1500, stdout: "ignore" });
    parentPort.postMessage(child.pid); parentPort.once("message", () => process.exit());`);
  const { stdout, stderr } = await runNode(`${WORKER}
    const { worker, pid } = await work(${code});
    const start = performance.now();
    worker.postMessage("end");
    await new Promise((resolve) => worker.once("exit", resolve));
    const took = performance.now() - start;
    while (state(pid) !== "gone") await new Promise((resolve) => setTimeout(resolve, 5));
    console.log(took, performance.now() - start);`);
  const [exit = 0, all = 0] = stdout.trim().split(" ").map(Number);
  assert.ok(exit < 1400 && all >= 1450 && all < 1500 + LATE, stdout + stderr);
});

test("the process waits for what workers leave behind, live ones and such as have ended", async () => {
  for (const first of ["await worker.terminate();", ""]) {
    const { stdout, stderr, code } = await runNode(`${WORKER}
      const { worker, pid } = await work(${STUBBORN(500)});
      console.log(pid);
      ${first}
      process.exit(5);`);
    assert.equal(code, 5, stderr);
    // What was sent SIGKILL may not have had the CPU yet; what was not would go on for ever.
    await ended(Number(stdout));
  }
});
