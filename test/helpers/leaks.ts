/**
 * Nothing lost, nothing leaked: what this process holds, compared before and after a test.
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { SLOWNESS } from "./slowness.js";

interface Holdings {
  fds: Map<number, string>;
  children: string[];
  listeners: string[];
}

function holdings(): Holdings {
  const fds = new Map<number, string>();
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      const link = readlinkSync(`/proc/self/fd/${name}`);
      // malloc(3) of another thread looks there for a moment when it gives memory back.
      if (link !== "/proc/sys/vm/overcommit_memory") fds.set(Number(name), link);
    } catch {
      // The directory's own fd, gone by now.
    }
  }
  const children: string[] = [];
  for (const thread of readdirSync("/proc/self/task")) {
    try {
      children.push(...readFileSync(`/proc/self/task/${thread}/children`, "utf8").split(" ").filter(Boolean));
    } catch {
      // A thread that has ended.
    }
  }
  const listeners = process.eventNames().map((name) => `${String(name)}: ${process.listenerCount(name)}`);
  return { fds, children: children.sort(), listeners: listeners.sort() };
}

function difference(before: Holdings, after: Holdings): string[] {
  const found: string[] = [];
  for (const [fd, what] of after.fds) if (!before.fds.has(fd)) found.push(`new fd ${fd}: ${what}`);
  for (const [fd, what] of before.fds) if (!after.fds.has(fd)) found.push(`fd ${fd} was closed: ${what}`);
  for (const pid of after.children) if (!before.children.includes(pid)) found.push(`new child ${describe(pid)}`);
  for (const line of after.listeners) if (!before.listeners.includes(line)) found.push(`listeners changed: ${line}`);
  return found;
}

function describe(pid: string): string {
  try {
    const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    return `${pid} (${line === "" ? `a zombie: ${readFileSync(`/proc/${pid}/comm`, "utf8").trim()}` : line})`;
  } catch {
    return pid;
  }
}

const PATIENCE_MS = 3000 * SLOWNESS;

/**
 * Takes stock; the function that it gives compares, and throws if anything is there that wasn't, or the
 * other way round. What ends in the background is given time to.
 */
export function takeStock(): () => Promise<void> {
  const before = holdings();
  return async () => {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = difference(before, holdings());
      if (found.length === 0) return;
      if (performance.now() > deadline) throw new Error(`the test left behind: ${found.join("; ")}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
}
