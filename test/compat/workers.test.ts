/**
 * Children of a worker: as those of the main thread, and without a word about fds.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { importOf, onEachEngine } from "../helpers/engines.js";

const CODE = `
  import { once } from "node:events";
  import { text } from "node:stream/consumers";
  import { parentPort } from "node:worker_threads";
  const warnings = [];
  process.on("warning", ({ message }) => warnings.push(message));
  const child = cp.spawn("sh", ["-c", "cat; echo err >&2; exit 3"], { stdio: ["pipe", "pipe", "pipe", "pipe"] });
  child.stdin.end("in");
  const output = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  const sync = cp.spawnSync("cat", { input: "in", encoding: "utf8" }).stdout;
  cp.spawn("/no/such/file").on("error", ({ code }) => {
    setImmediate(() => parentPort.postMessage({ output, sync, code, ours: child.brood !== undefined, warnings }));
  });`;

onEachEngine("a worker's children are as others, and Node warns of nothing", async ({ engine, ours }) => {
  const source = `${importOf(engine)}\n${CODE}`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const exited = once(worker, "exit");
  const [told] = (await once(worker, "message")) as [unknown];
  await exited;
  assert.deepEqual(told, { output: ["in", "err\n", [3, null]], sync: "in", code: "ENOENT", ours, warnings: [] });
});
