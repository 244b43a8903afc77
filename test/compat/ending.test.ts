import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { lineOf, processState } from "../helpers/act.js";
import { closed, importOf, onEachEngine, outcome } from "../helpers/engines.js";
import { runNode } from "../helpers/node.js";

/** Waits for a child's end without a turn of the event loop. */
function becomeZombie({ pid }: ChildProcess): void {
  const pause = new Int32Array(new SharedArrayBuffer(4));
  while (processState(pid as number) !== "Z") Atomics.wait(pause, 0, 0, 1);
}

onEachEngine("a child's output, code and events come as Node has them", async ({ cp, ours }) => {
  const child = cp.spawn("sh", ["-c", "cat; echo err >&2; exit 3"]);
  assert.equal(child.brood !== undefined, ours);
  assert.equal(child.brood?.pid, ours ? child.pid : undefined);
  assert.equal(child instanceof cp.ChildProcess, true);
  assert.equal(child.constructor.name, "ChildProcess");
  assert.deepEqual([child.exitCode, child.signalCode, child.killed, child.spawnfile], [null, null, false, "sh"]);
  assert.deepEqual(child.spawnargs, ["sh", "-c", "cat; echo err >&2; exit 3"]);
  const events: string[] = [];
  for (const name of ["spawn", "exit", "close"]) child.on(name, (...args) => events.push(`${name} ${args.join()}`));
  child.stdout.once("end", () => events.push("end of stdout"));
  child.stdin.end("text");
  const { stdout, stderr } = await outcome(child);
  assert.deepEqual([stdout, stderr, child.exitCode, child.signalCode], ["text", "err\n", 3, null]);
  assert.equal(events[0], "spawn ");
  assert.equal(events.at(-1), "close 3,");
  assert.deepEqual(events.slice(1, -1).sort(), ["end of stdout", "exit 3,"]);
});

onEachEngine("no event comes before the turn of spawn is over", async ({ cp }) => {
  const child = cp.spawn("true", { stdio: "ignore" });
  const events: string[] = [];
  child.on("spawn", () => events.push("spawn"));
  child.on("exit", () => events.push("exit"));
  events.push("sync");
  process.nextTick(() => events.push("tick"));
  await closed(child);
  assert.deepEqual(events, ["sync", "spawn", "tick", "exit"]);
});

onEachEngine("a signal's end has its name, and no code", async ({ cp }) => {
  const child = cp.spawn("sleep", ["30"], { stdio: "ignore" });
  assert.equal(child.kill(0), true);
  assert.equal(child.killed, true, "as Node has it");
  assert.equal(child.kill("SIGUSR1"), true);
  assert.deepEqual(await closed(child), { code: null, signal: "SIGUSR1" });
  assert.deepEqual([child.exitCode, child.signalCode], [null, "SIGUSR1"]);
  assert.equal(child.kill(), false, "there is none any more");
});

onEachEngine("kill takes names and numbers of signals, and no others", async ({ cp }) => {
  const child = cp.spawn("sleep", ["30"], { stdio: "ignore" });
  assert.throws(() => child.kill("SIGNONE" as NodeJS.Signals), { code: "ERR_UNKNOWN_SIGNAL" });
  assert.throws(() => child.kill(1000), { code: "ERR_UNKNOWN_SIGNAL" });
  assert.equal(child.killed, false);
  assert.equal(child.kill(9), true);
  assert.deepEqual(await closed(child), { code: null, signal: "SIGKILL" });
});

onEachEngine("kill of one that has ended and not been heard of is as kill(2) has it", async ({ cp }) => {
  const child = cp.spawn("sh", ["-c", "echo x"], { stdio: ["ignore", "pipe", "inherit"] });
  becomeZombie(child);
  assert.equal(child.kill(), true);
  child.stdout.resume();
  assert.equal((await closed(child)).code, 0);
});

