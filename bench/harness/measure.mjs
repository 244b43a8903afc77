/**
 * Runs contestants, each in a fresh process on one CPU, in turn, round after round.
 */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { contestants, root } from "./contestants.mjs";
import { format } from "./numbers.mjs";

const execute = promisify(execFile);
const MOST_MS = 120_000;
const ROUNDS = 3;

/** The last CPU that we may use: the first has most of the interrupts. */
export function lastCPU() {
  const allowed = /Cpus_allowed_list:\s*(\S+)/.exec(readFileSync("/proc/self/status", "utf8"))[1];
  return Number(/\d+$/.exec(allowed)[0]);
}

/** One process of one contestant; gives the numbers that it prints. */
async function once(command, task, parameters, cpu) {
  const words = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  const args = [`${cpu}`, ...command, task, ...words, `child=${root}build/bench/child`];
  const { stdout } = await execute(`${root}build/bench/arena`, args, { cwd: root, timeout: MOST_MS, killSignal: "SIGKILL" });
  return JSON.parse(stdout);
}

/**
 * Answers a question: gives, for each row and contestant, its numbers, or why there are none.
 *
 * @param {import("./questions.mjs").Question} question
 * @param {{ rounds: number | undefined, cpu: number, say: (line: string) => void }} options
 */
export async function answer(question, { rounds, cpu, say }) {
  const present = contestants.map((contestant) => ({ ...contestant, found: contestant.find() }));
  const results = {};
  const failures = [];
  for (const { rows } of question.measurements) for (const { id } of rows) results[id] = {};
  const most = rounds ?? question.rounds ?? ROUNDS;
  for (let round = 0; round < most; round++) {
    for (const measurement of question.measurements) {
      const said = [];
      // Another one begins each time: nobody always runs in the wake of the same.
      for (let i = 0; i < present.length; i++) {
        const { id, title, warm, found } = present[(i + round) % present.length];
        const keep = (value) => {
          for (const row of measurement.rows) {
            if (typeof value === "string") results[row.id][id] = { absent: value };
            else results[row.id][id] = { samples: [...(results[row.id][id]?.samples ?? []), fourDigits(value[row.metric])] };
          }
        };
        const why = measurement.absent?.[id] ?? found.absent ?? results[measurement.rows[0].id][id]?.absent;
        if (why !== undefined) {
          keep(why);
          continue;
        }
        const parameters = { ...measurement.parameters };
        if (parameters.warm !== undefined) parameters.warm = Math.round(parameters.warm * warm);
        try {
          const numbers = await once(found.command, measurement.task, parameters, cpu);
          keep(numbers.absent ?? numbers);
          if (numbers.absent === undefined) {
            const [row] = measurement.rows;
            said.push(`${title} ${format(numbers[row.metric], row.unit)}`);
          }
        } catch (error) {
          failures.push(`${question.name}, ${measurement.rows[0].title}, ${title}: ${error.stderr || error.message}`);
          keep("it failed");
        }
      }
      say(`${question.name} ${round + 1}/${most}  ${measurement.rows[0].title}: ${said.join(", ")}`);
    }
  }
  return { results, failures };
}

/** What the numbers were made with. */
export function setting() {
  const versions = {};
  for (const { id, find } of contestants) {
    const { version } = find();
    if (version) versions[id] = version;
  }
  return {
    versions,
    kernel: /^\d+\.\d+/.exec(readFileSync("/proc/sys/kernel/osrelease", "utf8"))[0],
    architecture: process.arch,
    hugePages: /\[(\w+)\]/.exec(readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8"))[1],
  };
}

const fourDigits = (value) => Number(value.toPrecision(4));
