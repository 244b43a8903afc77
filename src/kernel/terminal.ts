/**
 * The terminal for job control: who has its foreground, its modes, and where this process stands in its
 * session. A terminal may hang up at any moment: what can't be had any more is undefined, never an error.
 */

import { addon } from "../native/addon.js";

/** More than any libc's struct termios. */
const MODES_SIZE = 256;

/** Gives the group that has the foreground, if fd is our controlling terminal. 0: one that has no number here. */
export function foregroundGroup(fd: number): number | undefined {
  const group = addon().terminalGroup(fd);
  return group < 0 ? undefined : group;
}

/** Makes a group of our session the foreground one. Never stops us. Gives whether it worked. */
export function setForegroundGroup(fd: number, group: number): boolean {
  return addon().setTerminalGroup(fd, group) === 0;
}

/** Gives the terminal's modes, to be set again. */
export function readModes(fd: number): Uint8Array | undefined {
  const modes = new Uint8Array(MODES_SIZE);
  const size = addon().terminalModes(fd, modes);
  return size < 0 ? undefined : modes.subarray(0, size);
}

/** Sets the terminal's modes, at once. Never stops us. */
export function writeModes(fd: number, modes: Uint8Array): void {
  addon().setTerminalModes(fd, modes);
}

/** Gives our process group; 0 if it has no number in our pid namespace. */
export function ownGroup(): number {
  return addon().groupOf(0);
}

/** Gives a process's group, undefined if it is gone. */
export function groupOf(pid: number): number | undefined {
  const group = addon().groupOf(pid);
  return group < 0 ? undefined : group;
}

/** Whether we lead our session: the kernel tells us alone when the terminal hangs up. */
export function leadsSession(): boolean {
  return addon().sessionOf(0) === process.pid;
}

/**
 * Whether we are a job of our parent's, as a job-control shell makes one: in its session, in another group.
 * Then somebody continues us when we stop; and only then does the kernel let Ctrl-Z stop us at all.
 */
export function isJob(): boolean {
  const { ppid } = process;
  if (ppid <= 0) return false;
  const group = groupOf(ppid);
  return group !== undefined && group !== ownGroup() && addon().sessionOf(ppid) === addon().sessionOf(0);
}
