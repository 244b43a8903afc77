/**
 * Runs a piece of a test in a Node process whose native part fails system calls when told to: the build with
 * -DBROOD_FAULTS, see native/sys_fault.c.
 */

import { fileURLToPath } from "node:url";
import { inNode } from "../helpers/in-node.js";
import type { NodeOptions } from "../helpers/node.js";

export const RUNGS = ["clone3", "clone", "vfork", "fork"] as const;
export type Rung = (typeof RUNGS)[number];

const FAULTY = fileURLToPath(new URL("../../brood-faults.node", import.meta.url));

/** What became of a spawn: the output and end of the child, or the error. */
export type Outcome = { said: string; exit: string } | { name: string; code: string; stage?: string; syscall?: string };

/**
 * In scope for `code`:
 *
 * - fail(call, errno, skip, count): the next `count` calls after `skip` fail.
 * - clear(call): ends that; gives how many failures have not come about.
 * - warmUp(options): makes what an environment makes once, also for such a spawn.
 * - trial(options): spawns `cat` with three pipes, has it echo a word, waits for its end; gives an Outcome. Throws
 *   if an fd, a child or a zombie is left.
 * - positions(call, errno, options): a trial with the first such call failing, then with the second, and so on
 *   until a trial makes no more of them; after each, one without a fault must go well. Gives the Outcomes.
 */
const SCOPE = `
import os from "node:os";
import { addon } from ${JSON.stringify(import.meta.resolve("#dist/native/addon.js"))};
import { takeStock } from ${JSON.stringify(import.meta.resolve("../helpers/leaks.js"))};

function fail(call, code, skip = 0, count = 1) {
  if (addon().injectFault(call, skip, count, os.constants.errno[code]) < 0) throw new Error("no call " + call);
}
const clear = (call) => addon().injectFault(call, 0, 0, 0);

const told = ({ name, code, stage, syscall }) => ({ name, code, stage, syscall });

async function warmUp(options) {
  await run("true");
  const compare = takeStock();
  await run("true", options);
  // The base of cgroups and its watcher stay. A keeper is gone a moment after its command.
  if (options.contain !== "cgroup") await compare();
}

async function trial(options = {}) {
  const compare = takeStock();
  let outcome;
  try {
    const child = spawn("cat", [], options);
    child.stdin.end("hello");
    const said = await child.stdout.text().catch((error) => error.code);
    const exit = await child.closed;
    outcome = { said, exit: exit.kind + " " + (exit.code ?? exit.signal ?? exit.cause) };
  } catch (error) {
    outcome = told(error);
  }
  await compare();
  return outcome;
}

async function positions(call, code, options) {
  const outcomes = [];
  for (let skip = 0; ; skip++) {
    fail(call, code, skip);
    const outcome = await trial(options);
    if (clear(call) === 1) break;
    outcomes.push(outcome);
    const next = await trial();
    if (next.said !== "hello" || next.exit !== "exited 0") throw new Error("after " + call + " " + skip + ": " + JSON.stringify(next));
  }
  return outcomes;
}
`;

/** Runs `code`, and gives what it passes to done(). */
export async function inFaultyNode<Result>(code: string, rung: Rung | undefined, options: NodeOptions = {}): Promise<Result> {
  return inNode<Result>(SCOPE + code, { ...options, env: { BROOD_NATIVE_PATH: FAULTY, BROOD_CLONE: rung, ...options.env } });
}
