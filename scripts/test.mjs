/**
 * Runs all tests on compiled output: everything on the default rung, the integration and conformance suites on each other
 * rung of the clone ladder and under the sanitizers, and last everything's own summary.
 * `npm test -- PATTERN` runs the test files whose path contains PATTERN, on the default rung only.
 */

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const all = readdirSync(`${root}build/test`, { recursive: true })
  .map((path) => `build/test/${path}`)
  .filter((path) => path.endsWith(".test.js"))
  .sort();

// A test that hangs ends by itself (test/helpers/test.ts); one that blocks its thread is ended here. In all less than
// anybody waits for.
const STEP_MS = 12 * 60_000;
const until = performance.now() + 60 * 60_000;

// Of tests of containment those that start their commands by test/helpers/launch.ts.
const CONTAINED = /\/contain\/(nothing-left|handles|policies)\./;

async function run(title, files, env = {}) {
  const { describeTree, killTree } = await import(`${root}build/test/helpers/process-tree.js`);
  const started = performance.now();
  console.log(`\n# ${title}: ${files.length} files`);
  const args = ["--expose-gc", "--test", "--test-concurrency=2", "--test-reporter=spec", ...files];
  const child = spawn(process.execPath, args, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  const end = () => {
    console.log(`\n✖ ${title}: not over in time. What runs:\n${describeTree(process.pid)}`);
    killTree(process.pid);
  };
  const guard = setTimeout(end, Math.min(STEP_MS, until - started));
  const [status] = await once(child, "exit");
  clearTimeout(guard);
  console.log(`\n# ${title}: ${status === 0 ? "passed" : "FAILED"} in ${Math.round((performance.now() - started) / 1000)} s`);
  if (status !== 0) process.exitCode = 1;
}

const pattern = process.argv[2];
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
