/**
 * Who takes part, how each is started, and whether it is here.
 */

import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const modules = `${root}node_modules/`;

/**
 * @typedef {object} Contestant
 * @property {string} id
 * @property {string} title
 * @property {string} color In the plots.
 * @property {number} warm Part of a row's warm-up that it needs: compilers at run time need it all.
 * @property {Record<string, string | number>} [parameters] What it is told besides a task's own.
 * @property {() => { command: string[], version: string } | { absent: string }} find
 */

const program = (name) => `${root}bench/contestants/${name}`;
const inNode = (name, ...flags) => [process.execPath, "--expose-gc", ...flags, program(name)];
const versionIn = (path) => JSON.parse(readFileSync(path, "utf8")).version;

/** brood in one of its ways: only `brood` itself tells the version. */
const way = (id, title, color, command, parameters) => ({
  id,
  title,
  color,
  warm: 1,
  parameters,
  find: () => ({ command, version: "" }),
});
const contained = (means, color) => way(means, `\`"${means}"\``, color, inNode("brood.mjs"), { contain: means });

/** @type {Contestant[]} */
export const contestants = [
  {
    id: "c",
    title: "C",
    color: "#222222",
    warm: 0.2,
    find: () => ({ command: [`${root}build/bench/contestant`], version: "" }),
  },
  {
    id: "brood",
    title: "brood",
    color: "#0072b2",
    warm: 1,
    find: () => ({ command: inNode("brood.mjs"), version: versionIn(`${root}package.json`) }),
  },
  {
    id: "node",
    title: "node:child_process",
    color: "#d55e00",
    warm: 1,
    find: () => ({ command: inNode("node.mjs"), version: process.versions.node }),
  },
  {
    id: "execa",
    title: "execa",
    color: "#cc79a7",
    warm: 1,
    find() {
      const manifest = `${modules}execa/package.json`;
      if (!existsSync(manifest)) return { absent: "the npm package execa is not installed" };
      return { command: inNode("execa.mjs"), version: versionIn(manifest) };
    },
  },
  {
    id: "bun",
    title: "Bun",
    color: "#009e73",
    warm: 1,
    find() {
      for (const path of bunBinaries()) {
        const version = output(path, "--version");
        if (version !== undefined) return { command: [path, program("bun.mjs")], version };
      }
      return { absent: "the npm package bun is not installed, or has no binary for this machine" };
    },
  },
  {
    id: "asyncio",
    title: "asyncio",
    color: "#e69f00",
    warm: 0.2,
    find() {
      const version = output("python3", "--version");
      if (version === undefined) return { absent: "there is no python3" };
      return { command: ["python3", program("asyncio.py")], version: version.replace("Python ", "") };
    },
  },
  way("host", "brood, through a host", "#56b4e9", inNode("host.mjs")),
  way("relay", "brood, through a relay", "#999999", inNode("host.mjs"), { relay: 1 }),
  way("registered", "the same on brood", "#0072b2", inNode("node.mjs", "--import", "brood/register")),
  contained("group", "#009e73"),
  contained("keeper", "#d55e00"),
  way("keeper-host", '`"keeper"`, through a host', "#e69f00", inNode("host.mjs"), { contain: "keeper" }),
  contained("namespace", "#cc79a7"),
  contained("cgroup", "#56b4e9"),
];

/** Who takes part where a question doesn't say it. */
const EVERYBODY = ["c", "brood", "node", "execa", "bun", "asyncio"];

/** Those that a question asks, in its order. @returns {Contestant[]} */
export function contestantsOf(question) {
  return (question.contestants ?? EVERYBODY).map((wanted) => contestants.find(({ id }) => id === wanted));
}

/** The package's install script puts the binary in its bin/; where scripts don't run it stays in the platform's package. */
function bunBinaries() {
  const platforms = existsSync(`${modules}@oven`) ? readdirSync(`${modules}@oven`) : [];
  return [`${modules}bun/bin/bun.exe`, ...platforms.map((name) => `${modules}@oven/${name}/bin/bun`)].filter(isProgram);
}

/** Not the script that says that it should have been replaced. */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return readFileSync(path).subarray(1, 4).toString() === "ELF";
  } catch {
    return false;
  }
}

function output(file, ...args) {
  try {
    return execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"], timeout: 10_000 }).trim();
  } catch {
    return undefined;
  }
}
