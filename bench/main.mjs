/**
 * npm run bench [-- NAME...] [--rounds N] [--minutes N] [--cpu N] [--report]
 *
 * Asks all questions, or those that are named, round after round: as many rounds as fit into the minutes. A row's numbers
 * are kept in bench/results/ as soon as they are there; the first round ends at the latest after twice the minutes; after each round the tables and plots of the documents are made
 * from them. Then come "soak" and "instructions", which are names, too. `--report` makes the tables and plots alone.
 */

import { execFileSync, spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { root } from "./harness/contestants.mjs";
import { writeDocuments } from "./harness/documents.mjs";
import { ask, beginRun, lastCPU } from "./harness/measure.mjs";
import { questions } from "./harness/questions.mjs";
import { OTHERS, Results } from "./harness/results.mjs";

const MOST_ROUNDS = 5;
const MINUTES = 18;
const OTHERS_MS = 600_000;

const { values: given, positionals: names } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: "string", default: String(MOST_ROUNDS) },
    minutes: { type: "string", default: String(MINUTES) },
    cpu: { type: "string", default: String(lastCPU()) },
    report: { type: "boolean", default: false },
  },
});

const known = [...questions.map(({ name }) => name), ...OTHERS];
for (const name of names) {
  if (!known.includes(name)) throw new Error(`${name} is none of ${known.join(", ")}`);
}
const wanted = (name) => names.length === 0 || names.includes(name);

const begin = performance.now();
const failures = [];

function say(line) {
  const seconds = Math.round((performance.now() - begin) / 1000);
  console.log(`[${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}] ${line}`);
}

function fail(failure) {
  failures.push(failure);
  say(`FAILED ${failure}`);
}

async function askAll(asked) {
  const cpu = Number(given.cpu);
  const setting = beginRun(cpu);
  const out = new Map();
  const results = new Map(asked.map((question) => [question, new Results(question)]));
  const end = begin + Number(given.minutes) * 60_000;
  const latest = begin + 2 * Number(given.minutes) * 60_000;
  let longest = 0;
  for (let round = 0; round < Number(given.rounds); round++) {
    const roundBegin = performance.now();
    if (round > 0 && roundBegin + longest > end) {
      say(`no time for round ${round + 1}`);
      break;
    }
    for (const question of asked) {
      if (round >= (question.rounds ?? MOST_ROUNDS)) continue;
      for (const measurement of question.measurements) {
        if (performance.now() > latest) {
          fail(`out of time before ${question.name}: what is missing keeps its older numbers`);
          report();
          return;
        }
        const { answers, failures: failed, said } = await ask(question, measurement, { round, cpu, out });
        failed.forEach(fail);
        results.get(question).add(measurement, answers);
        results.get(question).save(setting(round + 1));
        say(`round ${round + 1}, ${question.name}: ${said}`);
      }
    }
    longest = Math.max(longest, performance.now() - roundBegin);
    report();
  }
}

function report() {
  try {
    writeDocuments(questions);
  } catch (error) {
    fail(`the report: ${error.stack}`);
  }
}

if (!given.report) {
  execFileSync("make", ["-s", "-C", `${root}bench/c`], { stdio: "inherit" });
  await askAll(questions.filter(({ name }) => wanted(name)));
  for (const name of OTHERS.filter(wanted)) {
    say(name);
    const command = [`${root}bench/${name}.mjs`];
    const { status, signal } = spawnSync(process.execPath, command, {
      stdio: "inherit",
      timeout: OTHERS_MS,
      killSignal: "SIGKILL",
    });
    if (status !== 0) fail(`${name} ended with ${signal ?? status}`);
  }
}
report();
say(failures.length === 0 ? "done" : `done, and this failed:\n${failures.join("\n")}`);
if (failures.length > 0) process.exitCode = 1;
