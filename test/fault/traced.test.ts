/**
 * A child that somebody else traces: when it has ended its pidfd is readable, but only its tracer may wait for it.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { spawn } from "brood";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const LOOKS = 10_000;

test("PITFALL 13: exited settles only when the tracer lets go of the zombie", async () => {
  const child = spawn("cat");
  const tracer = spawn(childPath("tracer"), [String(child.pid)]);
  const says = tracer.stdout.lines();
  assert.equal((await says.next()).value, "seized");
  let settled = false;
  void child.exited.then(() => {
    settled = true;
  });
  child.kill("SIGKILL");
  assert.equal((await says.next()).value, "dead");
  // The loop has seen the pidfd by the time that a later child has come and gone.
  for (let i = 0; i < 5; i++) await spawn("true", [], { stdio: "ignore" }).exited;
  assert.equal(settled, false);
  assert.match(readFileSync(`/proc/${child.pid}/status`, "utf8"), /^State:\tZ/m);
  assert.equal(child.kill("SIGTERM"), false, "a zombie is not signalled");
  tracer.stdin.end();
  const exit = await child.exited;
  assert.deepEqual([exit.kind, exit.kind === "killed" && exit.signal], ["killed", "SIGKILL"]);
  await Promise.all([child.closed, tracer.closed]);
});

/** Looks how the main thread of its parent fares, and prints how often it did not sleep. */
const OBSERVE = `
n=0 i=0
while [ $i -lt ${LOOKS} ]; do
  read -r pid name state rest < /proc/$PPID/stat
  [ "$state" = S ] || n=$((n + 1))
  i=$((i + 1))
done
echo $n`;

test("PITFALL 13: a zombie that a tracer holds lets the loop sleep, though its pidfd is readable", async () => {
  const { awake, kind } = await inNode<{ awake: number; kind: string }>(
    `const child = spawn("cat");
     const tracer = spawn(childPath("tracer"), [String(child.pid)]);
     const says = tracer.stdout.lines();
     await says.next();
     child.kill("SIGKILL");
     await says.next();
     const { stdout } = await run("sh", ["-c", ${JSON.stringify(OBSERVE)}]);
     tracer.stdin.end();
     const exit = await child.exited;
     await tracer.closed;
     done({ awake: Number(stdout), kind: exit.kind });`,
  );
  assert.equal(kind, "killed");
  // A spinning loop never sleeps.
  assert.ok(awake < LOOKS / 2, `awake in ${awake} of ${LOOKS} looks`);
});

test("PITFALL 13: a worker may end while its child is held by a tracer: the process reaps it later", async () => {
  const states = await inNode<string[]>(
    `import { Worker } from "node:worker_threads";
     import { readFileSync } from "node:fs";
     const worker = new Worker(\`
       import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
       import { parentPort } from "node:worker_threads";
       parentPort.once("message", () => process.exit());
       const child = spawn("cat", [], { cleanup: false });
       parentPort.postMessage(child.pid);\`, { eval: true });
     const pid = await new Promise((resolve) => worker.once("message", resolve));
     const tracer = spawn(childPath("tracer"), [String(pid)]);
     const says = tracer.stdout.lines();
     await says.next();
     worker.postMessage("end");
     await new Promise((resolve) => worker.once("exit", resolve));
     process.kill(pid, "SIGKILL");
     await says.next();
     const state = () => { try { return /^State:\\t(.)/m.exec(readFileSync("/proc/" + pid + "/status", "utf8"))[1]; } catch { return "gone"; } };
     const held = state();
     tracer.stdin.end();
     await tracer.closed;
     while (state() !== "gone") await new Promise(setImmediate);
     done([held, state()]);`,
  );
  assert.deepEqual(states, ["Z", "gone"]);
});
