/**
 * npm run bench:instructions [-- --check]
 *
 * How many instructions the pure parts of a spawn take, counted by valgrind's cachegrind: unlike times, the same on a
 * machine that is busy with other things. Keeps bench/results/instructions.json; with --check compares with what is
 * kept, and fails if a part takes more than a tenth more.
 *
 * A count is the difference of two runs, with so many rounds and twice as many, divided by the rounds: what Node takes
 * to start and to compile is in both.
 */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { root } from "./harness/contestants.mjs";
import { beginRun, lastCPU } from "./harness/measure.mjs";
import { writeResults } from "./harness/results.mjs";

const ROUNDS = 40_000;
const TOLERANCE = 1.1;
const FILE = "/usr/bin/tool";
const WORDS = ["pipe", "pipe", "pipe"];

const facts = {
  isOpen: () => true,
  account: () => undefined,
  path: () => "/usr/local/bin:/usr/bin:/bin",
  environment: () => undefined,
  unprivilegedEffectiveUid: () => undefined,
};

/** Each gives what is done in a round. */
const PARTS = {
  "plan, words alone": async () => {
    const { makePlan } = await import("../dist/program/make-plan.js");
    return () => makePlan(FILE, ["a", "b"], {}, facts, WORDS);
  },
  "plan, its own set-up": async () => {
    const { makePlan } = await import("../dist/program/make-plan.js");
    return () => makePlan(FILE, ["a", "b"], { cwd: "/tmp", env: { A: "1" } }, facts, WORDS);
  },
  "compile, words alone": async () => compiled({}),
  "compile, its own set-up": async () => compiled({ cwd: "/tmp", env: { A: "1" } }),
  "decode an exit": async () => {
    const { decodeExit } = await import("../dist/kernel/events.js");
    const record = new Float64Array(16).fill(1);
    return () => decodeExit(record, 0, 4711);
  },
  "spawn to exited, the native part a stub": async () => {
    const stub = fileURLToPath(new URL("harness/stub-addon.cjs", import.meta.url));
    process.env.BROOD_NATIVE_PATH = stub;
    const { default: addon } = await import(stub);
    const { spawn } = await import("brood");
    return () => {
      const { exited } = spawn(FILE, ["a", "b"], { stdio: "ignore" });
      addon.fire();
      return exited;
    };
  },
};

async function compiled(options) {
  const { makePlan } = await import("../dist/program/make-plan.js");
  const { compile } = await import("../dist/program/compile.js");
  const { ProgramWriter } = await import("../dist/program/writer.js");
  const writer = new ProgramWriter();
  const { plan } = makePlan(FILE, ["a", "b"], options, facts, WORDS);
  return () => compile(plan, writer);
}

const [first, second, third] = process.argv.slice(2);
if (first === "--round") {
  const round = await PARTS[second]();
  const settling = round();
  if (settling instanceof Promise) for (let i = 1; i < Number(third); i++) await round();
  else for (let i = 1; i < Number(third); i++) round();
} else {
  const setting = beginRun(lastCPU());
  const counts = {};
  for (const part of Object.keys(PARTS)) {
    counts[part] = Math.round((instructions(part, 2 * ROUNDS) - instructions(part, ROUNDS)) / ROUNDS);
    console.log(`${part}: ${counts[part]} instructions`);
  }
  if (first === "--check") check(counts);
  else writeResults("instructions", { setting: setting(1), counts });
}

function instructions(part, rounds) {
  const valgrind = ["--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", "--log-fd=1"];
  // Compiling in the background would be counted by chance.
  const node = [process.execPath, "--single-threaded", fileURLToPath(import.meta.url), "--round", part, String(rounds)];
  const said = execFileSync("valgrind", [...valgrind, ...node], { encoding: "utf8" });
  return Number(/I +refs: +([\d,]+)/.exec(said)[1].replaceAll(",", ""));
}

function check(counts) {
  const { counts: kept } = JSON.parse(readFileSync(`${root}bench/results/instructions.json`, "utf8"));
  for (const [part, count] of Object.entries(counts)) {
    if (count <= kept[part] * TOLERANCE) continue;
    console.error(`${part}: ${count} instructions, more than the ${kept[part]} that are kept`);
    process.exitCode = 1;
  }
}
