import { type RunOptions, run, UnsupportedError } from "brood";

const bounded = { contain: "cgroup", memoryMax: 512 * 2 ** 20, pidsMax: 100 } satisfies RunOptions;
const fallback = { contain: "auto", rlimits: { data: 512 * 2 ** 20, nproc: 1000 } } satisfies RunOptions;

/** Runs a script with the best limits that can be had here; nothing of it is left in any case. */
async function runBounded(script: string) {
  const options = { timeout: 10_000, stderr: { dup: 1 } } as const;
  try {
    return await run("sh", ["-c", script], { ...bounded, ...options });
  } catch (error) {
    if (!(error instanceof UnsupportedError)) throw error;
    return await run("sh", ["-c", script], { ...fallback, ...options });
  }
}

const { stdout, containment } = await runBounded("sleep 1000 & echo started");
console.log(stdout.trim()); // started
console.log(containment?.ended.length); // 1
