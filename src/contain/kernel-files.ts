/**
 * Files and directories of /proc and of cgroups. What is not there is nothing; what can't be looked at for want of fds or
 * memory is not known, and must not be taken for nothing: a command would be thought to have left nobody behind.
 */

import { readdirSync, readFileSync } from "node:fs";

const PASSING: readonly unknown[] = ["EMFILE", "ENFILE", "ENOMEM"];

/** Whether an error says nothing about what was asked. */
export function isPassing(error: unknown): boolean {
  return PASSING.includes((error as NodeJS.ErrnoException).code);
}

function attempt<Result>(look: () => Result, nothing: Result): Result {
  try {
    return look();
  } catch (error) {
    if (isPassing(error)) throw error;
    return nothing;
  }
}

/**
 * Reads a file; nothing if it is not there, or may not be read.
 *
 * @throws Error EMFILE, ENFILE, ENOMEM.
 */
export function read(path: string): string {
  return attempt(() => readFileSync(path, "utf8"), "");
}

/** Gives the entries of a directory; none if it is not there. Throws as read(). */
export function entriesOf(directory: string): string[] {
  return attempt(() => readdirSync(directory), []);
}

/** Gives the directories in a directory. Throws as read(). */
export function directoriesIn(directory: string): string[] {
  const entries = attempt(() => readdirSync(directory, { withFileTypes: true }), []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** Looks, and gives `unknown` where that can't be done now. */
export function unlessPassing<Result, Unknown>(look: () => Result, unknown: Unknown): Result | Unknown {
  try {
    return look();
  } catch (error) {
    if (isPassing(error)) return unknown;
    throw error;
  }
}
