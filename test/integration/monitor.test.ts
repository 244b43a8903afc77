/**
 * Monitor: children that something else started, processes that aren't ours.
 */

import assert from "node:assert/strict";
import { spawn as nodeSpawn } from "node:child_process";
import { once } from "node:events";
import type { Readable, Writable } from "node:stream";
import { inspect } from "node:util";
import * as workers from "node:worker_threads";
import { AbortError, ExitError, Monitor, type WatchedProcess } from "brood";
import { act, lineOf, processState } from "../helpers/act.js";
import { posix } from "../helpers/fork.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { childrenOf, ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

/** A child that nobody in this process waits for. */
function fork(...script: string[]): posix.ForkedChild {
  return posix.forkExec(["act", ...script], [act], { closeFds: true });
}

async function inState(pid: number, letter: string): Promise<void> {
  while (processState(pid) !== letter) await new Promise(setImmediate);
}

/** A grandchild, that its parent reaps when it is told to. */
interface Grandchild {
  pid: number;
  go: () => void;
  reap: () => Promise<unknown>;
}

/** Starts one that ends like that. */
async function grandchild(...end: string[]): Promise<Grandchild> {
  const args = ["fork", "say", "1", "ready", "read", ...end, ";", "count", "3", "reap"];
  const parent = nodeSpawn(act, args, { stdio: ["pipe", "pipe", "inherit", "pipe"] });
  await lineOf(parent.stdout as Readable);
  const [pid] = childrenOf(parent.pid as number);
  const reap = (): Promise<unknown> => {
    (parent.stdio[3] as Writable).destroy();
    return once(parent, "exit");
  };
  return { pid: pid as number, go: () => parent.stdin?.end("\n"), reap };
}

test("an adopted child has states, usage, check and output like any other", async () => {
  const raw = fork("exit", "3");
  const child = Monitor.default.add({ pidfd: raw.pidfd });
  posix.close(raw.pidfd);
  assert.deepEqual([child.pid, child.stdin, child.stdout, child.stderr], [raw.pid, null, null, null]);
  await assert.rejects(child.check(), (error) => error instanceof ExitError && error.exit === child.exit);
  const exit = await child.closed;
  assert.deepEqual([exit.kind === "exited" && exit.code, exit.usage !== null], [3, true]);
  assert.deepEqual(Monitor.default.children, []);
});

test("a child that is a zombie already is adopted, and told at once", async () => {
  const raw = fork("exit", "4");
  posix.close(raw.pidfd);
  await inState(raw.pid, "Z");
  const exit = await Monitor.default.add(raw.pid).exited;
  assert.equal(exit.kind === "exited" && exit.code, 4);
  assert.equal(processState(raw.pid), undefined);
});

test("adopting twice is refused; after the end the number means nobody", async () => {
  const raw = fork("pause");
  const child = Monitor.default.add(raw.pid, { killSignal: "SIGKILL" });
  assert.throws(() => Monitor.default.add(raw.pid), { code: "EBUSY", message: /watched as a child already/ });
  assert.throws(() => Monitor.default.add({ pidfd: raw.pidfd }), { code: "EBUSY" });
  await child.terminate();
  await child.closed;
  assert.throws(() => Monitor.default.add(raw.pid), { code: "ESRCH", message: /no such process \(ESRCH\)$/ });
  assert.throws(() => Monitor.default.add({ pidfd: raw.pidfd }), { code: "ESRCH" });
  assert.throws(() => Monitor.default.watch({ pidfd: raw.pidfd }), { code: "ESRCH" });
  posix.close(raw.pidfd);
});

test("signal and timeout end an adopted child; one that has aborted already adopts nothing", async () => {
  const raw = fork("pause");
  posix.close(raw.pidfd);
  assert.throws(() => Monitor.default.add(raw.pid, { signal: AbortSignal.abort("no") }), AbortError);
  const controller = new AbortController();
  const child = Monitor.default.add(raw.pid, { signal: controller.signal });
  controller.abort();
  const exit = await child.closed;
  assert.deepEqual([exit.kind === "killed" && exit.signal, child.reason], ["SIGTERM", "aborted"]);
  const other = fork("pause");
  posix.close(other.pidfd);
  const timed = Monitor.default.add(other.pid, { timeout: 10 });
  await timed.closed;
  assert.equal(timed.reason, "timeout");
});

test("a thread's number is refused: it is no process", async () => {
  const { code, message } = await inNode<{ code: string; message: string }>(
    `const thread = fs.readdirSync("/proc/self/task").map(Number).find((id) => id !== process.pid);
     try { brood.Monitor.default.watch(thread); } catch ({ code, message }) { done({ code, message }); }`,
  );
  assert.equal(code, "ESRCH");
  assert.match(message, /a thread, not a process/);
});

