/**
 * Whether a process can be seen to wait for input: its main thread is blocked in read(2) of its fd 0, or of
 * a terminal. proc(5), /proc/PID/syscall; needs the right to trace it, which a parent mostly has.
 */

import { readFileSync, readlinkSync } from "node:fs";

/** The number of read(2). */
const READ: Partial<Record<NodeJS.Architecture, string>> = { x64: "0", arm64: "63" };

/** Gives "its standard input" or "a terminal"; undefined if it does something else, or can't be looked at. */
export function waitsForInput(pid: number): string | undefined {
  try {
    const [number, argument] = readFileSync(`/proc/${pid}/syscall`, "utf8").split(" ");
    if (number === undefined || number !== READ[process.arch] || argument === undefined) return undefined;
    const fd = Number(argument);
    if (fd === 0) return "its standard input";
    const file = readlinkSync(`/proc/${pid}/fd/${fd}`);
    return file.startsWith("/dev/pts/") || file === "/dev/tty" ? "a terminal" : undefined;
  } catch {
    return undefined;
  }
}
