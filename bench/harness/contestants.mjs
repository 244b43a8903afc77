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
 * @property {() => { command: string[], version: string } | { absent: string }} find
 */

const program = (name) => `${root}bench/contestants/${name}`;
const inNode = (name) => [process.execPath, "--expose-gc", program(name)];
const versionIn = (path) => JSON.parse(readFileSync(path, "utf8")).version;

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
];

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
