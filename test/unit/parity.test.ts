/**
 * docs/parity.md is complete: every behaviour of every system has a row, and every row a test that shows it.
 */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** Each system: its heading, the letter of its ids, its folder, and how many rows there are at least. */
const SYSTEMS = [
  { heading: "CPython", letter: "P", folder: "posixsubprocess", rows: 16 },
  { heading: "libuv", letter: "L", folder: "libuv", rows: 14 },
  { heading: "uvloop", letter: "U", folder: "uvloop", rows: 21 },
  { heading: "Twisted", letter: "T", folder: "twisted", rows: 15 },
  { heading: "rsyscall", letter: "R", folder: "rsyscall", rows: 17 },
] as const;

/** Rows whose tests are still to come. */
const PENDING: readonly string[] = [];

interface Row {
  id: string;
  behaviour: string;
  brood: string;
  files: string[];
}

const document = readFileSync(`${root}docs/parity.md`, "utf8");

function rowsOf(heading: string): Row[] {
  const [, section] = document.split(new RegExp(`^## ${heading}$`, "m"));
  assert.ok(section !== undefined, `docs/parity.md has no section ${heading}`);
  const [text] = section.split(/^## /m) as [string];
  return [...text.matchAll(/^\| ([A-Z]\d+) \| (.*) \| (.*) \| ?(.*?) ?\|$/gm)].map(([, id, behaviour, brood, tests]) => ({
    id: id as string,
    behaviour: behaviour as string,
    brood: brood as string,
    files: [...(tests as string).matchAll(/`([^`]+)`/g)].map(([, file]) => file as string),
  }));
}

/** Tests that follow a system's own suite, which has more than the rows. */
const isPorted = (path: string): boolean => path.includes("/ported");

/** The ids that the titles of a test file begin with: "P1, P2: ..." */
function idsOf(path: string): string[][] {
  return [...readFileSync(path, "utf8").matchAll(/\btest\(\s*(["'`])((?:(?!\1)[\s\S])*)\1/g)].map(([, , title]) => {
    const [, ids] = /^([A-Z]\d+(?:, [A-Z]\d+)*): /.exec(title as string) ?? [];
    if (ids === undefined && isPorted(path)) return [];
    assert.ok(ids !== undefined, `${path}: the title ${JSON.stringify(title)} begins with no id of a row`);
    return ids.split(", ");
  });
}

for (const { heading, letter, folder, rows: least } of SYSTEMS) {
  const directory = `${root}test/conformance/${folder}`;
  const rows = rowsOf(heading);

  test(`${heading}: the table has a row for each behaviour, numbered without a gap`, () => {
    assert.ok(rows.length >= least, `${rows.length} of ${least} rows`);
    assert.deepEqual(
      rows.map(({ id }) => id),
      rows.map((_, i) => `${letter}${i + 1}`),
    );
    for (const { id, behaviour, brood } of rows) assert.ok(behaviour.trim() !== "" && brood.trim() !== "", id);
  });

  test(`${heading}: every row names a test that is there, but for those that are still to come`, () => {
    for (const { id, files } of rows) {
      if (files.length === 0) {
        assert.ok(PENDING.includes(id), `${id} has no test`);
        continue;
      }
      assert.ok(!PENDING.includes(id), `${id} has a test: take it off PENDING`);
      for (const file of files) {
        assert.ok(existsSync(`${directory}/${file}`), `${id} names ${folder}/${file}, which does not exist`);
        assert.ok(idsOf(`${directory}/${file}`).flat().includes(id), `no test of ${folder}/${file} has ${id} in its title`);
      }
    }
  });

  test(`${heading}: every test is of a row`, () => {
    const files = existsSync(directory) ? readdirSync(directory).filter((name) => name.endsWith(".test.ts")) : [];
    const known = SYSTEMS.flatMap((system) => rowsOf(system.heading)).map(({ id }) => id);
    for (const file of files) {
      for (const id of idsOf(`${directory}/${file}`).flat()) {
        assert.ok(known.includes(id), `${folder}/${file} has a test of ${id}, which docs/parity.md lacks`);
      }
    }
  });
}

test("what is still to come are rows", () => {
  const ids = SYSTEMS.flatMap(({ heading }) => rowsOf(heading)).map(({ id }) => id);
  for (const id of PENDING) assert.ok(ids.includes(id), id);
});
