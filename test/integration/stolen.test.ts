/**
 * Somebody else in the process takes the status of a child of ours (waitpid(-1)), or the kernel never keeps it
 * (SIGCHLD ignored).
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

interface Stolen {
  kind: string;
  code?: number;
  signal?: string;
  cause?: string;
  usage: unknown;
}

/** Lets a child end and has its status stolen before brood can look. */
function steal(script: string, more = ""): Promise<{ exit: Stolen; text: string; late: string; kill: boolean }> {
  return inNode(`
    const child = spawn("sh", ["-c", ${JSON.stringify(script)}]);
    ${more}
    child.stdin.end();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    const kill = child.kill(0);
    const exit = await child.closed;
    const text = await child.stdout.text();
    const late = await child.wait({ stopped: true }).catch((error) => error.code);
    done({ exit, text, late, kill });
  `);
}

test("15, L14: exited and closed settle though the status was stolen; the output is complete", async () => {
  const { exit, text, late, kill } = await steal("cat; echo out; exit 5");
  // From Linux 6.15 on the kernel tells the status all the same.
  if (exit.kind === "unknown") assert.equal(exit.cause, "stolen");
  else assert.deepEqual([exit.kind, exit.code], ["exited", 5]);
  assert.equal(exit.usage, null);
  assert.equal(text, "out\n");
  assert.equal(late, "ERR_EXIT");
  assert.equal(kill, false);
});

test("15: the same for a child that a signal ended, with waits pending", async () => {
  const { exit } = await steal(
    "cat; kill -KILL $$",
    "child.wait({ stopped: true, exited: true }).catch(() => {}); child.wait({ exited: true });",
  );
  if (exit.kind === "unknown") assert.equal(exit.cause, "stolen");
  else assert.deepEqual([exit.kind, exit.signal], ["killed", "SIGKILL"]);
});

test("15: run() of a command whose status can't be known is not taken for a success", async () => {
  const { reason } = await inNode<{ reason: string }>(`
    const child = spawn("sh", ["-c", "cat; exit 1"]);
    child.stdin.end();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    const error = await child.check().catch((error) => error);
    await child.closed;
    done({ reason: error.reason });
  `);
  assert.ok(reason === "unknown" || reason === "exit", reason);
});

const RUNGS = ["clone3", "clone", "vfork", "fork"];

/** What is known of an end that nobody could wait for: the truth, or that it is not known, and why. */
function assertEnd(exit: Stolen, cause: string, kind: string, value: unknown): void {
  if (exit.kind === "unknown") assert.equal(exit.cause, cause);
  else assert.deepEqual([exit.kind, exit.code ?? exit.signal], [kind, value]);
  assert.equal(exit.usage, null);
}

