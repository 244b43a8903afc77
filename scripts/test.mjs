/**
 * Runs all tests on compiled output: everything on the default rung, the integration and conformance suites on each other
 * rung of the clone ladder and under the sanitizers, and last everything's own summary.
 * `npm test -- PATTERN` runs the test files whose path contains PATTERN, on the default rung only.
 *
 * Each file is a process. In a whole run one that fails runs once more, alone, behind the others of its step: see
 * docs/decisions/0022-a-failed-test-file-runs-again.md.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const { describeTree, killTree } = await import(`${root}build/test/helpers/process-tree.js`);
const { SLOWNESS } = await import(`${root}build/test/helpers/slowness.js`);
const all = readdirSync(`${root}build/test`, { recursive: true })
  .map((path) => `build/test/${path}`)
  .filter((path) => path.endsWith(".test.js"))
  .sort();

const pattern = process.argv[2];

const AT_ONCE = 2;
// More than these are a fault, however they end when they run again.
const AGAIN = pattern === undefined ? 2 : 0;

// A test that hangs ends by itself (test/helpers/test.ts); a file that blocks its thread is ended here, and all before anybody
// gives up waiting.
const FILE_MS = 4 * 60_000 * SLOWNESS;
const RUN_MS = 40 * 60_000 * SLOWNESS;

// Of tests of containment those that start their commands by test/helpers/launch.ts.
const CONTAINED = /\/contain\/(nothing-left|handles|policies)\./;

/** Files that failed and, run again, passed: told at the very end. */
const unsteady = [];

const seconds = (since) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

/** Runs one file; tells whether it passed. What it printed is shown where it did not. */
async function runFile(path, env) {
  const started = performance.now();
  const child = spawn(process.execPath, ["--expose-gc", "--test-reporter=spec", path], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  const guard = setTimeout(
    () => {
      output += `\n✖ not over in time. What runs:\n${describeTree(process.pid)}`;
      killTree(child.pid);
      child.kill("SIGKILL");
    },
    Math.min(FILE_MS, RUN_MS - started),
  );
  const exited = once(child, "exit");
  // A process that a test left behind may hold the pipes.
  const [status, signal] = await Promise.race([once(child, "close"), exited.then((end) => afterwards(end))]);
  clearTimeout(guard);
  child.stdout.destroy();
  child.stderr.destroy();
  const count = (word) => Number(new RegExp(`^ℹ ${word} (\\d+)$`, "m").exec(output)?.[1] ?? 0);
  const passed = status === 0 && count("tests") > 0 && count("fail") === 0;
  const how = passed
    ? `${count("pass")} passed`
    : `FAILED, ${signal ?? `status ${status}`}, ${count("fail")} of ${count("tests")}`;
  if (!passed) console.log(`\n${output}`);
  console.log(`${passed ? "✔" : "✖"} ${path.slice("build/test/".length)}: ${how} (${seconds(started)})`);
  return { passed, tests: count("tests"), skipped: count("skipped") + count("todo") };
}

const afterwards = (end) => new Promise((resolve) => setTimeout(resolve, 5_000, end).unref());

async function run(title, files, env = {}) {
  const started = performance.now();
  console.log(`\n# ${title}: ${files.length} files`);
  const failed = [];
  const waiting = files.values();
  let tests = 0;
  let skipped = 0;
  const lane = async () => {
    for (const path of waiting) {
      const result = await runFile(path, env);
      tests += result.tests;
      skipped += result.skipped;
      if (!result.passed) failed.push(path);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  let passed = failed.length + unsteady.length <= AGAIN;
  if (passed) {
    for (const path of failed) {
      console.log(`\n# again, alone: ${path}`);
      const result = await runFile(path, env);
      if (result.passed) unsteady.push(`${path} (${title})`);
      else passed = false;
    }
  }
  const what = `${files.length} files, ${tests} tests, ${skipped} skipped`;
  console.log(`\n# ${title}: ${passed ? "passed" : "FAILED"} in ${seconds(started)}: ${what}`);
  if (!passed) process.exitCode = 1;
}

if (pattern !== undefined) {
  await run(
    pattern,
    all.filter((path) => path.includes(pattern)),
  );
} else {
  const integration = all.filter((path) => path.includes("/integration/"));
  const onEachRung = [...integration, ...all.filter((path) => path.includes("/conformance/"))];
  for (const rung of ["clone", "vfork", "fork"]) await run(`clone ladder: ${rung}`, onEachRung, { BROOD_CLONE: rung });
  const gcc = (name) => spawnSync("cc", [`-print-file-name=${name}`], { encoding: "utf8" }).stdout.trim();
  await run("address and undefined-behaviour sanitizers", integration, {
    BROOD_NATIVE_PATH: `${root}build/brood-sanitized.node`,
    LD_PRELOAD: `${gcc("libasan.so")} ${gcc("libubsan.so")}`,
    ASAN_OPTIONS: "detect_leaks=0",
    UBSAN_OPTIONS: "halt_on_error=1",
  });
  // The tests of hosts themselves start their own.
  await run(
    "through a spawn host",
    [...integration.filter((path) => !path.includes("/host-")), ...all.filter((path) => CONTAINED.test(path))],
    { LAUNCH_THROUGH: "host" },
  );
  await run("all", all);
}

for (const file of unsteady) console.log(`\n# UNSTEADY: ${file} failed, and passed when run again alone: a race to be found`);
