/**
 * The numbers that are kept: bench/results/QUESTION.json.
 *
 * A question's rows, each with the run in which it was measured, and for each contestant its samples, one a round, or why
 * there are none; and those runs.
 */

import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { root } from "./contestants.mjs";

const pathOf = (name) => `${root}bench/results/${name}.json`;

/** What is measured by a command of its own, beside the questions. */
export const OTHERS = ["soak", "instructions"];

const read = (name) => JSON.parse(readFileSync(pathOf(name), "utf8"));

/**
 * Gives the results of these questions, and of what is measured beside them; nothing of what has not been measured yet.
 *
 * @param {import("./questions.mjs").Question[]} questions
 */
export function readResults(questions) {
  const names = [...questions.map(({ name }) => name), ...OTHERS].filter((name) => existsSync(pathOf(name)));
  return Object.fromEntries(names.map((name) => [name, read(name)]));
}

/** Keeps results, the samples of a contestant on one line. What is there is never half written. */
export function writeResults(name, results) {
  const oneLine = (key, value) => (key === "samples" ? `[${value.join(", ")}]` : value);
  const text = JSON.stringify(results, oneLine, 2)
    .replace(/"\[(.*?)\]"/g, "[$1]")
    .replace(/\{\s+("(?:spawns|samples|absent)"[^{}]*?)\s+\}/g, (_, inner) => `{ ${inner.replace(/\s+/g, " ")} }`);
  mkdirSync(`${root}bench/results`, { recursive: true });
  writeFileSync(`${pathOf(name)}.new`, `${text}\n`);
  renameSync(`${pathOf(name)}.new`, pathOf(name));
}

const fourDigits = (value) => Number(value.toPrecision(4));

/** The rows of one question, as this run finds them: each is kept as soon as there is something new. */
export class Results {
  #question;
  /** Of this run. */
  #cells = {};

  /** @param {import("./questions.mjs").Question} question */
  constructor(question) {
    this.#question = question;
  }

  /** Adds what all contestants have answered in one round. */
  add(measurement, answers) {
    for (const row of measurement.rows) {
      this.#cells[row.id] ??= {};
      const cells = this.#cells[row.id];
      for (const [id, { numbers, absent }] of Object.entries(answers)) {
        if (numbers !== undefined) cells[id] = { samples: [...(cells[id]?.samples ?? []), fourDigits(numbers[row.metric])] };
        // One that fails in a later round keeps its samples.
        else cells[id] ??= { absent };
      }
    }
  }

  /** Writes the file: rows that this run has not come to yet stay as they are. */
  save(setting) {
    const { name, measurements } = this.#question;
    const kept = existsSync(pathOf(name)) ? read(name) : { runs: {}, rows: {} };
    const rows = {};
    for (const { id } of measurements.flatMap((measurement) => measurement.rows)) {
      if (this.#cells[id] !== undefined) rows[id] = { run: setting.begun, cells: this.#cells[id] };
      else if (kept.rows[id] !== undefined) rows[id] = kept.rows[id];
    }
    const runs = { ...kept.runs, [setting.begun]: setting };
    for (const begun of Object.keys(runs)) {
      if (!Object.values(rows).some(({ run }) => run === begun)) delete runs[begun];
    }
    writeResults(name, { runs, rows });
  }
}
