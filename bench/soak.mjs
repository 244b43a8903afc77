/**
 * npm run bench:soak [-- --count N] [--cpu N]
 *
 * 200,000 spawns with three pipes in one process, one after the other, and whether anything grows: resident memory, the heap,
 * open fds, and the time from spawn to `closed`, at a hundred points. It takes about a minute. Keeps bench/results/soak.json;
 * the plot of docs/performance.md is made from it, by `npm run bench -- --report`. Part of `npm run bench`.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { root } from "./harness/contestants.mjs";
import { beginRun, lastCPU } from "./harness/measure.mjs";
import { writeResults } from "./harness/results.mjs";

const POINTS = 100;
const CHILD = `${root}build/bench/child`;
const IN_ARENA = "--in-arena";
const MOST_MS = 540_000;
/** V8's young generation has the size that it may grow to from the start: when it grows is V8's own judgement, and would look like a leak. */
const FULL_YOUNG_GENERATION = "--min-semi-space-size=16";

const { values: given } = parseArgs({
  options: { count: { type: "string", default: "200000" }, cpu: { type: "string" }, "in-arena": { type: "boolean" } },
});
const count = Number(given.count);

const residentKiB = () => Number(/VmRSS:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
const openFds = () => readdirSync("/proc/self/fd").length;

async function soak() {
  const { spawn } = await import("brood");
  const every = Math.ceil(count / POINTS);
  const times = new Float64Array(every);
  const points = [];
  for (let done = 0; done < count; ) {
    for (let i = 0; i < every; i++) {
      const begin = performance.now();
      const child = spawn(CHILD, ["say"]);
      child.stdin.end();
      const [text] = await Promise.all([child.stdout.text(), child.stderr.bytes(), child.closed]);
      times[i] = (performance.now() - begin) * 1000;
      if (text !== "hello\n") throw new Error(`spawn ${done + i} gave ${JSON.stringify(text)}`);
    }
    done += every;
    const rss = residentKiB();
    const fds = openFds();
    globalThis.gc();
    const sorted = times.toSorted((a, b) => a - b);
    const at = (share) => Math.round(sorted[Math.floor(share * (every - 1))]);
    const heapKiB = Math.round(process.memoryUsage().heapUsed / 1024);
    if (done % (10 * every) === 0)
      console.error(`soak: ${done} of ${count} spawns, ${at(0.5)} µs, ${Math.round(rss / 1024)} MiB`);
    points.push({ spawns: done, rssMiB: Math.round(rss / 102.4) / 10, heapKiB, fds, p50: at(0.5), p90: at(0.9), p99: at(0.99) });
  }
  console.log(JSON.stringify(points));
}

if (given["in-arena"]) {
  await soak();
} else {
  execFileSync("make", ["-s", "-C", `${root}bench/c`], { stdio: "inherit" });
  const cpu = given.cpu ?? String(lastCPU());
  const setting = beginRun(Number(cpu));
  const node = [process.execPath, "--expose-gc", FULL_YOUNG_GENERATION];
  const command = [...node, fileURLToPath(import.meta.url), IN_ARENA, "--count", given.count];
  const { status, signal, stdout } = spawnSync(`${root}build/bench/arena`, [cpu, ...command], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    timeout: MOST_MS,
    killSignal: "SIGKILL",
  });
  if (status !== 0) throw new Error(`the soak ended with ${signal ?? status}`);
  writeResults("soak", { setting: setting(1), points: JSON.parse(stdout) });
}
