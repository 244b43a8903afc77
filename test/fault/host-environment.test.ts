/**
 * A worker, or a process, that ends in the middle of requests to its spawn host: what they have started, and what nobody has
 * heard of yet, ends with it.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { withLimit } from "../helpers/limits.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

test("an environment that ends while requests are under way takes their children with it", async () => {
  const left = await inNode<string>(
    `const { Worker } = await import("node:worker_threads");
    await run("true");
    const worker = new Worker(\`
      const { parentPort } = await import("node:worker_threads");
      const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
      const host = await SpawnHost.start();
      for (let i = 0; i < 20; i++) host.spawn("sleep", ["1000"], { stdio: "ignore" }).catch(() => {});
      parentPort.postMessage("sent");\`, { eval: true });
    await new Promise((resolve) => worker.once("message", resolve));
    await worker.terminate();
    let children;
    for (let i = 0; i < 400; i++) {
      children = fs.readdirSync("/proc/self/task").map((thread) => fs.readFileSync("/proc/self/task/" + thread + "/children", "utf8")).join("").trim();
      if (children === "") break;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    done(children);`,
  );
  assert.equal(left, "");
});

for (const relay of [false, true]) {
  test(`a worker's end gives what ${relay ? "its relay" : "a host"} has started its signal and its grace, and then SIGKILL`, async () => {
    await withLimit(100, async (grace) => {
      const [pid, traps] = await inNode<[number, string]>(
        `const { Worker } = await import("node:worker_threads");
        const [heard, said] = posix.cloexecPipe();
        const worker = new Worker(\`
          const { parentPort, workerData } = await import("node:worker_threads");
          const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
          const host = await SpawnHost.start({ relay: ${relay} });
          const script = "trap 'echo trapped' TERM; echo ready; while :; do sleep 0.01; done";
          const options = { stdin: "ignore", stdout: workerData, stderr: "ignore", forceKillAfterDelay: ${grace} };
          const { pid } = await host.spawn("sh", ["-c", script], options);
          parentPort.postMessage(pid);\`, { eval: true, workerData: said });
        const pid = await new Promise((resolve) => worker.once("message", resolve));
        const bytes = Buffer.alloc(100);
        const read = () => bytes.toString("utf8", 0, fs.readSync(heard, bytes));
        read();
        await worker.terminate();
        posix.close(said);
        let traps = "";
        for (let text; (text = read()) !== ""; ) traps += text;
        done([pid, traps]);`,
      );
      await ended(pid);
      // In so short a time the shell has not come to its trap.
      if (traps === "") return false;
      assert.equal(traps, "trapped\n");
      return true;
    });
  });

  test(`a process that exits before it has heard of a child that ${relay ? "its relay" : "a host"} has started ends it`, async () => {
    const pid = await inNode<number>(
      `import { childrenOf, nameOf, ownChildren, stateOf } from ${JSON.stringify(import.meta.resolve("../helpers/processes.js"))};
      const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
      const host = await SpawnHost.start({ relay: ${relay} });
      host.spawn("sleep", ["60"], { stdio: "ignore" }).catch(() => {});
      // In this turn no answer is read. A host that sleeps has answered.
      let pid;
      while (pid === undefined || stateOf(host.pid) !== "S") {
        pid = ${relay ? "childrenOf(host.pid)" : "ownChildren()"}.find((child) => nameOf(child) === "sleep");
      }
      done(pid);
      process.exit(0);`,
    );
    await ended(pid);
  });
}
