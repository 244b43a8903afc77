/**
 * The numbers that are kept: bench/results/QUESTION.json.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { root } from "./contestants.mjs";

const pathOf = (name) => `${root}bench/results/${name}.json`;

/** What is measured by a command of its own, beside the questions. */
const OTHERS = ["soak", "instructions"];

/**
 * Gives the results of these questions, and of what is measured beside them.
 *
 * @param {import("./questions.mjs").Question[]} questions
 */
export function readResults(questions) {
  const names = [...questions.map(({ name }) => name), ...OTHERS];
  return Object.fromEntries(names.map((name) => [name, JSON.parse(readFileSync(pathOf(name), "utf8"))]));
}

/** Keeps the results of one question, the samples of a contestant on one line. */
export function writeResults(name, results) {
  const oneLine = (key, value) => (key === "samples" ? `[${value.join(", ")}]` : value);
  const text = JSON.stringify(results, oneLine, 2)
    .replace(/"\[(.*?)\]"/g, "[$1]")
    .replace(/\{\s+("spawns"[^{}]*?)\s+\}/g, (_, point) => `{ ${point.replace(/\s+/g, " ")} }`);
  mkdirSync(`${root}bench/results`, { recursive: true });
  writeFileSync(pathOf(name), `${text}\n`);
}
