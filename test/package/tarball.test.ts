/**
 * What users install: the packed tarball, in an empty project, by an ordinary `npm install` that runs no script.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"));
const entries = Object.keys(manifest.exports)
  .filter((key) => key !== "./package.json")
  .map((key) => key.replace(/^\./, manifest.name));

let project: string;
const execute = (file: string, args: readonly string[]): string =>
  execFileSync(file, args, { cwd: project, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

before(() => {
  project = mkdtempSync(join(tmpdir(), "brood-package-"));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "user", type: "module", private: true }));
  // Its own build has been done: --ignore-scripts keeps `prepare` from doing it again under the running tests.
  execFileSync("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", project], { cwd: root });
  const tarball = readdirSync(project).find((name) => name.endsWith(".tgz")) as string;
  execute("npm", ["install", "--silent", "--offline", "--ignore-scripts", "--no-audit", "--no-fund", join(project, tarball)]);
});

after(() => rmSync(project, { recursive: true, force: true }));

test("the package brings no other package along", () => {
  assert.deepEqual(
    readdirSync(join(project, "node_modules")).filter((name) => !name.startsWith(".")),
    [manifest.name],
  );
});

test("the package has what it needs, and nothing of the development", () => {
  const names = readdirSync(join(project, "node_modules", manifest.name)).sort();
  assert.deepEqual(
    names.filter((name) => !["LICENSE", "README.md", "package.json"].includes(name)),
    [...manifest.files].sort(),
  );
  assert.ok(readdirSync(join(project, "node_modules", manifest.name, "prebuilds")).length > 0);
});

for (const entry of entries) {
  test(`${entry} can be imported, and exports something`, () => {
    const program = `const m = await import("${entry}"); console.log(Object.keys(m).length > 0)`;
    assert.equal(execute(process.execPath, ["--input-type=module", "-e", program]), "true\n");
  });
}

test("a child is started from the installed package", () => {
  const program = `import { run } from "${manifest.name}"; console.log((await run("echo", ["started"])).stdout.trim())`;
  assert.equal(execute(process.execPath, ["--input-type=module", "-e", program]), "started\n");
});

test("the installed command runs", () => {
  assert.equal(execute("npx", ["--offline", "brood", "run", "--", "echo", "by the command"]), "by the command\n");
});

test("an editor is shown nothing that is internal", () => {
  const dist = join(project, "node_modules", manifest.name, "dist");
  const types = readdirSync(dist, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".d.ts"));
  assert.ok(types.length > 0);
  for (const path of types) assert.doesNotMatch(readFileSync(join(dist, path), "utf8"), /@internal/, path);
});

test("the installed types serve a strict program, by each way of finding modules", () => {
  const imports = entries.map(
    (entry, i) => `import * as entry${i} from "${entry}";\nexport const names${i} = Object.keys(entry${i});`,
  );
  const use = `import { run } from "${manifest.name}";\nexport const text: Promise<string> = run("true").then(({ stdout }) => stdout);`;
  mkdirSync(join(project, "source"), { recursive: true });
  writeFileSync(join(project, "source/use.ts"), [...imports, use].join("\n"));
  const types = ["--types", "node", "--typeRoots", `${root}node_modules/@types`];
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ] as const) {
    const options = ["--strict", "--noEmit", "--target", "es2022", "--module", module, "--moduleResolution", resolution];
    execute(`${root}node_modules/.bin/tsc`, [...options, ...types, "source/use.ts"]);
  }
});
