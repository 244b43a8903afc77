/**
 * npm run -s build && npm run -s build:test && node bench/containment.mjs [--execa DIRECTORY] [--node FILE]
 *
 * What each way of ending a command reaches of the processes that it has started: the tables of docs/containment.md.
 * test/children/torture.c starts one in each of the ways in which they get away; who lives on is found by a mark in the
 * environment. execa with `killDescendants` (10) needs Node 22: say where it is installed, and which node is to run it.
 */

import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { parseArgs, promisify } from "node:util";
import { contestants, root } from "./harness/contestants.mjs";

const execute = promisify(execFile);
const DOCUMENT = `${root}docs/containment.md`;
const TORTURE = JSON.stringify(`${root}build/children/torture`);

/** The names that the torture child's processes give themselves, and what they do. */
export const WAYS = {
  plain: "a child",
  "own group": "setpgid",
  "own session": "setsid",
  orphan: "its parent has ended",
  "orphan session": "setsid, then its parent has ended",
  "without fds": "closes every fd, and its parent has ended",
  "kworker/0:1": "renames itself, and its parent has ended",
  daemonised: "daemon(3)",
  reparented: "the fifth of a chain whose links have ended, then setsid",
};

const { values: given } = parseArgs({
  options: { execa: { type: "string" }, node: { type: "string" }, check: { type: "boolean" } },
});

const begin = (start) => `${start}
await new Promise((resolve) => child.stdout.once("data", resolve));
const ended = () => new Promise((resolve) => setTimeout(resolve, 500));
`;
const node = (options, end) => ({
  ended: begin(`import { spawn } from "node:child_process";
    const child = spawn(${TORTURE}, ["stay"], { stdio: ["ignore", "pipe", "ignore"], ${options} });`),
  end,
});
const execa = (options, end) => ({
  ended: begin(`const { execa } = await import(EXECA);
    const child = execa(${TORTURE}, ["stay"], { stdin: "ignore", stderr: "ignore", reject: false, ${options} });`),
  end,
});
const bun = {
  ended: `const child = Bun.spawn([${TORTURE}, "stay"], { stdio: ["ignore", "pipe", "ignore"] });
    await child.stdout.getReader().read();
    const ended = () => new Promise((resolve) => setTimeout(resolve, 500));`,
  end: "child.kill(9); await ended();",
};
const brood = (contain) => ({
  ended: begin(`import { spawn } from ${JSON.stringify(`${root}dist/index.js`)};
    const child = spawn(${TORTURE}, ["stay"], { stdin: "ignore", stderr: "ignore", forceKillAfterDelay: 20, contain: "${contain}" });`),
  end: "await child.terminate();",
});

/** By the heads of the table's columns. */
const COLUMNS = {
  "node `kill`": node("", "child.kill('SIGKILL'); await ended();"),
  "node `kill(-pid)`": node("detached: true", "process.kill(-child.pid, 'SIGKILL'); await ended();"),
  "execa `kill`": execa("", "child.kill('SIGKILL'); await ended();"),
  "execa `killDescendants`": execa("killDescendants: true", "child.kill('SIGKILL'); await ended();"),
  Bun: bun,
  '`"group"`': brood("group"),
  '`"keeper"`': brood("keeper"),
  '`"namespace"`': brood("namespace"),
  '`"cgroup"`': brood("cgroup"),
};
const KILLED = "process.kill(process.pid, 'SIGKILL')";

function living(value) {
  const wanted = `BROOD_BENCH_MARK=${value}`;
  const found = [];
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/environ`, "latin1").split("\0").includes(wanted)) continue;
      if (/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "latin1"))) continue;
      found.push({ pid: Number(pid), name: readFileSync(`/proc/${pid}/comm`, "utf8").trim() });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

/** Gives the names of those that live on; undefined if the contestant is not here. */
async function survivors(head, code) {
  const program = programFor(head);
  if (program === undefined) return undefined;
  const mark = randomBytes(8).toString("hex");
  const source = code.replaceAll("EXECA", JSON.stringify(`${given.execa}/node_modules/execa/index.js`));
  const env = { ...process.env, BROOD_BENCH_MARK: mark };
  // An end by a signal is what is asked for.
  await execute(program, head === "Bun" ? ["-e", source] : ["--input-type=module", "-e", source], { env, timeout: 20_000 }).catch(
    (error) => {
      if (error.signal !== "SIGKILL") throw error;
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 700));
  const left = living(mark);
  for (let again = left; again.length > 0; again = living(mark)) for (const { pid } of again) kill(pid);
  return left.map(({ name }) => name);
}

function kill(pid) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended meanwhile.
  }
}

function programFor(head) {
  if (head === "Bun") return contestants.find(({ id }) => id === "bun").find().command?.[0];
  if (!head.startsWith("execa")) return process.execPath;
  return given.execa !== undefined && existsSync(given.execa) ? (given.node ?? process.execPath) : undefined;
}

async function measure() {
  const rows = Object.fromEntries([...Object.keys(WAYS), "torture"].map((name) => [name, []]));
  const alone = [];
  for (const [head, { ended, end }] of Object.entries(COLUMNS)) {
    const byUs = await survivors(head, `${ended}\n${end}\nprocess.exit(0);`);
    const withUs = await survivors(head, `${ended}\n${KILLED}`);
    for (const [name, cells] of Object.entries(rows))
      cells.push(byUs === undefined ? "?" : byUs.includes(name) ? "lives on" : "ends");
    alone.push(withUs === undefined ? "?" : `${withUs.length} of ${Object.keys(WAYS).length + 1}`);
  }
  const line = (cells) => `| ${cells.join(" | ")} |`;
  const heads = Object.keys(COLUMNS);
  return [
    line(["", ...heads]),
    line(["---", ...heads.map(() => "---")]),
    ...Object.entries(WAYS).map(([name, words]) => line([words, ...rows[name]])),
    line(["_live on when our process gets SIGKILL_", ...alone]),
  ].join("\n");
}

const BEGIN = "<!-- bench/containment.mjs -->\n";
const END = "\n<!-- end -->";
const text = readFileSync(DOCUMENT, "utf8");
const at = text.indexOf(BEGIN) + BEGIN.length;
const table = await measure();
console.log(table);
if (!given.check) writeFileSync(DOCUMENT, text.slice(0, at) + table + text.slice(text.indexOf(END, at)));
