/**
 * What /proc tells of any process.
 */

import { readdirSync, readFileSync } from "node:fs";

/** Gives the state of a process as ps(1) does: R, S, T, Z; undefined if there is none. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.charAt(stat.lastIndexOf(")") + 2);
  } catch {
    return undefined;
  }
}

/** Gives the children of a process that one thread has started, by default its first. */
export function childrenOf(pid: number, thread = pid): number[] {
  return readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").split(" ").filter(Boolean).map(Number);
}

/** Gives our children, whichever thread has started them. */
export function ownChildren(): number[] {
  return readdirSync("/proc/self/task").flatMap((thread) => childrenOf(process.pid, Number(thread)));
}

/** Gives the name of a process. */
export function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trimEnd();
}

/** Resolves when that process has ended, also if nobody reaps it. */
export async function ended(pid: number): Promise<void> {
  while (![undefined, "Z", "X"].includes(stateOf(pid))) await new Promise(setImmediate);
}

/** Whether a signal waits for a process to take it. */
export function isPending(pid: number, signal: number): boolean {
  const pending = /^ShdPnd:\s*([0-9a-f]+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1] as string;
  return ((BigInt(`0x${pending}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** Gives the parent of a process. */
export function parentOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

/** Gives the watchers of a process's cgroups. */
export function watchersOf(pid: number): number[] {
  return childrenOf(pid).filter((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").startsWith("brood-keeper\0watch\0"));
}
