/**
 * The numbers that are kept: bench/results/QUESTION.json.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { root } from "./contestants.mjs";

const pathOf = (name) => `${root}bench/results/${name}.json`;

/**
 * Gives the results of these questions.
 *
 * @param {import("./questions.mjs").Question[]} questions
 */
export function readResults(questions) {
  return Object.fromEntries(questions.map(({ name }) => [name, JSON.parse(readFileSync(pathOf(name), "utf8"))]));
}

/** Keeps the results of one question, the samples of a contestant on one line. */
export function writeResults(name, results) {
  const oneLine = (key, value) => (key === "samples" ? `[${value.join(", ")}]` : value);
  const text = JSON.stringify(results, oneLine, 2).replace(/"\[(.*?)\]"/g, "[$1]");
  mkdirSync(`${root}bench/results`, { recursive: true });
  writeFileSync(pathOf(name), `${text}\n`);
}