test("as pid 1 an orphan is adopted", async () => {
  const result = await inNode<object>(
    `const child = spawn("sh", ["-c", "(read _; exit 9) <&3 & echo $!"], { fds: { 3: { pipe: "w" } } });
     const orphan = Number((await child.stdout.lines().next()).value);
     await child.exited;
     const adopted = brood.Monitor.default.add(orphan);
     child.fds.get(3).end();
     done({ code: (await adopted.exited).code, left: fs.existsSync("/proc/" + orphan) });`,
    { wrapper: ["unshare", "-pf", "--mount-proc"] },
  );
  assert.deepEqual(result, { code: 9, left: false });
});

test("adopted children end with the process, like spawned ones; without cleanup they live on", async () => {
  const result = await runNode(`
    import { forkExec } from ${JSON.stringify(import.meta.resolve("brood/posix"))};
    const fork = () => forkExec(["sleep", "1000"], ["/bin/sleep"], { stdin: "ignore", stdout: "ignore", stderr: "ignore" }).pid;
    const pids = [fork(), fork()];
    brood.Monitor.default.add(pids[0]).unref();
    brood.Monitor.default.add(pids[1], { cleanup: false }).unref();
    console.log(...pids);`);
  assert.deepEqual([result.code, result.stderr], [0, ""]);
  const [first, second] = result.stdout.split(" ").map(Number) as [number, number];
  await ended(first);
  assert.ok(["S", "R"].includes(processState(second) as string));
  process.kill(second, "SIGKILL");
});

for (const [how, what, kind, value] of [
  ["exit", "6", "exited", 6],
  ["raise", "12", "killed", "SIGUSR2"],
] as const) {
  test(`a process that isn't ours: "${how} ${what}" is seen while its parent has yet to reap it`, async () => {
    const { pid, go, reap } = await grandchild(how, what);
    try {
      const { exited } = Monitor.default.watch(pid);
      go();
      const exit = await exited;
      assert.equal(processState(pid), "Z");
      assert.deepEqual([exit.kind, exit.kind === "exited" ? exit.code : exit.kind === "killed" && exit.signal], [kind, value]);
      assert.deepEqual([exit.usage, exit.uid], [null, null]);
    } finally {
      await reap();
    }
  });
}

for (const reaps of [true, false]) {
  const told = reaps ? "told when its parent reaps it" : "unknown soon, never a success";
  test(`a process of another user, whose zombie's status is not shown to us: its end is ${told}`, async () => {
    // The parent waits, or doesn't; the watcher is nobody.
    const script = `${act} read exit 6 <&3 3<&- & echo $!; exec 3<&-; ${reaps ? "wait" : "read _"}`;
    const parent = nodeSpawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit", "pipe"] });
    const pid = Number(await lineOf(parent.stdout));
    const code = `import { Monitor } from ${JSON.stringify(import.meta.resolve("brood"))};
      const watched = Monitor.default.watch(${pid});
      console.log("ready");
      console.log(JSON.stringify(await watched.exited));`;
    const nobody = { uid: 65534, gid: 65534, groups: [], stderr: "inherit", stdin: "ignore" } as const;
    const watcher = await launch(process.execPath, ["--input-type=module", "-e", code], nobody);
    const lines = watcher.stdout.lines();
    assert.equal((await lines.next()).value, "ready");
    (parent.stdio[3] as NodeJS.WritableStream).end();
    const exit = JSON.parse((await lines.next()).value as string);
    // Before Linux 6.15 it is not kept for us.
    if (exit.kind === "unknown") assert.equal(exit.cause, "foreign");
    else assert.deepEqual([exit.kind, exit.code, reaps], ["exited", 6, true]);
    await watcher.closed;
    parent.stdin?.end();
    if (parent.exitCode === null) await once(parent, "exit");
  });
}

test("a spawned child may be watched besides: both are told the same", async () => {
  const child = await launch(act, ["exit", "5"]);
  const watched = [Monitor.default.watch(child.pid), Monitor.default.watch(child.pid)];
  for (const state of [await child.exited, ...(await Promise.all(watched.map((one) => one.exited)))]) {
    assert.equal(state.kind === "exited" && state.code, 5);
  }
  await child.closed;
});

