/**
 * Pseudo-terminals, for commands that are to find a terminal. pty(7)
 */

import { addon } from "../native/addon.js";
import { checkInteger, checkNames, INT_MAX } from "../program/validate.js";
import { checked, close } from "./fds.js";

/** The size of a terminal's window, in characters. */
export interface WindowSize {
  /** How wide it is, 0 to 65535. Default 80. */
  columns?: number | undefined;
  /** How high it is, 0 to 65535. Default 24. */
  rows?: number | undefined;
}

/** What a struct winsize holds. */
const MOST = 0xffff;

const pair = new Int32Array(2);

/**
 * Makes a pseudo-terminal, as openpty(3) does: what is written to the master is typed at the slave, what is written to the slave is
 * shown at the master. The child gets the slave, with `session` and `controllingTerminal`. When nobody has the slave open any more
 * the master, after all that was shown, reads EIO: its end. docs/posix.md has how to read it from Node without a loss.
 *
 * Both fds block, are close-on-exec from birth, nobody's controlling terminal, and the caller's to close.
 *
 * @throws Error with the errno's code (EMFILE, ENFILE; ENOSPC: too many terminals; ENOENT: no /dev/ptmx here), `errno` and
 * `syscall`. TypeError, RangeError: no such size.
 */
export function openpty(size: WindowSize = {}): [master: number, slave: number] {
  const { columns, rows } = readSize(size);
  checked(addon().openpty(pair), "openpty");
  const [master, slave] = pair as unknown as [number, number];
  const result = addon().setWindowSize(master, columns, rows);
  if (result < 0) {
    close(master);
    close(slave);
  }
  checked(result, "ioctl");
  return [master, slave];
}

/**
 * Sets the size of a terminal's window, by either of its fds. Where it changes, the processes in its foreground get SIGWINCH.
 * tcsetwinsize(3)
 *
 * @throws Error with the errno's code (EBADF, ENOTTY: it is no terminal), `errno` and `syscall`. TypeError, RangeError: no fd,
 * no such size.
 */
export function tcsetwinsize(fd: number, size: WindowSize): void {
  const number = checkInteger(fd, "fd", 0, INT_MAX);
  const { columns, rows } = readSize(size);
  checked(addon().setWindowSize(number, columns, rows), "ioctl");
}

function readSize(size: WindowSize): { columns: number; rows: number } {
  const { columns = 80, rows = 24 } = checkNames(size, "size", ["columns", "rows"]) as WindowSize;
  return {
    columns: checkInteger(columns, "size.columns", 0, MOST),
    rows: checkInteger(rows, "size.rows", 0, MOST),
  };
}
