/**
 * The descendants of a process, for a test or a run of tests that hangs: what they are, where they wait, and their end.
 */

import { readdirSync, readFileSync } from "node:fs";

interface Member {
  pid: number;
  parent: number;
  state: string;
}

function members(): Member[] {
  const found: Member[] = [];
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "latin1");
      const [state, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      found.push({ pid: Number(name), parent: Number(parent), state: state as string });
    } catch {
      // It has ended.
    }
  }
  return found;
}

/** Gives the descendants of a process, parents first. */
export function descendantsOf(root: number): Member[] {
  const all = members();
  const found: Member[] = [];
  const parents = new Set([root]);
  for (let more = true; more; ) {
    more = false;
    for (const member of all) {
      if (!parents.has(member.parent) || parents.has(member.pid)) continue;
      parents.add(member.pid);
      found.push(member);
      more = true;
    }
  }
  return found;
}

function read(pid: number, name: string): string {
  try {
    return readFileSync(`/proc/${pid}/${name}`, "latin1").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

/** Gives a line for each descendant: pid, parent, state, where in the kernel it waits, command line. */
export function describeTree(root: number): string {
  const lines = descendantsOf(root).map(({ pid, parent, state }) => {
    const command = read(pid, "cmdline").slice(0, 300) || `(${read(pid, "comm")})`;
    return `${pid} ${parent} ${state} ${read(pid, "wchan") || "-"} ${command}`;
  });
  return ["pid parent state wchan command", ...lines].join("\n");
}

/** Kills every descendant of a process, and those that they start meanwhile. */
export function killTree(root: number): void {
  const told = new Set<number>();
  for (let more = true; more; ) {
    more = false;
    for (const { pid, state } of descendantsOf(root)) {
      if (state === "Z" || told.has(pid)) continue;
      told.add(pid);
      more = true;
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // It has ended.
      }
    }
  }
}
