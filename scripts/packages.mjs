/**
 * Public packages, installed by npm into a temporary directory and used on Node's own engine and with `brood/register`:
 * what comes of it has to be the same. Development only; needs the network, and `npm run build` before.
 *
 *     node scripts/packages.mjs [--node PATH]... [zx] [tape] [npm-run-all2=DIR]
 *
 * zx: every use of packages/zx.mjs gives the same. Applications: `npm ci` and `npm test`, registered by NODE_OPTIONS
 * from npm down to what their tests start: tape through shells, npm, nyc (which wraps ChildProcess itself) and tap;
 * npm-run-all2 through mocha, itself, npm, yarn, and shells and node below them, side by side, and killed with all below.
 * What npm has of that one is without its tests: DIR is a checkout, of which a copy is used.
 */

import { spawn } from "node:child_process";
import { copyFileSync, cpSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { parseArgs } from "node:util";

const MOST_MS = 600_000;
const REGISTER = import.meta.resolve("../dist/bundle/register.mjs");
/** Notes down each process that starts, and whether brood spawns its children. */
const NOTE = `data:text/javascript,${encodeURIComponent(`
  import { appendFileSync } from "node:fs";
  import { ChildProcess } from "node:child_process";
  const ours = Symbol.for("brood.register") in ChildProcess.prototype.spawn;
  if (process.env.NOTED) appendFileSync(process.env.NOTED, ours ? "registered\\n" : "not\\n");
`)}`;
const OPTIONS = { without: `--import=${NOTE}`, with: `--import=${REGISTER} --import=${NOTE}` };

const { values, positionals } = parseArgs({ allowPositionals: true, options: { node: { type: "string", multiple: true } } });

const home = mkdtempSync(join(tmpdir(), "brood-packages-"));
process.on("exit", () => rmSync(home, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

const npm = realpathSync(
  (process.env.PATH ?? "")
    .split(delimiter)
    .map((directory) => join(directory, "npm"))
    .find((path) => {
      try {
        return realpathSync(path);
      } catch {
        return false;
      }
    }) ?? "npm",
);

/** Runs a Node process; gives what it wrote, its exit code, and how many Node processes were registered, and weren't. */
async function run(node, args, directory, nodeOptions = "") {
  const noted = join(home, "noted");
  writeFileSync(noted, "");
  const env = {
    ...process.env,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH}`,
    NODE_OPTIONS: nodeOptions,
    NOTED: noted,
  };
  const child = spawn(node, args, { cwd: directory, env, stdio: ["ignore", "pipe", "pipe"], detached: true });
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), MOST_MS);
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk) => (stderr += chunk));
  const code = await new Promise((resolve, reject) =>
    child.on("close", (...end) => resolve(end[1] ?? end[0])).on("error", reject),
  );
  clearTimeout(timer);
  const lines = readFileSync(noted, "utf8").split("\n");
  const count = (word) => lines.filter((line) => line === word).length;
  return { stdout, stderr, code, registered: count("registered"), not: count("not") };
}

async function must(...call) {
  const result = await run(...call);
  if (result.code !== 0) throw new Error(`${call[1].join(" ")} ended with ${result.code}:\n${result.stderr.slice(-2000)}`);
  return result;
}

const install = (node, directory, ...args) =>
  must(node, [npm, "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "install", ...args], directory);

/**
 * Installs an application as its lock file says, and tests it; both are done by npm under the options of a side.
 * `keep` tells which packages of those for its development are needed for that.
 */
async function ciAndTest(node, side, directory, { keep, scripts }) {
  const about = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  for (const name of Object.keys(about.devDependencies)) if (!keep.test(name)) delete about.devDependencies[name];
  writeFileSync(join(directory, "package.json"), JSON.stringify({ ...about, scripts }));
  await install(node, directory, "--package-lock-only");
  const ci = await must(node, [npm, "--no-audit", "--no-fund", "ci"], directory, OPTIONS[side]);
  const test = await run(node, [npm, "test"], directory, OPTIONS[side]);
  const results = { "npm ci": ci.code, "npm test": test.code };
  // Without their numbers: what is started side by side ends in any order.
  for (const [, word, title] of test.stdout.matchAll(/^ *((?:not )?ok) \d+ (?:- )?(.*?)(?: # time=.*)?$/gm)) {
    results[title] = [...(results[title] ?? []), word].sort();
  }
  return { results, registered: ci.registered + test.registered, not: ci.not + test.not };
}

/** Every side's results by name, and how many processes told. */
const PACKAGES = {
  async zx(node, side) {
    const directory = mkdtempSync(join(home, "zx-"));
    writeFileSync(join(directory, "package.json"), JSON.stringify({ name: "uses-zx", version: "1.0.0", type: "module" }));
    await install(node, directory, "zx@8.8.5");
    copyFileSync(new URL("packages/zx.mjs", import.meta.url), join(directory, "zx.mjs"));
    const result = await must(node, ["zx.mjs"], directory, OPTIONS[side]);
    return { ...result, results: JSON.parse(result.stdout) };
  },

  async tape(node, side) {
    const { stdout } = await must(node, [npm, "pack", "--silent", "tape@5.10.2"], home);
    const directory = mkdtempSync(join(home, "tape-"));
    await new Promise((resolve, reject) =>
      spawn("tar", ["xf", join(home, stdout.trim()), "-C", directory, "--strip-components=1"])
        .on("close", (code) => (code === 0 ? resolve() : reject(new Error(`tar ended with ${code}`))))
        .on("error", reject),
    );
    const tests = [
      "double_end",
      "exit",
      "ignore-pattern",
      "import",
      "max_listeners",
      "no_only",
      "promise_fail",
      "require",
      "stackTrace",
    ];
    return ciAndTest(node, side, directory, {
      // What lints and publishes it is large, and starts little. cross-env would set NODE_OPTIONS.
      keep: /^(concat-stream|cross-env|es-value-fixtures|falafel|js-yaml|nyc|semver|tap|tap-parser)$/,
      scripts: {
        pretest: "node -p process.argv0",
        test: "npm run --silent tests-only",
        // Those that start processes.
        "tests-only": `nyc tap ${tests.map((name) => `test/${name}.js`).join(" ")}`,
      },
    });
  },

  async "npm-run-all2"(node, side, checkout) {
    const directory = mkdtempSync(join(home, "npm-run-all2-"));
    const own = (path) => !/\/(node_modules|\.git)$/.test(path);
    cpSync(checkout, directory, { recursive: true, filter: own });
    const tests = ["aggregate-output", "fail", "mixed", "parallel", "print-label", "sequential", "yarn"];
    return ciAndTest(node, side, directory, {
      keep: /^(mocha|yarn)$/,
      scripts: {
        test: "node bin/run-s/index.js --silent link tests-only",
        link: "node scripts/make-slink.js",
        "tests-only": `mocha --reporter=tap --timeout=120000 ${tests.map((name) => `test/${name}.js`).join(" ")}`,
      },
    });
  },
};

const rows = [
  "| | Node | results | of these not ok | other when registered | Node processes registered |",
  "|---|---|---|---|---|---|",
];
for (const asked of positionals.length > 0 ? positionals : ["zx", "tape"]) {
  const [name, checkout] = asked.split("=");
  if (!Object.hasOwn(PACKAGES, name) || (name === "npm-run-all2") !== (checkout !== undefined)) {
    throw new Error(`${asked}: what is wanted is zx, tape or npm-run-all2=DIRECTORY`);
  }
  for (const node of values.node ?? [process.execPath]) {
    const without = await PACKAGES[name](node, "without", checkout);
    const registered = await PACKAGES[name](node, "with", checkout);
    const version = (await must(node, ["--version"], home)).stdout.trim();
    const names = new Set([...Object.keys(without.results), ...Object.keys(registered.results)]);
    const others = [...names].filter((use) => JSON.stringify(without.results[use]) !== JSON.stringify(registered.results[use]));
    for (const use of others) {
      console.error(
        `${name} ${version}: ${use}: ${JSON.stringify(without.results[use])}, registered ${JSON.stringify(registered.results[use])}`,
      );
    }
    if (without.registered > 0 || registered.not > 0 || registered.registered === 0) {
      console.error(
        `${name} ${version}: registered ${registered.registered}, not ${registered.not}; without ${without.registered}`,
      );
      process.exitCode = 1;
    }
    if (others.length > 0) process.exitCode = 1;
    const failed = [...names].filter((use) => JSON.stringify(registered.results[use])?.includes("not ok"));
    rows.push(`| ${name} | ${version} | ${names.size} | ${failed.length} | ${others.length} | ${registered.registered} |`);
    console.error(rows.at(-1));
  }
}
console.log(rows.join("\n"));
