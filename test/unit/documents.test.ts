/**
 * The documents are true: their examples compile and run, their lists are complete.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { FLAGS } from "#dist/cli/flags.js";
import { ADDED_OPTION_NAMES } from "#dist/compat/added-options.js";
import { CREATE_OPTION_NAMES, HOST_OPTION_NAMES, SPAWN_ASYNC_OPTION_NAMES } from "#dist/host/options.js";
import { FORK_EXEC_OPTION_NAMES } from "#dist/posix/fork-exec.js";
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
const EVERY_DOCUMENT = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...readdirSync(`${root}docs`, { recursive: true, encoding: "utf8" })
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

/** Text without its fenced blocks and code spans, where nothing is a link or a heading. */
const prose = (text: string): string =>
  text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()#]/g, ""));

/** The anchors of a document's headings, as they are made where it is shown. */
function anchorsOf(path: string): Set<string> {
  const headings = [
    ...read(path)
      .replace(/^```.*?^```/gms, "")
      .matchAll(/^#+ (.*)$/gm),
  ].map(([, heading]) => heading as string);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w -]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("links between documents lead somewhere, and to a heading that is there", () => {
  let anchors = 0;
  for (const document of EVERY_DOCUMENT) {
    for (const [, target = "", anchor] of prose(read(document)).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)/g)) {
      const path = target === "" ? document : join(dirname(document), target);
      assert.ok(existsSync(root + path), `${target} in ${document}`);
      if (anchor === undefined) continue;
      assert.ok(anchorsOf(path).has(anchor), `${target}#${anchor} in ${document}`);
      anchors++;
    }
  }
  assert.ok(anchors > 10);
});

test("every document can be reached from the README", () => {
  const reached = new Set(["README.md"]);
  for (const document of reached) {
    for (const [, target = ""] of prose(read(document)).matchAll(/\]\((?!https?:)([^)#\s]+)[^)]*\)/g)) {
      const path = join(dirname(document), target);
      if (path.endsWith(".md")) reached.add(path);
      if (path.endsWith("/")) for (const name of readdirSync(root + path)) if (name.endsWith(".md")) reached.add(path + name);
    }
  }
  assert.deepEqual(
    EVERY_DOCUMENT.filter((document) => !reached.has(document)),
    [],
  );
});

/** The rows of a document's tables whose first cell has that name, in code. */
const hasRow = (text: string, name: string): boolean => new RegExp(`^\\| [^|]*\\b${name}\\b`, "m").test(text);

test("the pages of the other entries have every option", () => {
  const posix = read("docs/posix.md");
  for (const name of FORK_EXEC_OPTION_NAMES) assert.ok(hasRow(posix, name), `${name} in docs/posix.md`);
  const host = read("docs/host.md");
  for (const name of [...HOST_OPTION_NAMES, ...CREATE_OPTION_NAMES])
    assert.ok(host.includes(`\`${name}\``), `${name} in docs/host.md`);
  const register = read("docs/register.md");
  for (const name of ADDED_OPTION_NAMES) assert.ok(register.includes(`\`${name}\``), `${name} in docs/register.md`);
  const api = read("docs/api.md");
  for (const name of SPAWN_ASYNC_OPTION_NAMES) assert.ok(hasRow(api, name), `${name} in docs/api.md`);
});

/** The public members of a class, with whether each has a comment, from what an editor reads. */
function membersOf(path: string, name: string): { member: string; comment: string | undefined }[] {
  const text = read(`dist/${path}.d.ts`);
  const body = new RegExp(`^(?:export )?declare (?:abstract )?class ${name}\\b.*?\\{$(.*?)^\\}`, "ms").exec(text)?.[1];
  assert.ok(body !== undefined, `class ${name} in ${path}`);
  const pattern = /^ {4}(?:(\/\*\*(?:(?!\*\/).)*\*\/)\s+)?(?:static |readonly |get )*(\[[\w.]+\]|\w+)[?(<:]/gms;
  const members = [...body.matchAll(pattern)].map(([, comment, member]) => ({ member: member as string, comment }));
  // An overload after the first one has the first one's.
  return members.filter(
    ({ member, comment }, i) => member !== "constructor" && !comment?.includes("@internal") && members[i - 1]?.member !== member,
  );
}

const CLASSES: [path: string, name: string, document: string][] = [
  ["process/child", "ChildWith", "docs/api.md"],
  ["process/monitor", "Monitor", "docs/watching.md"],
  ["process/watched-process", "WatchedProcess", "docs/watching.md"],
  ["host/spawn-host", "SpawnHost", "docs/host.md"],
  ["host/steps", "Steps", "docs/direct-style.md"],
  ["host/embryo", "Embryo", "docs/direct-style.md"],
  ["protocol/process-transport", "ProcessTransport", "docs/protocol.md"],
  ["protocol/pipe-transport", "PipeTransport", "docs/protocol.md"],
];

for (const [path, name, document] of CLASSES) {
  test(`every public member of ${name} has a doc comment, and is in ${document}`, () => {
    const text = read(document);
    const members = membersOf(path, name);
    assert.ok(members.length >= 3);
    for (const { member, comment } of members) {
      assert.ok(comment !== undefined, `${name}.${member} has no comment`);
      if (member === "toJSON" || member === "[inspect.custom]") continue;
      assert.ok(text.includes(member.replace(/[[\]]/g, "")), `${name}.${member} in ${document}`);
    }
  });
}

test("every public option has a doc comment", () => {
  let found = 0;
  for (const path of [
    "program/options",
    "process/options",
    "contain/options",
    "host/options",
    "posix/fork-exec",
    "posix/signals",
    "posix/waitid",
  ]) {
    for (const [, name, body] of read(`dist/${path}.d.ts`).matchAll(/^export interface (\w+Options)\b.*?\{$(.*?)^\}/gms)) {
      for (const [, comment, option] of (body as string).matchAll(/^ {4}(?:(\/\*\*(?:(?!\*\/).)*\*\/)\s+)?(\w+)\?: /gms)) {
        assert.ok(comment !== undefined, `${name}.${option} has no comment`);
        found++;
      }
    }
  }
  assert.ok(found > 60);
});

test("docs/errors.md has every feature of an UnsupportedError", () => {
  const text = read("docs/errors.md");
  const features = readdirSync(`${root}src`, { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => [...read(`src/${path}`).matchAll(/new UnsupportedError\(\s*"([\w-]+)"/g)].map(([, feature]) => feature));
  assert.ok(features.length > 10);
  for (const feature of features) assert.match(text, new RegExp(`^\\| [^|]*\`${feature}\``, "m"), feature);
});

test("the map of docs/architecture.md has every C file and every folder of src", () => {
  const map = /```\n(native\/.*?)```/s.exec(read("docs/architecture.md"))?.[1] ?? "";
  const sources = readdirSync(`${root}native`).filter((name) => /^(?!exports_|convert|sys_fault).*\.c$/.test(name));
  const folders = readdirSync(`${root}src`, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  assert.ok(sources.length > 20 && folders.length > 8);
  for (const name of [...sources, ...folders.map((folder) => `${folder.name}/`)]) {
    assert.match(map, new RegExp(`(^|[\\s,;])${name}`, "m"), name);
  }
});

test("decisions are numbered, each number once, and their titles say it", () => {
  const names = readdirSync(`${root}docs/decisions`).sort();
  names.forEach((name, i) => {
    assert.ok(name.startsWith(`${String(i + 1).padStart(4, "0")}-`), name);
    assert.match(read(`docs/decisions/${name}`), new RegExp(`^# ${i + 1}\\. `), name);
  });
});
