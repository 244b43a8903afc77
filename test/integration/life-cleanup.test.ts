/**
 * A parent that ends takes its children along: they get killSignal, unless told otherwise.
 *
 * The children inherit fd 1 of the parent, so that runNode() returns only when they have ended, too, and
 * what they print is seen.
 */

import assert from "node:assert/strict";
import { act } from "../helpers/act.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

/** A child that tells on which signal it ends; `ready` when it can. */
const CHILD = `
  async function start(options = {}) {
    const child = spawn(${JSON.stringify(act)}, ["on", "15", "got SIGTERM", "on", "2", "got SIGINT", "say", "2", "ready", "count", "0", "exit", "9"], {
      stdout: "inherit", ...options,
    });
    // Also for a child that doesn't hold the loop.
    const alive = setInterval(() => {}, 1000);
    await child.stderr.lines().next();
    clearInterval(alive);
    return child;
  }
`;

const ends: Record<string, [code: string, exitCode: number]> = {
  "process.exit()": ["await start(); process.exit(3);", 3],
  "the natural end": ["(await start()).unref();", 0],
  "an uncaught exception": ["await start(); setImmediate(() => { throw new Error('x'); });", 1],
  "an unhandled rejection": ["await start(); Promise.reject(new Error('x'));", 1],
};

for (const [name, [code, exitCode]] of Object.entries(ends)) {
  test(`${name} sends live children killSignal`, async () => {
    const result = await runNode(CHILD + code);
    assert.equal(result.code, exitCode, result.stderr);
    assert.equal(result.stdout, "got SIGTERM\n");
  });
}

test("killSignal is what cleanup sends; all children get it", async () => {
  const result = await runNode(`${CHILD} await start({ killSignal: "SIGINT" }); await start(); process.exit();`);
  assert.deepEqual(result.stdout.trim().split("\n").sort(), ["got SIGINT", "got SIGTERM"]);
});

test("cleanup: false and detached send nothing: the children see only that their pipes end", async () => {
  for (const options of ["{ cleanup: false }", "{ detached: true }"]) {
    const result = await runNode(`${CHILD} await start(${options}); process.exit();`);
    // count 0 prints what it read until the end.
    assert.equal(result.stdout, "0\n");
  }
});

const workerEnds: Record<string, string> = {
  "process.exit()": "await start(); process.exit();",
  "the natural end": "(await start()).unref();",
  "an uncaught exception": "await start(); throw new Error('x');",
  "terminate()": "await start(); parentPort.postMessage('now'); setInterval(() => {}, 1000);",
};

for (const [name, code] of Object.entries(workerEnds)) {
  test(`a worker's end by ${name} sends its children killSignal, not those of the main thread`, async () => {
    const imports = `import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))}; import { parentPort } from "node:worker_threads";`;
    const source = `data:text/javascript,${encodeURIComponent(imports + CHILD + code)}`;
    const result = await runNode(`
      import { Worker } from "node:worker_threads";
      ${CHILD}
      const own = await start({ killSignal: "SIGINT" });
      const worker = new Worker(new URL(${JSON.stringify(source)}));
      worker.on("error", () => {});
      worker.on("message", () => worker.terminate());
      await new Promise((resolve) => worker.on("exit", resolve));
      console.log("worker ended", own.kill(0));
      own.stdin.end();
      await own.exited;
    `);
    assert.deepEqual(result.stdout.trim().split("\n").sort(), ["0", "got SIGTERM", "worker ended true"], result.stderr);
  });
}

test("a copy of our process, made by fork(2), that ends by exit(3) leaves our children and our spawn host alone", async () => {
  const said = await inNode<string[]>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start({ restart: false });
    const child = spawn("cat");
    self.forkAndExit(7);
    child.stdin.end("here");
    const said = [await child.stdout.text(), (await host.run("echo", ["there"])).stdout];
    await child.closed;
    await host[Symbol.asyncDispose]();
    done(said);`,
  );
  assert.deepEqual(said, ["here", "there\n"]);
});