onEachEngine("exit comes before close where others hold the output", async ({ cp }) => {
  const child = cp.spawn("sh", ["-c", "(read line <&3; echo late) & exit 4"], { stdio: ["ignore", "pipe", "pipe", "pipe"] });
  const events: string[] = [];
  let output = "";
  child.stdout?.on("data", (data) => {
    output += data;
  });
  child.stderr?.resume();
  child.on("close", () => events.push("close"));
  const [code] = await once(child, "exit");
  events.push("exit");
  assert.equal(output, "");
  (child.stdio[3] as NodeJS.WritableStream).end("go\n");
  await once(child, "close");
  assert.deepEqual([code, output, events], [4, "late\n", ["exit", "close"]]);
});

onEachEngine("what a child wrote before its end is there when exit is told, however busy we were", async ({ cp }) => {
  const children = Array.from({ length: 20 }, (_, i) =>
    cp.spawn("sh", ["-c", `echo ${i}`], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const got = children.map(() => "");
  const atExit: string[] = [];
  children.forEach((child, i) => {
    child.stdout.on("data", (data) => {
      got[i] += data;
    });
    child.on("exit", () => atExit.push(`${i} ${got[i]}`));
  });
  // All of them end while we don't look.
  children.forEach(becomeZombie);
  await Promise.all(children.map(closed));
  assert.deepEqual(atExit.sort(), children.map((_, i) => `${i} ${i}\n`).sort());
});

onEachEngine("an exception of a listener is an uncaughtException, and others are told all the same", async ({ engine }) => {
  const result = await runNode(`${importOf(engine)}
    process.on("uncaughtException", (error, origin) => console.log(error.message, origin));
    for (const name of ["first", "second"]) {
      const child = cp.spawn("true", { stdio: "ignore" });
      child.on("exit", () => { throw new Error(name); });
    }
    cp.spawn("true", { stdio: "ignore" }).on("exit", () => console.log("third uncaughtException"));
  `);
  assert.deepEqual(
    result.stdout.trim().split("\n").sort(),
    ["first", "second", "third"].map((name) => `${name} uncaughtException`),
  );
});

onEachEngine("an unref'ed child does not hold the event loop, a ref'ed one does", async ({ engine }) => {
  const script = (calls: string) => `${importOf(engine)}
    const child = cp.spawn("sh", ["-c", "read line"], { stdio: ["pipe", "ignore", "ignore"] });
    child.stdin.unref();
    ${calls}
    child.on("exit", () => console.log("exit"));
    process.on("exit", () => console.log("left"));
    const timer = setTimeout(() => child.stdin.end("x"), 50).unref();
  `;
  assert.equal((await runNode(script("child.unref();"))).stdout, "left\n");
  assert.equal((await runNode(script("child.unref(); child.ref();"))).stdout, "exit\nleft\n");
});

onEachEngine("two hundred children at once all come to their end", async ({ cp }) => {
  const children = Array.from({ length: 200 }, (_, i) =>
    cp.spawn("sh", ["-c", `echo ${i}; exit ${i % 7}`], { stdio: ["ignore", "pipe", "inherit"] }),
  );
  const ends = await Promise.all(children.map(outcome));
  assert.deepEqual(
    ends.map(({ stdout, code }) => [stdout, code]),
    children.map((_, i) => [`${i}\n`, i % 7]),
  );
});

onEachEngine("a child stops and continues, and no event tells", async ({ cp }) => {
  const child = cp.spawn("sh", ["-c", "echo up; read line; exit 5"], { stdio: ["pipe", "pipe", "inherit"] });
  assert.equal(await lineOf(child.stdout), "up");
  child.kill("SIGSTOP");
  child.kill("SIGCONT");
  child.stdin.end("x\n");
  child.stdout.resume();
  assert.deepEqual(await closed(child), { code: 5, signal: null });
});

onEachEngine("disposing of a child sends SIGTERM", async ({ cp }) => {
  const child = cp.spawn("sleep", ["30"], { stdio: "ignore" });
  const end = closed(child);
  (child as unknown as { [Symbol.dispose](): void })[Symbol.dispose]();
  assert.deepEqual(await end, { code: null, signal: "SIGTERM" });
});
