/**
 * npm run -s build && npm run -s build:test && taskset -c 1 node bench/containment-cost.mjs
 *
 * What each means costs: spawn, exec, exit and reap of the smallest program, one at a time, contained by it. Writes the
 * table of docs/containment.md.
 */

import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { spawn } from "brood";

const root = fileURLToPath(new URL("../", import.meta.url));
const DOCUMENT = `${root}docs/containment.md`;
const NOTHING = `${root}build/children/nothing`;
const BEGIN = "<!-- bench/containment-cost.mjs -->\n";
const END = "\n<!-- end of cost -->";
const MEANS = [false, "group", "keeper", "namespace", "cgroup"];
const ROUNDS = 6;
const EACH = 300;

async function each(contain, times) {
  const begin = performance.now();
  for (let i = 0; i < times; i++) await spawn(NOTHING, [], { stdio: "ignore", contain }).closed;
  return ((performance.now() - begin) * 1000) / times;
}

/** The least of several rounds, in microseconds: what disturbs only adds. */
const least = new Map();
for (const contain of MEANS) await each(contain, 100);
for (let round = 0; round < ROUNDS; round++)
  for (const contain of MEANS) least.set(contain, Math.min(least.get(contain) ?? Infinity, await each(contain, EACH)));

const rows = [...least].map(([contain, us]) => {
  const name = contain === false ? "not contained" : `\`"${contain}"\``;
  return `| ${name} | ${Math.round(us)} | ${(us / least.get(false)).toFixed(1)} |`;
});
const table = ["| | µs | times |", "|---|---|---|", ...rows].join("\n");
console.log(table);
const text = readFileSync(DOCUMENT, "utf8");
const at = text.indexOf(BEGIN) + BEGIN.length;
writeFileSync(DOCUMENT, text.slice(0, at) + table + text.slice(text.indexOf(END, at)));