for (const rung of RUNGS) {
  test(`15: on rung ${rung} a stolen status, with stops watched: waits settle, nothing hangs or is left behind`, async () => {
    const { exits, fds, late } = await inNode<{ exits: Stolen[]; fds: number; late: string }>(
      `const thief = ${JSON.stringify(childPath("thief"))};
       await run("true");
       const linkOf = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
       const pidfds = () => fs.readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).includes("pidfd")).length;
       const child = spawn("sh", ["-c", "cat; exit 7"], { processGroup: "new" });
       const waits = [child.wait({ exited: true }), child.wait(), child.exited, child.closed];
       const stop = child.wait({ stopped: true }).catch((error) => error.code);
       child.stdin.end();
       process.dlopen({ exports: {} }, thief);
       const exits = await Promise.all(waits);
       const late = await stop;
       if (child.kill(0)) throw new Error("alive");
       while (pidfds() > 0) await new Promise(setImmediate);
       done({ exits, fds: pidfds(), late });`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.equal(exits.length, 4);
    for (const exit of exits) assertEnd(exit, "stolen", "exited", 7);
    assert.deepEqual([fds, late], [0, "ERR_EXIT"]);
  });

  test(`16: on rung ${rung} with SIGCHLD ignored: ends are told or unknown, a failed exec is still its own error`, async () => {
    const { exits, errors, text } = await inNode<{ exits: Stolen[]; errors: string[]; text: string }>(
      `self.ignoreSignal(17, 1);
       const one = spawn("sh", ["-c", "echo out; exit 5"]);
       const two = spawn("sleep", ["1000"], { stdio: "ignore" });
       const stopped = two.wait({ stopped: true });
       two.kill("SIGSTOP");
       await stopped;
       two.kill("SIGKILL");
       const text = await one.stdout.text();
       const errors = [];
       for (const options of [{}, { cwd: "/nonexistent" }]) {
         try { spawn("/nonexistent", [], options); } catch (error) { errors.push(error.code + " " + error.stage); }
       }
       done({ exits: [await one.closed, await two.closed], errors, text });`,
      { env: { BROOD_CLONE: rung } },
    );
    assertEnd(exits[0] as Stolen, "ignored", "exited", 5);
    assertEnd(exits[1] as Stolen, "ignored", "killed", "SIGKILL");
    assert.deepEqual(errors, ["ENOENT exec", "ENOENT chdir"]);
    assert.equal(text, "out\n");
  });
}

test("16: a node that was started with SIGCHLD ignored loses no status", async () => {
  const { code, usage } = await inNode<{ code: number; usage: boolean }>(
    `const exit = await spawn("sh", ["-c", "exit 5"], { stdio: "ignore" }).closed;
     done({ code: exit.code, usage: exit.usage !== null });`,
    { wrapper: ["sh", "-c", 'trap "" CHLD; exec "$@"', "sh"] },
  );
  assert.deepEqual([code, usage], [5, true]);
});

for (const [name, more] of Object.entries({
  // Both: the thief takes whichever is a zombie first.
  stolen: `for (let i = 0; i < 2; i++) process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});`,
  ignored: "",
})) {
  test(`15, 16: a child of a spawn host that ends before its answer is read, its status ${name}, is a child all the same`, async () => {
    const { exits, error } = await inNode<{ exits: Stolen[]; error: string }>(
      `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
       const host = await SpawnHost.start();
       const [end, held] = posix.cloexecPipe();
       if (${name === "ignored"}) self.ignoreSignal(17, 1);
       const starting = host.spawn("sh", ["-c", "exit 5"], { stdin: "ignore", stdout: "ignore", stderr: "ignore", fds: { 3: held } });
       const failing = host.spawn("sh", [], { cwd: "/nonexistent", fds: { 3: held } }).catch((error) => error.code + " " + error.stage);
       posix.close(held);
       // In this turn nobody hears of them: until both have ended.
       fs.readSync(end, Buffer.alloc(1));
       posix.close(end);
       ${more}
       const child = await starting;
       const error = await failing;
       const exits = [await child.closed, await child.exited];
       await host[Symbol.asyncDispose]();
       done({ exits, error });`,
    );
    for (const exit of exits) assertEnd(exit, name, "exited", 5);
    assert.equal(error, "ENOENT chdir");
  });
}

for (const through of ["spawn", "spawnAsync", "a relay"]) {
  test(`16: with SIGCHLD ignored a keeper, and a relay, misses no end: ${through}`, async () => {
    const exits = await inNode<string[]>(
      `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
       self.ignoreSignal(17, 1);
       const relay = ${through === "a relay"};
       const host = await SpawnHost.start({ relay });
       const start = ${through === "spawn"} ? spawn : (...call) => host.spawn(...call);
       const exits = new Set();
       for (let i = 0; i < 60; i++) {
         // It has ended before its keeper has been executed, as often as not.
         const child = await start(childPath("nothing"), [], { stdio: "ignore", contain: relay && i < 30 ? false : "keeper" });
         const exit = await child.closed;
         exits.add(exit.kind + " " + exit.code);
       }
       const ignored = await start("grep", ["SigIgn", "/proc/self/status"], { stderr: "ignore" });
       const [text] = await Promise.all([ignored.stdout.text(), ignored.closed]);
       exits.add("ignores it: " + (BigInt("0x" + text.split(/\\s+/)[1]) >> 16n & 1n));
       await host[Symbol.asyncDispose]();
       done([...exits]);`,
    );
    assert.deepEqual(exits, ["exited 0", "ignores it: 1"]);
  });
}

test("15: in a worker a thief of the main thread steals: that worker's children settle, too", async () => {
  const exits = await inNode<Stolen[]>(`
    import { Worker } from "node:worker_threads";
    const worker = new Worker(new URL("data:text/javascript," + encodeURIComponent(\`
      import { parentPort } from "node:worker_threads";
      import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
      const child = spawn("sh", ["-c", "read _; exit 4"]);
      const waits = [child.exited, child.wait(), child.closed];
      parentPort.once("message", async () => {
        child.stdin.end();
        // The worker does not look while the thief waits.
        parentPort.postMessage("ending");
        const until = Date.now() + 200;
        while (Date.now() < until);
        parentPort.postMessage(await Promise.all(waits));
      });
      parentPort.postMessage("ready");\`)));
    const message = () => new Promise((resolve) => worker.once("message", resolve));
    await message();
    const ending = message();
    worker.postMessage("go");
    await ending;
    const exits = message();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    done(await exits);`);
  assert.equal(exits.length, 3);
  for (const exit of exits) assertEnd(exit, "stolen", "exited", 4);
});
