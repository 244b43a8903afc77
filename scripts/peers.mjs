/**
 * Runs the test suites of packages that live on node:child_process, on Node's own engine and with `brood/register`,
 * and tells what fails with it alone. Development only; it downloads nothing, but runs checkouts:
 *
 *     node scripts/peers.mjs [--node PATH]... [--only PATTERN] [--quick] execa=DIR cross-spawn=DIR tree-kill=DIR zx=DIR
 *
 * DIR has the package's sources with its tests, and in node_modules what these need (`npm install --ignore-scripts`).
 * zx needs its `build`, too, as it is in the published package. CI=1 has execa start 10 children at once instead of 100.
 * `--quick` runs on Node's own engine only those parts in which something has failed registered. Standard error tells
 * of each part as it ends, the table goes to standard output.
 */

import { execFileSync, spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { delimiter, dirname } from "node:path";
import { parseArgs } from "node:util";

/** For one part, on one side. */
const MOST_MS = 300_000;
const REGISTER = import.meta.resolve("../dist/bundle/register.mjs");
/** Both sides have a NODE_OPTIONS of the same shape: some tests look at it. */
const IMPORTS = { without: "data:text/javascript,", with: REGISTER };

/** @throws Error where a Node would not be registered: both sides would be the same. */
function checkRegisters(node) {
  const asked = 'Symbol.for("brood.register") in require("node:child_process").ChildProcess.prototype.spawn';
  for (const [side, expected] of [
    ["without", "false"],
    ["with", "true"],
  ]) {
    const told = execFileSync(node, ["--import", IMPORTS[side], "--print", asked], { encoding: "utf8" }).trim();
    if (told !== expected) throw new Error(`${node} ${side} registration: that it is registered is ${told}`);
  }
}

const files = (directory, pattern) =>
  readdirSync(directory, { recursive: true })
    .filter((name) => pattern.test(name) && !/(^|\/)(node_modules|fixtures|helpers|bench|smoke|it)\//.test(name))
    .map((name) => `${directory}/${name}`)
    .sort();

/** One command for each part: what hangs takes no more than its part along. */
const PEERS = {
  execa: (directory) =>
    files(`${directory}/test`, /\.js$/).map((file) => [
      "node_modules/ava/entrypoints/cli.mjs",
      "--tap",
      "--serial",
      "--concurrency=1",
      file,
    ]),
  "cross-spawn": () => [["node_modules/jest/bin/jest.js", "--env=node", "--transform={}", "--verbose"]],
  "tree-kill": () => [["node_modules/mocha/bin/mocha.js", "--exit", "--reporter=tap"]],
  // deps downloads packages from several registries.
  zx: (directory) => files(`${directory}/test`, /(?<!all|deps|export)\.test\.js$/).map((file) => ["--test-reporter=tap", file]),
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { node: { type: "string", multiple: true }, only: { type: "string", default: "" }, quick: { type: "boolean" } },
});

/** TAP (nested, too), and the lines of jest. */
const RESULT = /^ *(?:(?<word>ok|not ok) \d+ (?:- )?|(?<sign>[✓✕]) )(?<title>.*?)(?: \([\d.]+ m?s\))?$/gm;

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** Runs one part of a suite; gives the titles of its tests, by whether they passed. */
async function runPart(directory, node, args, importing) {
  const child = spawn(node, args, {
    cwd: directory,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
    env: {
      ...process.env,
      NO_COLOR: "1",
      FORCE_COLOR: "0",
      PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
      NODE_OPTIONS: `--import=${importing}`,
    },
  });
  const closed = new Promise((resolve, reject) =>
    child.on("close", (code, signal) => resolve(signal ?? code)).on("error", reject),
  );
  const killGroup = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It is empty.
    }
  };
  process.once("exit", killGroup);
  const timer = setTimeout(killGroup, MOST_MS);
  // Children that a suite has left behind hold its output.
  child.on("exit", () => {
    clearTimeout(timer);
    process.off("exit", killGroup);
    killGroup();
  });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (chunk) => (text += chunk));
  const end = await closed;
  const part = args.at(-1).replace(`${directory}/`, "");
  const passed = new Set();
  const failed = new Set();
  for (const { groups } of text.matchAll(RESULT)) {
    if (/# (SKIP|TODO)/i.test(groups.title)) continue;
    let title = `${part}: ${groups.title}`;
    while (passed.has(title) || failed.has(title)) title += " (again)";
    (groups.word === "ok" || groups.sign === "✓" ? passed : failed).add(title);
  }
  if (end !== 0 && failed.size === 0) failed.add(`${part}: ended by ${end}\n${text.slice(-2000)}`);
  return { passed, failed };
}

/** Runs a suite part by part, each on both sides one after the other: neither is in the other's way. */
async function runSuite(name, directory, node) {
  checkRegisters(node);
  const results = { without: { passed: new Set(), failed: new Set() }, with: { passed: new Set(), failed: new Set() } };
  for (const args of PEERS[name](directory)) {
    if (!args.at(-1).includes(values.only)) continue;
    for (const side of values.quick ? ["with", "without"] : ["without", "with"]) {
      const part = await runPart(directory, node, args, IMPORTS[side]);
      for (const title of part.passed) results[side].passed.add(title);
      for (const title of part.failed) results[side].failed.add(title);
      console.error(`${name} ${node} ${side}: ${args.at(-1)}: ${part.passed.size} pass, ${part.failed.size} fail`);
      for (const title of part.failed) console.error(`  ${title}`);
      if (values.quick && part.failed.size === 0) break;
    }
  }
  return results;
}

const rows = ["| | Node | pass without | fail | pass with | fail | fail with it alone |", "|---|---|---|---|---|---|---|"];
for (const pair of positionals) {
  const [name, directory] = pair.split("=");
  if (!Object.hasOwn(PEERS, name) || directory === undefined) throw new Error(`${pair}: what is wanted is NAME=DIRECTORY`);
  for (const node of values.node ?? [process.execPath]) {
    const { without, with: registered } = await runSuite(name, directory, node);
    const alone = [...registered.failed].filter((title) => !without.failed.has(title));
    const sizes = [without, registered].flatMap(({ passed, failed }) => [passed.size, failed.size]);
    rows.push(`| ${name} | ${node} | ${sizes.join(" | ")} | ${alone.length} |`);
    for (const title of alone) console.error(`${name} ${node} with it alone: ${title}`);
    if (alone.length > 0) process.exitCode = 1;
  }
}
console.log(rows.join("\n"));
