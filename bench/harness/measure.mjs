/**
 * Runs contestants, each in a fresh process on one CPU, one after the other.
 */

import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { contestants, contestantsOf, root } from "./contestants.mjs";
import { format } from "./numbers.mjs";

const execute = promisify(execFile);
/** How long one process may take. What would hang is ended, with all that it has started. */
const MOST_MS = 60_000;
const OUT = `${root}build/bench/`;

const list = (key) => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(readFileSync("/proc/self/status", "utf8"))[1];

/** The last CPU that we may use: the first has most of the interrupts. */
export function lastCPU() {
  return Number(/\d+$/.exec(list("Cpus_allowed_list"))[0]);
}

/** One process of one contestant; gives the numbers that it prints. */
async function once(command, task, parameters, cpu) {
  const words = Object.entries(parameters).map(([key, value]) => `${key}=${value}`);
  const files = [`child=${OUT}child`, `lease=${OUT}lease`, `copy=${OUT}slow-child`];
  const args = [`${cpu}`, ...command, task, ...words, ...files];
  const { stdout } = await execute(`${OUT}arena`, args, { cwd: root, timeout: MOST_MS, killSignal: "SIGKILL" });
  return JSON.parse(stdout);
}

const found = new Map();

/** Looked for once. */
function find(contestant) {
  if (!found.has(contestant.id)) found.set(contestant.id, contestant.find());
  return found.get(contestant.id);
}

/**
 * Asks all contestants once. Gives for each its numbers by name, or why there are none; and what has failed.
 *
 * @param {import("./questions.mjs").Question} question
 * @param {import("./questions.mjs").Measurement} measurement
 * @param {{ round: number, cpu: number, out: Map<string, string> }} options `out`: those that have failed, and are not asked
 * again, and why.
 */
export async function ask(question, measurement, { round, cpu, out }) {
  const asked = contestantsOf(question);
  const answers = {};
  const failures = [];
  const said = [];
  // Another one begins each time: nobody always runs in the wake of the same.
  for (let i = 0; i < asked.length; i++) {
    const contestant = asked[(i + round) % asked.length];
    const { id } = contestant;
    const { command, absent } = find(contestant);
    const why = measurement.absent?.[id] ?? absent;
    const [row] = measurement.rows;
    const name = `${question.name}/${row.id}/${id}`;
    if (why !== undefined || out.has(name)) {
      answers[id] = { absent: why ?? out.get(name) };
      continue;
    }
    const parameters = { ...contestant.parameters, ...measurement.parameters };
    if (parameters.warm !== undefined) parameters.warm = Math.round(parameters.warm * contestant.warm);
    try {
      const numbers = await once(command, measurement.task, parameters, cpu);
      answers[id] = numbers.absent === undefined ? { numbers } : { absent: numbers.absent };
      if (numbers.absent === undefined) said.push(`${id} ${format(numbers[row.metric], row.unit)}`);
    } catch (error) {
      const absent = error.killed ? `it takes more than ${MOST_MS / 1000} s` : "it failed";
      failures.push(`${name}: ${error.killed ? absent : error.stderr?.trim() || error.message}`);
      out.set(name, absent);
      answers[id] = { absent };
    }
  }
  return { answers, failures, said: `${measurement.rows[0].title}: ${said.join(", ")}` };
}

/** Jiffies of each CPU: all, those in which it did something, and those that the host of a virtual machine took. */
function jiffies() {
  const lines = readFileSync("/proc/stat", "utf8").matchAll(/^cpu(\d+) (.*)$/gm);
  return [...lines].map(([, cpu, numbers]) => {
    const [user, nice, system, idle, iowait, irq, softirq, steal] = numbers.split(" ").map(Number);
    const busy = user + nice + system + irq + softirq;
    return { cpu: Number(cpu), busy, steal, all: busy + idle + iowait + steal };
  });
}

const percent = (part, whole) => (whole === 0 ? 0 : Math.round((1000 * part) / whole) / 10);

/**
 * Begins a run; gives what tells with what its numbers were made: versions, kernel, and how quiet it was.
 *
 * @param {number} cpu The CPU that is measured on.
 */
export function beginRun(cpu) {
  const begun = new Date();
  const before = jiffies();
  const versions = {};
  for (const contestant of contestants) {
    const { version } = find(contestant);
    if (version) versions[contestant.id] = version;
  }
  return (rounds) => {
    const passed = jiffies().map((now, i) => ({
      cpu: now.cpu,
      busy: now.busy - before[i].busy,
      steal: now.steal - before[i].steal,
      all: now.all - before[i].all,
    }));
    const sum = (counts, key) => counts.reduce((total, count) => total + count[key], 0);
    const others = passed.filter((count) => count.cpu !== cpu);
    return {
      begun: begun.toISOString().slice(0, 16),
      rounds,
      minutes: Math.round((Date.now() - begun.getTime()) / 6000) / 10,
      otherCPUsBusy: percent(sum(others, "busy"), sum(others, "all")),
      stolen: percent(sum(passed, "steal"), sum(passed, "all")),
      versions,
      kernel: /^\d+\.\d+/.exec(readFileSync("/proc/sys/kernel/osrelease", "utf8"))[0],
      architecture: process.arch,
      hugePages: /\[(\w+)\]/.exec(readFileSync("/sys/kernel/mm/transparent_hugepage/enabled", "utf8"))[1],
    };
  };
}
