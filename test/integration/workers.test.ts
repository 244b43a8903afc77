/**
 * Many threads, each with its own watch; and others in the process who also have children.
 */

import assert from "node:assert/strict";
import { act } from "../helpers/act.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

const BROOD = JSON.stringify(import.meta.resolve("brood"));
const ACT = JSON.stringify(act);

/** For scripts of runNode(): `worker(code)` starts one with brood in scope; `ended(worker)` is its exit code. */
const WORKERS = `
  import { Worker, isMainThread } from "node:worker_threads";
  import { readdirSync, readFileSync } from "node:fs";
  function worker(code) {
    const head = 'import { parentPort } from "node:worker_threads"; const brood = await import(' + ${JSON.stringify(BROOD)} + '); const { spawn, run } = brood;';
    const started = new Worker(new URL("data:text/javascript," + encodeURIComponent(head + code)));
    ends.set(started, new Promise((resolve, reject) => started.on("exit", resolve).on("error", reject)));
    return started;
  }
  const ends = new Map();
  const ended = (worker) => ends.get(worker);
  const message = (worker) => new Promise((resolve) => worker.once("message", resolve));
  /** The pids of all children of this process, of whichever thread. */
  function children() {
    return readdirSync("/proc/self/task").flatMap((thread) => {
      try { return readFileSync("/proc/self/task/" + thread + "/children", "utf8").split(" ").filter(Boolean); } catch { return []; }
    });
  }
  async function noChildren() {
    const deadline = performance.now() + 10_000;
    while (children().length > 0) {
      if (performance.now() > deadline) throw new Error("left behind: " + children().map((pid) => readFileSync("/proc/" + pid + "/stat", "utf8")));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
`;

async function printed(code: string): Promise<string> {
  const result = await runNode(WORKERS + code);
  assert.deepEqual([result.code, result.signal, result.stderr], [0, null, ""]);
  return result.stdout;
}

test("U5, R15: ten workers and the main thread spawn at once; each gets its own children's output and ends", async () => {
  const out = await printed(`
    const job = \`
      const results = await Promise.all(Array.from({ length: 20 }, (_, i) =>
        run("sh", ["-c", "cat; exit " + i], { input: "in " + i, reject: false })));
      const right = results.filter((r, i) => r.stdout === "in " + i && r.exit.kind === "exited" && r.exit.code === i).length;
    \`;
    const workers = Array.from({ length: 10 }, () => worker(job + "parentPort.postMessage(right);"));
    const answers = workers.map(message);
    const own = await (Object.getPrototypeOf(async () => {}).constructor("run", job + "return right;"))(run);
    console.log(own, ...(await Promise.all(answers)));
    await Promise.all(workers.map(ended));
    await noChildren();
  `);
  assert.equal(out, `${Array(11).fill(20).join(" ")}\n`);
});

test("37: terminated workers with children alive: no crash, no zombie; the children are signalled and reaped", async () => {
  const out = await printed(`
    for (let round = 0; round < 3; round++) {
      const workers = Array.from({ length: 4 }, () => worker(\`
        for (let i = 0; i < 5; i++) {
          const child = spawn(${ACT}, ["say", "1", "x", "pause"]);
          child.stdout.on("data", () => {});
          child.wait({ stopped: true, exited: true }).catch(() => {});
        }
        parentPort.postMessage("ready");\`));
      await Promise.all(workers.map(message));
      console.log(children().length);
      await Promise.all(workers.map((worker) => worker.terminate()));
      await noChildren();
    }
    console.log((await run("echo", ["well"])).stdout.trim());
  `);
  assert.equal(out, "20\n20\n20\nwell\n");
});

test("37: workers terminated while they spawn and children end", async () => {
  const out = await printed(`
    for (let round = 0; round < 10; round++) {
      const busy = worker(\`
        parentPort.postMessage("ready");
        for (;;) await Promise.all([1, 2, 3].map(() => run("sh", ["-c", "cat; sleep 0.001"], { input: "x" })));\`);
      await message(busy);
      await new Promise((resolve) => setTimeout(resolve, round * 5));
      await busy.terminate();
    }
    await noChildren();
    console.log("well");
  `);
  assert.equal(out, "well\n");
});

