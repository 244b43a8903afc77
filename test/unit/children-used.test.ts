/**
 * The programs of test/children: each is started by some test, and each that a test starts is there.
 */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const directory = fileURLToPath(new URL("./test/", import.meta.resolve("brood/package.json")));
const children = readdirSync(`${directory}children`).filter((name) => name !== "Makefile");
/** As childPath() calls them. */
const names = children.map((name) => name.replace(/\.c$/, ""));

const tests = readdirSync(directory, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path, text: readFileSync(`${directory}${path}`, "utf8") }));

test("every file there is a C program or a shell script", () => {
  for (const name of children) assert.match(name, /^[a-z0-9_-]+\.(c|sh)$/);
});

test("every child is named by some test", () => {
  const unused = names.filter((name) => !tests.some(({ text }) => text.includes(`"${name}"`)));
  assert.deepEqual(unused, []);
});

test("every child that a test names is there", () => {
  const missing = tests.flatMap(({ path, text }) =>
    [...text.matchAll(/\bchildPath\("([^"]+)"\)/g)]
      .map(([, name]) => name as string)
      .filter((name) => !names.includes(name))
      .map((name) => `${path}: ${name}`),
  );
  assert.deepEqual(missing, []);
});
