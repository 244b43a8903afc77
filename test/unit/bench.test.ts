/**
 * docs/performance.md says what the kept results say, and the results are whole.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
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
interface Cell {
  samples?: number[];
  absent?: string;
}
interface Result {
  runs: Record<string, object>;
  rows: Record<string, { run: string; cells: Record<string, Cell> }>;
}
type Results = Record<string, Result>;
type Documents = Record<string, string>;

const load = async <Module>(name: string): Promise<Module> => (await import(`${root}bench/harness/${name}.mjs`)) as Module;
const { questions } = await load<{ questions: Question[] }>("questions");
const { contestantsOf } = await load<{ contestantsOf: (question: Question) => { id: string }[] }>("contestants");
const { readResults, OTHERS } = await load<{ readResults: (questions: Question[]) => Results; OTHERS: string[] }>("results");
const { readDocuments } = await load<{ readDocuments: (questions: Question[]) => Documents }>("documents");
const { report } = await load<{
  report: (
    questions: Question[],
    results: Results,
    documents: Documents,
  ) => { documents: Documents; plots: Record<string, string> };
}>("report");
const { targets, targetTable } = await load<{ targets: object[]; targetTable: (results: Results) => string[][] }>("targets");
const results = readResults(questions);

test("the tables and plots of the documents are made from bench/results/", () => {
  const before = readDocuments(questions);
  const { documents, plots } = report(questions, results, before);
  for (const [path, text] of Object.entries(documents)) assert.equal(before[path], text, path);
  assert.deepEqual(readdirSync(`${root}docs/performance`).sort(), Object.keys(plots).sort());
  for (const [name, svg] of Object.entries(plots))
    assert.equal(readFileSync(`${root}docs/performance/${name}`, "utf8"), svg, name);
});

test("every row has numbers of every contestant, or the reason why there are none", () => {
  for (const question of questions) {
    const { name, measurements } = question;
    for (const { id } of measurements.flatMap(({ rows }) => rows)) {
      const row = results[name]?.rows[id];
      assert.ok(row !== undefined, `${name}, ${id}`);
      assert.ok(results[name]?.runs[row.run] !== undefined, `${name}, ${id}: its run`);
      assert.deepEqual(
        Object.keys(row.cells).sort(),
        contestantsOf(question)
          .map((one) => one.id)
          .sort(),
        `${name}, ${id}`,
      );
      for (const [contestant, { samples, absent }] of Object.entries(row.cells)) {
        const about = `${name}, ${id}, ${contestant}`;
        if (absent === undefined) assert.ok(samples !== undefined && samples.length > 0 && samples.every(Number.isFinite), about);
        else assert.ok(samples === undefined && absent.length > 0 && absent !== "it failed", about);
      }
      assert.ok(
        Object.values(row.cells).some(({ samples }) => samples !== undefined),
        `${name}, ${id}: nobody has numbers`,
      );
    }
  }
});

test("every question is a file of bench/, and every result that is kept is a question's", () => {
  for (const { name } of questions) assert.ok(existsSync(`${root}bench/${name}.mjs`), name);
  const kept = readdirSync(`${root}bench/results`).map((file) => file.replace(/\.json$/, ""));
  assert.deepEqual(kept.sort(), [...questions.map(({ name }) => name), ...OTHERS].sort());
});

test("what is counted in instructions can be done", () => {
  const { counts } = JSON.parse(readFileSync(`${root}bench/results/instructions.json`, "utf8")) as { counts: object };
  for (const part of Object.keys(counts)) execFileSync(process.execPath, [`${root}bench/instructions.mjs`, "--round", part, "1"]);
});

test("every target is about rows that there are, and its verdict follows from the numbers", () => {
  const whole = (value: number): Results =>
    Object.fromEntries<unknown>([
      ["soak", { points: Array.from({ length: 8 }, () => ({ rssMiB: value, heapKiB: value, fds: value, p50: value })) }],
      ...questions.map((question): [string, unknown] => [
        question.name,
        {
          runs: {},
          rows: Object.fromEntries(
            question.measurements
              .flatMap(({ rows }) => rows)
              .map(({ id }) => [
                id,
                { run: "", cells: Object.fromEntries(contestantsOf(question).map((one) => [one.id, { samples: [value] }])) },
              ]),
          ),
        },
      ]),
    ]) as Results;
  const [head, ...lines] = targetTable(whole(1));
  assert.equal(head?.length, 4);
  assert.equal(lines.length, targets.length);
  for (const [what, aim, measured, verdict] of lines) {
    // All medians are 1, and so is each ratio.
    assert.match(measured as string, /^1\.00/, what);
    const [, sign, bound] = /^(\S) ([\d.]+)/.exec(aim as string) as RegExpExecArray;
    const holds =
      sign === "≤" ? 1 <= Number(bound) : sign === "≥" ? 1 >= Number(bound) : sign === "<" ? 1 < Number(bound) : false;
    assert.equal(verdict, holds ? "met" : "**missed**", what);
  }
  for (const [what, , measured, verdict] of targetTable({}).slice(1)) {
    assert.deepEqual([measured, verdict], ["–", "not measured"], what);
  }
});