test("37: workers terminated while output is kept for them: the memory of it is freed", async () => {
  const out = await printed(`
    const job = \`
      let started = 0;
      for (let i = 0; i < 3; i++) {
        const child = spawn(${ACT}, ["fill", "1", "30000000", "say", "3", "x", "pause"], { fds: { 3: "pipe" } });
        child.fds.get(3).once("data", () => { if (++started === 3) parentPort.postMessage("ready"); });
        child.output({ encoding: i === 0 ? "utf8" : "buffer" }).catch(() => {});
      }
      globalThis.held = await run(${ACT}, ["fill", "1", "10000000"], { encoding: "buffer" });
      globalThis.text = await run("head", ["-c", "10000000", "/dev/zero"]);\`;
    async function round() {
      const workers = Array.from({ length: 3 }, () => worker(job));
      await Promise.all(workers.map(message));
      await Promise.all(workers.map((worker) => worker.terminate()));
      await noChildren();
    }
    await round();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 4; i++) await round();
    const grown = process.memoryUsage.rss() - before;
    console.log(grown < 400e6 ? "freed" : "grew by " + grown);
    console.log((await run("echo", ["well"])).stdout.trim());
  `);
  // Each round has kept 300 MB.
  assert.equal(out, "freed\nwell\n");
});

test("37: a child that outlives its worker is reaped when it ends: detached, and cleanup: false", async () => {
  const out = await printed(`
    const parent = worker(\`
      const pids = [{ detached: true }, { cleanup: false }].map((more) =>
        spawn("sleep", ["0.3"], { stdio: "ignore", ...more }).unref().pid);
      parentPort.postMessage(pids);\`);
    const pids = await message(parent);
    await ended(parent);
    // Alive still, though their thread has gone, and children of this process.
    console.log(pids.filter((pid) => children().includes(String(pid))).length);
    await noChildren();
    console.log("reaped");
  `);
  assert.equal(out, "2\nreaped\n");
});

test("the addon in a worker only: the process goes on after the worker, its threads and its children have ended", async () => {
  // Not by runNode's own import: the main thread never loads brood here.
  const { spawn } = await import("node:child_process");
  const { text } = await import("node:stream/consumers");
  const inner = `const { spawn } = await import(${BROOD});
    spawn("sleep", ["0.2"], { stdio: "ignore", detached: true });
    const child = spawn("sleep", ["100"], { stdio: "ignore" });
    child.wait({ stopped: true, exited: true }).catch(() => {});
    child.unref();`;
  const script = `${WORKERS}
    for (let i = 0; i < 3; i++) await new Promise((resolve, reject) =>
      new Worker(new URL("data:text/javascript," + encodeURIComponent(${JSON.stringify(inner)}))).on("exit", resolve).on("error", reject));
    await noChildren();
    console.log("well");`;
  const node = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  const [out, err] = await Promise.all([
    text(node.stdout),
    text(node.stderr),
    new Promise((resolve) => node.on("exit", resolve)),
  ]);
  assert.deepEqual([out, err, node.exitCode], ["well\n", "", 0]);
});

test("14: node:child_process beside brood, in two threads: nobody loses a status or a byte", async () => {
  const out = await printed(`
    import { spawn as nodeSpawn } from "node:child_process";
    const job = \`
      const theirs = (i) => new Promise((resolve) => {
        let text = "";
        const child = nodeSpawn("sh", ["-c", "echo " + i + "; exit " + i]);
        child.stdout.on("data", (chunk) => { text += chunk; });
        child.on("close", (code) => resolve(code === i && text === i + "\\\\n"));
      });
      const ours = async (i) => {
        const { exit, stdout } = await run("sh", ["-c", "echo " + i + "; exit " + i], { reject: false });
        return exit.kind === "exited" && exit.code === i && stdout === i + "\\\\n";
      };
      const right = (await Promise.all(Array.from({ length: 60 }, (_, i) => (i % 2 ? ours(i) : theirs(i))))).filter(Boolean).length;
    \`;
    const other = worker('import { spawn as nodeSpawn } from "node:child_process";' + job + "parentPort.postMessage(right);");
    const answer = message(other);
    const own = await (Object.getPrototypeOf(async () => {}).constructor("run", "nodeSpawn", job + "return right;"))(run, nodeSpawn);
    console.log(own, await answer);
    await ended(other);
    await noChildren();
  `);
  assert.equal(out, "60 60\n");
});

test("a worker's environment is its own: what it set is what its children get", async () => {
  const out = await printed(`
    process.env.WHOSE = "main";
    const one = worker('process.env.WHOSE = "worker"; parentPort.postMessage((await run("sh", ["-c", "echo $WHOSE"])).stdout);');
    const answer = message(one);
    console.log((await answer).trim(), (await run("sh", ["-c", "echo $WHOSE"])).stdout.trim());
    await ended(one);
  `);
  assert.equal(out, "worker main\n");
});
