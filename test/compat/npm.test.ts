/**
 * npm under registration: its own process, the shells of its scripts, and the npm and node processes below them.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { outcome } from "../helpers/engines.js";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

const REGISTER = import.meta.resolve("brood/register");
/** Each process says which engine it is on: a child that brood has spawned has it. */
const TELL = `const cp = require("node:child_process");
  const [what] = process.argv.slice(2);
  const child = cp.spawn("true", { stdio: "ignore" });
  child.on("exit", (code) => {
    console.log(what, process.env.npm_lifecycle_event, child.brood !== undefined, code);
    if (what === "fails") process.exitCode = 3;
    if (what === "killed") process.kill(process.pid, "SIGKILL");
  });`;

const SCRIPTS = {
  preinstall: "node tell.cjs before",
  postinstall: "node tell.cjs after",
  pretest: "node tell.cjs before",
  test: "node tell.cjs itself && npm run --silent build && npm run --silent failing",
  posttest: "node tell.cjs never",
  prebuild: "node tell.cjs before",
  build: 'node tell.cjs itself && echo "$npm_package_name" | cat',
  postbuild: "node tell.cjs after",
  failing: "node tell.cjs killed || node tell.cjs fails",
};

/** The npm that came with this Node, or else the first of PATH. */
function npmPath(): string {
  const directories = [dirname(process.execPath), ...(process.env["PATH"] ?? "").split(delimiter)];
  const found = directories.map((directory) => `${directory}/npm`).find((path) => existsSync(path));
  assert.ok(found, "there is no npm beside node, nor on PATH");
  return realpathSync(found);
}

/** Runs a command of npm's; gives what it and its scripts wrote, and how it ended. */
async function npm(directory: string, args: string[], importing: string): Promise<{ stdout: string; code: number | null }> {
  const env = {
    PATH: `${dirname(process.execPath)}${delimiter}${process.env["PATH"]}`,
    HOME: directory,
    NODE_OPTIONS: importing,
    npm_config_audit: "false",
    npm_config_cache: `${directory}/cache`,
    npm_config_fund: "false",
    npm_config_offline: "true",
    npm_config_update_notifier: "false",
  };
  const npmItself = spawn(process.execPath, [npmPath(), "--silent", ...args], {
    cwd: directory,
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const { stdout, code } = await outcome(npmItself);
  return { stdout, code };
}

for (const [name, importing, ours] of [
  ["without registration", "", false],
  ["with registration", `--import ${REGISTER}`, true],
] as const) {
  test(`npm ci, npm test and the npm that it starts are the same ${name}`, async () => {
    using files = new TemporaryFiles();
    const { directory } = files;
    const about = { name: "some-package", version: "1.2.3" };
    files.write("tell.cjs", TELL);
    files.write("package.json", JSON.stringify({ ...about, scripts: SCRIPTS }));
    files.write("package-lock.json", JSON.stringify({ ...about, lockfileVersion: 3, packages: { "": about } }));
    const told = (...lines: string[]): string => lines.map((line) => `${line.replace("#", `${ours} 0`)}\n`).join("");
    assert.deepEqual(await npm(directory, ["ci", "--foreground-scripts"], importing), {
      stdout: told("before preinstall #", "after postinstall #"),
      code: 0,
    });
    assert.deepEqual(await npm(directory, ["test"], importing), {
      stdout: told(
        "before pretest #",
        "itself test #",
        "before prebuild #",
        "itself build #",
        "some-package",
        "after postbuild #",
        "killed failing #",
        "fails failing #",
      ),
      code: 3,
    });
  });
}
