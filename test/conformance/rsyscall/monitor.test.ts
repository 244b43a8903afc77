/**
 * The monitor: what it takes over and what it refuses, what its failure means, and whose it is.
 */

import assert from "node:assert/strict";
import { Monitor } from "brood";
import { inFaultyNode } from "../../fault/faulty-node.js";
import { act, processState } from "../../helpers/act.js";
import { posix } from "../../helpers/fork.js";
import { launch } from "../../helpers/launch.js";
import { runNode } from "../../helpers/node.js";
import { childrenOf } from "../../helpers/processes.js";
import { test } from "../../helpers/test.js";

test("R10: a child that something else started is adopted: waits, signals, check, scope", async () => {
  const raw = posix.forkExec(["act", "raise", "19", "pause"], [act], { closeFds: true });
  posix.close(raw.pidfd);
  {
    await using monitor = new Monitor();
    const child = monitor.add(raw.pid, { forceKillAfterDelay: 1000 });
    assert.deepEqual([child.pid, child.command, child.args], [raw.pid, "act", ["raise", "19", "pause"]]);
    assert.equal((await child.wait({ stopped: true })).kind, "stopped");
    assert.equal(child.kill("SIGCONT"), true);
    assert.equal((await child.wait({ continued: true })).kind, "continued");
  }
  assert.equal(processState(raw.pid), undefined);
});

test("R10: what is not our child is refused, by parenthood, not by number", async () => {
  const child = await launch(act, ["fork", "say", "1", "x", "pause", ";", "pause"], { processGroup: "new" });
  await new Promise((resolve) => child.stdout.once("readable", resolve));
  const [grandchild] = childrenOf(child.pid);
  for (const [pid, code] of [
    [process.ppid, "ECHILD"],
    [grandchild as number, "ECHILD"],
    [process.pid, "ECHILD"],
    [child.pid, "EBUSY"],
    [0x3ffffe, "ESRCH"],
  ] as const) {
    assert.throws(() => Monitor.default.add(pid), { code, message: new RegExp(`process ${pid}: .*\\(${code}\\)$`) });
  }
  assert.equal(child.kill(0), true);
  child.killGroup("SIGKILL");
  await child.closed;
  child[Symbol.dispose]();
});

test("R10: a process that is not our child is watched: its end is seen, its parent reaps it as ever", async () => {
  const child = await launch("sh", ["-c", `${act} read exit 6 <&3 3<&- & echo $!; exec 3<&-; wait $!; echo "reaped $?"`], {
    fds: { 3: { pipe: "w" } },
  });
  const lines = child.stdout.lines();
  const pid = Number((await lines.next()).value);
  const watched = Monitor.default.watch(pid);
  assert.equal(watched.kill(0), true);
  (child.fds.get(3) as NodeJS.WritableStream).end();
  const exit = await watched.exited;
  assert.deepEqual([exit.kind, exit.kind === "exited" && exit.code, exit.pid], ["exited", 6, pid]);
  assert.equal((await lines.next()).value, "reaped 6");
  assert.equal(watched.kill(), false);
  await child.closed;
});

test("R14: the watch fails: each wait fails, the present and the later ones, and exited settles", async () => {
  const result = await inFaultyNode<unknown>(
    `const child = spawn("sleep", ["1000"]);
     process.on("warning", () => {});
     const came = (promise) => promise.then((state) => state.kind + " " + state.cause, (error) => error.code);
     const present = [child.wait(), child.wait({ stopped: true }), child.exited, child.closed, child.check()].map(came);
     const first = spawn("cat");
     fail("epoll_wait", "EINVAL");
     first.stdin.end();
     const later = Promise.all(present).then(() => Promise.all([child.wait(), child.wait({ continued: true }), child.exited].map(came)));
     done([await Promise.all(present), await later]);`,
    undefined,
    { nodeArgs: ["--no-warnings"] },
  );
  assert.deepEqual(result, [
    ["EINVAL", "EINVAL", "unknown unwatched", "unknown unwatched", "ERR_EXIT"],
    ["EINVAL", "EINVAL", "unknown unwatched"],
  ]);
});

test("R15: each thread has a watch of its own, and sees its own children's ends", async () => {
  const result = await runNode(`
    import { Worker } from "node:worker_threads";
    const source = "data:text/javascript," + encodeURIComponent(\`
      import { parentPort } from "node:worker_threads";
      import { Monitor, spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
      const children = Array.from({ length: 10 }, (_, i) => spawn("sh", ["-c", "read _; exit " + i]));
      parentPort.postMessage(children.map((child) => child.pid));
      parentPort.once("message", async () => {
        for (const child of children) child.stdin.end();
        const codes = (await Promise.all(children.map((child) => child.wait({ exited: true })))).map((state) => state.code);
        parentPort.postMessage(codes.join(""));
      });\`);
    const workers = [1, 2, 3].map(() => new Worker(new URL(source)));
    const message = (worker) => new Promise((resolve) => worker.once("message", resolve));
    const pids = (await Promise.all(workers.map(message))).flat();
    // Here they are only seen: they are the workers' to reap.
    const watched = pids.map((pid) => brood.Monitor.default.watch(pid));
    const codes = workers.map(message);
    for (const worker of workers) worker.postMessage("go");
    console.log((await Promise.all(codes)).join(" "), (await Promise.all(watched.map((one) => one.exited))).length);
  `);
  assert.deepEqual(result, { code: 0, signal: null, stdout: "0123456789 0123456789 0123456789 30\n", stderr: "" });
});

test("R15: a handle can't be taken to another thread", async () => {
  const child = await launch("true");
  const watched = Monitor.default.watch(process.ppid);
  for (const handle of [child, watched]) {
    assert.throws(() => structuredClone(handle), { name: "DataCloneError" });
  }
  watched[Symbol.dispose]();
  await child.closed;
});