test("kill() of a watched process: true while it lives, EPERM is thrown, false after the end", async () => {
  const child = nodeSpawn(act, ["pause"], { stdio: "ignore" });
  const watched = Monitor.default.watch(child.pid as number);
  assert.equal(watched.kill(0), true);
  assert.throws(() => watched.kill("SIGNOPE"), { code: "ERR_UNKNOWN_SIGNAL" });
  assert.equal(watched.kill(), true);
  const exit = await watched.exited;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGTERM");
  assert.equal(watched.kill(), false);
  assert.match(inspect(watched), /^WatchedProcess \{ pid \d+, was killed by SIGTERM \}$/);
  assert.deepEqual(JSON.parse(JSON.stringify(watched)), { pid: child.pid, exit });
  const refused = await runNode(
    `try { brood.Monitor.default.watch(${process.pid}).kill("SIGKILL"); } catch ({ code, message }) { console.log(code, message); } process.exit();`,
    { wrapper: ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"] },
  );
  assert.equal(refused.stdout, `EPERM cannot send SIGKILL to process ${process.pid}: operation not permitted\n`);
});

test("disposing ends the watch and touches nobody; a monitor is a scope for all of its", async () => {
  const child = await launch(act, ["pause"]);
  const raw = fork("pause");
  posix.close(raw.pidfd);
  const monitor = new Monitor();
  const watched: WatchedProcess = monitor.watch(child.pid);
  const adopted = monitor.add(raw.pid);
  assert.deepEqual([monitor.watched, monitor.children], [[watched], [adopted]]);
  await monitor[Symbol.asyncDispose]();
  assert.deepEqual([monitor.watched, monitor.children, watched.kill(0)], [[], [], false]);
  assert.equal(adopted.exit?.kind, "killed");
  assert.equal(child.kill(0), true);
  for (const call of [() => monitor.add(1), () => monitor.watch(1)]) assert.throws(call, { code: "ERR_INVALID_STATE" });
  await monitor[Symbol.asyncDispose]();
  child.kill();
  await child.closed;

  const other = fork("pause");
  posix.close(other.pidfd);
  const exited = (() => {
    using short = new Monitor();
    return short.add(other.pid).exited;
  })();
  const alive = setInterval(() => {}, 1000);
  const exit = await exited;
  clearInterval(alive);
  assert.equal(exit.kind === "killed" && exit.signal, "SIGKILL");
});

test("a watched process holds the event loop until it has ended, unless unref'ed", async () => {
  const held = await runNode(`
    const child = spawn("sleep", ["0.2"], { stdio: "ignore" }).unref();
    brood.Monitor.default.watch(child.pid).exited.then(() => console.log("seen"));`);
  assert.equal(held.stdout, "seen\n");
  const free = await runNode(`
    brood.Monitor.default.watch(process.ppid).unref().ref().unref();
    console.log("over");`);
  assert.deepEqual([free.stdout, free.code], ["over\n", 0]);
});

test("workers that are terminated leave adopted children signalled and reaped, and forget what they watched", async () => {
  const { stdout, stderr } = await runNode(`
    import { Worker } from "node:worker_threads";
    import { readdirSync, readFileSync } from "node:fs";
    const children = () => readdirSync("/proc/self/task").flatMap((thread) => {
      try { return readFileSync("/proc/self/task/" + thread + "/children", "utf8").split(" ").filter(Boolean); } catch { return []; }
    });
    const fds = () => readdirSync("/proc/self/fd").length;
    const source = "data:text/javascript," + encodeURIComponent(\`
      import { parentPort } from "node:worker_threads";
      import { Monitor, spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
      import { close, forkExec } from ${JSON.stringify(import.meta.resolve("brood/posix"))};
      for (let i = 0; i < 5; i++) {
        const { pid, pidfd } = forkExec(["sleep", "1000"], ["/bin/sleep"]);
        close(pidfd);
        Monitor.default.add(pid).wait({ stopped: true }).catch(() => {});
        Monitor.default.watch(process.ppid);
        Monitor.default.watch(spawn("sleep", ["1000"], { stdio: "ignore" }).pid);
      }
      parentPort.postMessage("ready");\`);
    async function round() {
      const workers = [1, 2, 3].map(() => new Worker(new URL(source)));
      await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once("message", resolve))));
      const alive = children().length;
      await Promise.all(workers.map((worker) => worker.terminate()));
      while (children().length > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      return alive;
    }
    console.log(await round());
    const before = fds();
    console.log(await round());
    while (fds() > before) await new Promise((resolve) => setTimeout(resolve, 5));
    console.log("well");`);
  assert.deepEqual([stdout, stderr], ["30\n30\nwell\n", ""]);
});

test("a monitor can't be cloned, as soon as Node can be told so", () => {
  const monitor = new Monitor();
  if ("markAsUncloneable" in workers) assert.throws(() => structuredClone(monitor), { name: "DataCloneError" });
  else assert.deepEqual(structuredClone(monitor), {});
  monitor[Symbol.dispose]();
});
