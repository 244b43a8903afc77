/**
 * Whether a process can be seen to wait for input: its main thread is blocked in read(2). proc(5), /proc/PID/syscall; needs
 * the right to trace it, which a parent mostly has.
 */

import { readFileSync, readlinkSync } from "node:fs";

/** A process that waits for input. */
export interface WaitingProcess {
  /** Its process id, at the time of the look. */
  pid: number;
  /** Its command line, shortened. */
  command: string;
  /** For what: `"pipe"`: that we write to a pipe or socket of the child; `"terminal"`: that somebody types. */
  on: "pipe" | "terminal";
}

/** The number of read(2). */
const READ: Partial<Record<NodeJS.Architecture, string>> = { x64: "0", arm64: "63" };

/** Gives the fd that it is blocked in reading, and what that is; undefined if it does something else, or can't be looked at. */
function readOf(pid: number): { fd: number; file: string } | undefined {
  try {
    const [number, argument] = readFileSync(`/proc/${pid}/syscall`, "utf8").split(" ");
    if (number === undefined || number !== READ[process.arch] || argument === undefined) return undefined;
    const fd = Number(argument);
    return { fd, file: readlinkSync(`/proc/${pid}/fd/${fd}`) };
  } catch {
    return undefined;
  }
}

function isTerminal(file: string): boolean {
  return file.startsWith("/dev/pts/") || file === "/dev/tty";
}

/** Gives "its standard input" or "a terminal"; undefined if it does something else, or can't be looked at. */
export function waitsForInput(pid: number): string | undefined {
  const read = readOf(pid);
  if (read === undefined) return undefined;
  if (read.fd === 0) return "its standard input";
  return isTerminal(read.file) ? "a terminal" : undefined;
}

/**
 * Gives those of the processes that wait for a terminal, or for one of the pipes `ours`, by their names in /proc/PID/fd. What a
 * process is called is asked when it is seen to wait: before, it may have been what execs that.
 */
export function waitingOf(
  pids: Iterable<number>,
  ours: ReadonlyMap<string, unknown>,
  commandOf: (pid: number) => string | undefined,
): WaitingProcess[] {
  const waiting: WaitingProcess[] = [];
  for (const pid of pids) {
    const file = readOf(pid)?.file;
    if (file === undefined || !(isTerminal(file) || ours.has(file))) continue;
    const command = commandOf(pid);
    if (command !== undefined) waiting.push({ pid, command, on: isTerminal(file) ? "terminal" : "pipe" });
  }
  return waiting;
}
