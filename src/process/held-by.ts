/**
 * Who holds the other end of a pipe: found by its inode among the open fds of all processes that we may
 * look into. proc(5), /proc/PID/fd.
 */

import { promises, readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { Holder } from "../errors.js";

/** So many links are read before the event loop has its turn. They are in memory: a turn of the thread pool costs more. */
const LINKS_PER_TURN = 200;

/** The kernel's own limit of pids, PID_MAX_LIMIT. */
const ABOVE_ALL = 2 ** 22;

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Finds the processes that hold these pipes, but for our own. `targets` gives the child's fd of each link,
 * such as "pipe:[4711]". Processes of other users can't be looked into, and are not found.
 *
 * @returns those that are found within so many milliseconds. What started after the child `pid` is looked at first: most
 * holders descend from it.
 */
export async function findHolders(targets: ReadonlyMap<string, number>, pid: number, ms: number): Promise<Holder[]> {
  const deadline = performance.now() + ms;
  const found: Holder[] = [];
  for (const step of search(targets, pid)) {
    if (step === undefined) await turn();
    else found.push({ pid: Number(step.pid), command: await commandOf(step.pid, deadline), fds: step.fds });
    if (performance.now() > deadline) break;
  }
  return found.sort((a, b) => a.pid - b.pid);
}

/** The same, blocking. Of a process only its name is told: reading its command line can take long. */
export function findHoldersSync(targets: ReadonlyMap<string, number>, pid: number, ms: number): Holder[] {
  const deadline = performance.now() + ms;
  const found: Holder[] = [];
  for (const step of search(targets, pid)) {
    if (step !== undefined) found.push({ pid: Number(step.pid), command: `[${nameOf(step.pid)}]`, fds: step.fds });
    if (performance.now() > deadline) break;
  }
  return found.sort((a, b) => a.pid - b.pid);
}

/** Gives each process that is found; undefined from time to time, for a pause. */
function* search(targets: ReadonlyMap<string, number>, child: number): Generator<{ pid: string; fds: number[] } | undefined> {
  const pids = entries("/proc").filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  // Numbers are given in order, and from the lowest on again after the highest.
  const age = (pid: string): number => (Number(pid) + ABOVE_ALL - child) % ABOVE_ALL;
  let links = 0;
  for (const pid of pids.sort((a, b) => age(a) - age(b))) {
    const held = new Set<number>();
    for (const fd of entries(`/proc/${pid}/fd`)) {
      const target = targets.get(linkOf(pid, fd));
      if (target !== undefined) held.add(target);
      if (++links % LINKS_PER_TURN === 0) yield undefined;
    }
    if (held.size > 0) yield { pid, fds: [...held].sort((a, b) => a - b) };
  }
}

/** In a process that is gone, or another user's, there is nothing that we can see. */
function entries(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(pid: string, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return "";
  }
}

const LONGEST = 200;

/** A process can be in a state in which its command line can't be read for long, and so can our thread pool. */
async function commandOf(pid: string, deadline: number): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(resolve, Math.max(deadline - performance.now(), 1), "");
  });
  const words = await Promise.race([promises.readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => ""), late]);
  clearTimeout(timer);
  const line = words.replaceAll("\0", " ").trim();
  return line === "" ? `[${nameOf(pid)}]` : line.length > LONGEST ? `${line.slice(0, LONGEST - 3)}...` : line;
}

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return "?";
  }
}
