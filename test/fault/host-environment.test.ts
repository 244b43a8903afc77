/**
 * A worker, or a process, that ends in the middle of requests to its spawn host: what they have started, and what nobody has
 * heard of yet, ends with it.
 */

import assert from "node:assert/strict";
import { act } from "../helpers/act.js";
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
      const [pid, heard] = await inNode<[number, string]>(
        `const { Worker } = await import("node:worker_threads");
        const [ours, theirs] = posix.cloexecPipe();
        const worker = new Worker(\`
          const { parentPort, workerData } = await import("node:worker_threads");
          const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
          const host = await SpawnHost.start({ relay: ${relay} });
          const options = { stdin: "ignore", stdout: workerData, stderr: "ignore", forceKillAfterDelay: ${grace} };
          const { pid } = await host.spawn(${JSON.stringify(act)}, ["hear", "15", "heard", "say", "1", "ready", "pause"], options);
          parentPort.postMessage(pid);\`, { eval: true, workerData: theirs });
        const pid = await new Promise((resolve) => worker.once("message", resolve));
        const bytes = Buffer.alloc(100);
        const read = () => bytes.toString("utf8", 0, fs.readSync(ours, bytes));
        read();
        await worker.terminate();
        posix.close(theirs);
        let heard = "";
        for (let text; (text = read()) !== ""; ) heard += text;
        done([pid, heard]);`,
      );
      await ended(pid);
      // In so short a time it has not come to its handler.
      if (heard === "") return false;
      assert.equal(heard, "heard\n");
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
