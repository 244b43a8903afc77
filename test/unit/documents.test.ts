/**
 * The documents are true: their examples compile and run, their lists are complete.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FLAGS } from "#dist/cli/flags.js";
import { RUN_OPTION_NAMES } from "#dist/process/options.js";
import { STAGE_WORDS } from "#dist/program/operations.js";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string): string => readFileSync(root + path, "utf8");

const DOCUMENTS = [
  "README.md",
  ...readdirSync(`${root}docs`)
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];
const EXAMPLES = readdirSync(`${root}docs/examples`).filter((name) => name.endsWith(".ts"));

test("every example in a document is a file of docs/examples, word for word", () => {
  let found = 0;
  for (const document of DOCUMENTS) {
    for (const [, path, code] of read(document).matchAll(/<!-- (docs\/examples\/\S+) -->\n```ts\n(.*?)```/gs)) {
      assert.equal(code, read(path as string), `${path} in ${document}`);
      found++;
    }
  }
  assert.equal(found, EXAMPLES.length);
});

test("the README has no TypeScript besides its examples, and is short", () => {
  const readme = read("README.md");
  assert.equal(readme.match(/```ts/g)?.length, readme.match(/<!-- docs\/examples/g)?.length);
  assert.ok(readme.split("\n").length < 150);
});

for (const name of EXAMPLES) {
  test(`docs/examples/${name} runs, and prints what its comments say`, () => {
    const output = execFileSync(process.execPath, [`${root}build/examples/${name.replace(/ts$/, "js")}`], { encoding: "utf8" });
    for (const [, said] of read(`docs/examples/${name}`).matchAll(/console\.log\(.*\); \/\/ (.*)/g)) {
      const expected = (said as string).split(/(?<=^false): /)[0] as string;
      assert.ok(output.includes(`${expected}\n`), `${expected} in ${output}`);
    }
  });
}

test("docs/errors.md has every error class, code and stage of the code, and no other stage", () => {
  const text = read("docs/errors.md");
  const source = read("src/errors.ts");
  const classes = [...source.matchAll(/export class (\w+)/g)].map((match) => match[1]);
  const codes = [...source.matchAll(/"((?:ERR|ABORT_ERR)\w*)"/g), ...read("src/launch/failure.ts").matchAll(/"(ERR_\w+)"/g)].map(
    (match) => match[1],
  );
  assert.ok(classes.length >= 6 && codes.length >= 10);
  for (const name of [...classes, ...codes]) assert.ok(text.includes(`\`${name}\``), `${name} is missing`);
  const stages = text.slice(text.indexOf("### Stages"), text.indexOf("## Mistakes"));
  const listed = [...stages.matchAll(/^\| `(\w+)`\s*\|/gm)].map((match) => match[1]);
  assert.deepEqual(listed.sort(), Object.keys(STAGE_WORDS).sort());
});

test("docs/api.md has every option", () => {
  const text = read("docs/api.md");
  for (const name of RUN_OPTION_NAMES) assert.match(text, new RegExp(`\\| [^|]*\`${name}\``), name);
});

test("every flag that is named in a document exists", () => {
  const names = FLAGS.map((flag) => flag.name);
  for (const document of ["README.md", "docs/command.md"]) {
    for (const [, flag] of read(document).matchAll(/(?<![\w-])--([a-z][a-z0-9-]+)/g)) {
      assert.ok(names.includes(flag as string) || flag === "version", `--${flag} in ${document}`);
    }
  }
});

test("links between documents lead somewhere", () => {
  for (const document of DOCUMENTS) {
    const folder = document.includes("/") ? "docs/" : "";
    for (const [, target] of read(document).matchAll(/\]\((?!http|#)([^)#]+)[^)]*\)/g)) {
      if ((target as string).endsWith("/")) assert.ok(readdirSync(root + folder + target).length > 0);
      else assert.ok(read(folder + target).length > 0, `${target} in ${document}`);
    }
  }
});

test("decisions are numbered, each number once, and their titles say it", () => {
  const names = readdirSync(`${root}docs/decisions`).sort();
  names.forEach((name, i) => {
    assert.ok(name.startsWith(`${String(i + 1).padStart(4, "0")}-`), name);
    assert.match(read(`docs/decisions/${name}`), new RegExp(`^# ${i + 1}\\. `), name);
  });
});
