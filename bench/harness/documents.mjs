/**
 * Writes what is made from the results: the tables of the documents and the plots.
 */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { root } from "./contestants.mjs";
import { documentOf, PERFORMANCE, report } from "./report.mjs";
import { readResults } from "./results.mjs";

const PLOTS = `${root}docs/performance/`;

/** Gives the documents that have generated parts, as they are, by path. */
export function readDocuments(questions) {
  const paths = new Set([PERFORMANCE, ...questions.map(documentOf)]);
  return Object.fromEntries([...paths].map((path) => [path, readFileSync(root + path, "utf8")]));
}

/** @param {import("./questions.mjs").Question[]} questions */
export function writeDocuments(questions) {
  const { documents, plots } = report(questions, readResults(questions), readDocuments(questions));
  for (const [path, text] of Object.entries(documents)) writeFileSync(root + path, text);
  rmSync(PLOTS, { recursive: true, force: true });
  mkdirSync(PLOTS);
  for (const [name, svg] of Object.entries(plots)) writeFileSync(PLOTS + name, svg);
}
