/**
 * Fds for children, as numbers that the caller owns. All are close-on-exec from birth: no child of anybody gets one
 * by accident, also where another thread spawns at the same moment.
 */

import { constants } from "node:os";
import { systemError } from "../kernel/errno.js";
import { addon } from "../native/addon.js";
import { checkInteger, checkWord, INT_MAX } from "../program/validate.js";

const pair = new Int32Array(2);

/** Types of socket(2), the same on both architectures. */
const TYPES = { stream: 1, dgram: 2, seqpacket: 5 } as const;

/** What a pair of sockets carries: bytes, messages that may be lost at the end, or messages in order with an end. */
export type SocketType = keyof typeof TYPES;

/** Gives the result of a system call. */
export function checked(result: number, syscall: string): number {
  if (result < 0) throw systemError(-result, syscall);
  return result;
}

/**
 * Makes a pipe whose ends are both close-on-exec, in one step. pipe2(2)
 *
 * @returns the reading end, the writing end. Both block; both are the caller's to close.
 * @throws Error with the errno's code (EMFILE, ENFILE), `errno` and `syscall`.
 */
export function cloexecPipe(): [readEnd: number, writeEnd: number] {
  checked(addon().pipe(pair), "pipe2");
  return [pair[0] as number, pair[1] as number];
}

/**
 * Makes a pair of connected Unix sockets, both close-on-exec and blocking, the caller's to close. socketpair(2)
 *
 * @throws Error with the errno's code (EMFILE, ENFILE), `errno` and `syscall`. TypeError: no such type.
 */
export function socketpair(type: SocketType = "stream"): [one: number, other: number] {
  checked(addon().socketpair(TYPES[checkWord(type, "type", TYPES)], pair), "socketpair");
  return [pair[0] as number, pair[1] as number];
}

/**
 * Closes an fd. Never tried again: on Linux the number is free whatever the call says. close(2)
 *
 * @throws Error with the errno's code (EBADF: it was not open), `errno` and `syscall`. RangeError: no fd.
 */
export function close(fd: number): void {
  const result = addon().closeFd(checkInteger(fd, "fd", 0, INT_MAX));
  if (result !== -constants.errno.EINTR) checked(result, "close");
}
