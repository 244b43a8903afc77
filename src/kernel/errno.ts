/**
 * The kernel's error numbers: their names, and words for them. errno(3).
 */

import { constants } from "node:os";
import { getSystemErrorMap } from "node:util";

/** Made when it is first needed: see docs/decisions/0024-loaded-when-used.md. */
let known: Map<number, string> | undefined;

function names(): Map<number, string> {
  if (known !== undefined) return known;
  known = new Map();
  for (const [name, number] of Object.entries(constants.errno)) {
    // Of two names for a number the kernel's own comes first in its headers.
    if (name !== "EWOULDBLOCK" && name !== "EOPNOTSUPP") known.set(number, name);
  }
  return known.set(77, "EBADFD").set(80, "ELIBBAD").set(117, "EUCLEAN").set(132, "ERFKILL");
}

/** Numbers that the code itself asks about. All are the same on every architecture of Linux. */
export const EPERM = 1;
export const ENOENT = 2;
export const ESRCH = 3;
export const EINTR = 4;
export const EBADF = 9;
export const ECHILD = 10;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EACCES = 13;
export const EBUSY = 16;
export const EXDEV = 18;
export const EINVAL = 22;
export const ENFILE = 23;
export const EMFILE = 24;
export const ENOTTY = 25;
export const EPIPE = 32;
export const ENOSYS = 38;
export const ENOTSUP = 95;
export const ECONNRESET = 104;
export const ENOTCONN = 107;

const words: Record<number, string> = {
  [ENOENT]: "no such file or directory",
  1: "operation not permitted",
  [ECHILD]: "no such child",
  8: "not an executable format, and no #! line",
  11: "resource temporarily unavailable",
  [ENOMEM]: "out of memory",
  13: "permission denied",
  20: "not a directory",
  26: "the file is open for writing",
};

/** Gives the name of an errno, such as "ENOENT". */
export function errnoName(errno: number): string {
  return names().get(errno) ?? `E${errno}`;
}

/** Gives words for an errno, such as "permission denied". */
export function errnoWords(errno: number): string {
  return words[errno] ?? getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`;
}

/** Makes the error of a failed call, in the shape that Node's own have. */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const code = errnoName(errno);
  return Object.assign(new Error(`${syscall} ${code}: ${errnoWords(errno)}`), { errno: -errno, code, syscall });
}
