/**
 * npm run bench [-- --only NAME] [--rounds N] [--cpu N] [--report]
 *
 * Asks all questions, or one; keeps the numbers in bench/results/; makes the tables and plots of
 * docs/performance.md from what is there. `--report` does only the last.
 */

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { root } from "./harness/contestants.mjs";
import { answer, lastCPU, setting } from "./harness/measure.mjs";
import { questions } from "./harness/questions.mjs";
import { report } from "./harness/report.mjs";
import { readResults, writeResults } from "./harness/results.mjs";

const DOCUMENT = `${root}docs/performance.md`;
const PLOTS = `${root}docs/performance/`;

const { values: given } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    rounds: { type: "string" },
    cpu: { type: "string" },
    report: { type: "boolean", default: false },
  },
});

/** Gives what went wrong. */
async function measure() {
  const asked = questions.filter(({ name }) => given.only === undefined || given.only.includes(name));
  if (asked.length === 0) throw new Error(`--only is one of ${questions.map(({ name }) => name).join(", ")}`);
  execFileSync("make", ["-s", "-C", `${root}bench/c`], { stdio: "inherit" });
  const begin = performance.now();
  const rounds = given.rounds === undefined ? undefined : Number(given.rounds);
  const cpu = given.cpu === undefined ? lastCPU() : Number(given.cpu);
  const failures = [];
  for (const question of asked) {
    const answered = await answer(question, { rounds, cpu, say: (line) => console.log(line) });
    failures.push(...answered.failures);
    writeResults(question.name, { setting: setting(), rows: answered.results });
  }
  console.log(`took ${Math.round((performance.now() - begin) / 1000)} s`);
  return failures;
}

function writeReport() {
  const { text, plots } = report(questions, readResults(questions), readFileSync(DOCUMENT, "utf8"));
  writeFileSync(DOCUMENT, text);
  rmSync(PLOTS, { recursive: true, force: true });
  mkdirSync(PLOTS);
  for (const [name, svg] of Object.entries(plots)) writeFileSync(PLOTS + name, svg);
}

const failures = given.report ? [] : await measure();
for (const failure of failures) console.error(failure);
if (failures.length > 0) process.exitCode = 1;
writeReport();
