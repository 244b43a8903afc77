/**
 * docs/performance.md says what the kept results say, and the results are whole.
 */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

interface Row {
  id: string;
}
interface Question {
  name: string;
  measurements: { rows: Row[] }[];
}
type Results = Record<string, { rows: Record<string, Record<string, { samples?: number[]; absent?: string }>> }>;

const load = async <Module>(name: string): Promise<Module> => (await import(`${root}bench/harness/${name}.mjs`)) as Module;
const { questions } = await load<{ questions: Question[] }>("questions");
const { contestants } = await load<{ contestants: { id: string }[] }>("contestants");
const { readResults } = await load<{ readResults: (questions: Question[]) => Results }>("results");
const { report } = await load<{
  report: (questions: Question[], results: Results, document: string) => { text: string; plots: Record<string, string> };
}>("report");
const results = readResults(questions);

test("the tables and plots of docs/performance.md are made from bench/results/", () => {
  const document = readFileSync(`${root}docs/performance.md`, "utf8");
  const { text, plots } = report(questions, results, document);
  assert.equal(document, text);
  assert.deepEqual(readdirSync(`${root}docs/performance`).sort(), Object.keys(plots).sort());
  for (const [name, svg] of Object.entries(plots))
    assert.equal(readFileSync(`${root}docs/performance/${name}`, "utf8"), svg, name);
});

test("every row has numbers of every contestant, or the reason why there are none", () => {
  for (const { name, measurements } of questions) {
    for (const { id } of measurements.flatMap(({ rows }) => rows)) {
      const row = results[name]?.rows[id];
      assert.deepEqual(Object.keys(row ?? {}).sort(), contestants.map((one) => one.id).sort(), `${name}, ${id}`);
      for (const [contestant, { samples, absent }] of Object.entries(row ?? {})) {
        const about = `${name}, ${id}, ${contestant}`;
        if (absent === undefined) assert.ok(samples !== undefined && samples.length > 0 && samples.every(Number.isFinite), about);
        else assert.ok(samples === undefined && absent.length > 0 && absent !== "it failed", about);
      }
      assert.ok(row?.["brood"]?.samples !== undefined || row?.["brood"]?.absent?.includes("not offered"), `${name}, ${id}`);
    }
  }
});

test("every question is a file of bench/, and every result that is kept is a question's", () => {
  for (const { name } of questions) assert.ok(existsSync(`${root}bench/${name}.mjs`), name);
  const kept = readdirSync(`${root}bench/results`).map((file) => file.replace(/\.json$/, ""));
  assert.deepEqual(kept.sort(), [...questions.map(({ name }) => name), "soak", "instructions"].sort());
});
