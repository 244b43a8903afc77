/**
 * What JavaScript can't ask or change of its own process: see test/children/self_addon.c. Every function gives
 * 0 or more, or throws.
 */

import { childPath } from "./children.js";

interface Self {
  /** Makes a signal ignored, or default; gives whether it was ignored. */
  ignoreSignal(signal: number, yes: 0 | 1): number;
  /** Blocks all signals of this thread, or none. */
  blockSignals(yes: 0 | 1): number;
  setCloexec(fd: number, yes: 0 | 1): number;
  getCloexec(fd: number): number;
  /** Gives a copy of fd, of that number or higher, that is not close-on-exec. */
  duplicate(fd: number, minimum: number): number;
  /** Sets the soft limit of a resource, by its number. */
  limit(resource: number, soft: number): number;
  getDumpable(): number;
  setDumpable(value: number): number;
  /** Gives the master of a new pseudo-terminal. */
  openTerminal(): number;
  /** Gives the other side of a pseudo-terminal. */
  openSlave(master: number): number;
  /** Makes a copy of this process, which ends by exit(3); gives its status, or 128 and a signal. */
  forkAndExit(status: number): number;
}

const loaded = { exports: {} as Record<string, (...args: number[]) => number> };
process.dlopen(loaded, childPath("self_addon"));

export const self = Object.fromEntries(
  Object.entries(loaded.exports).map(([name, call]) => [
    name,
    (...args: number[]) => {
      const result = call(...args);
      if (result < 0) throw new Error(`${name}(${args.join(", ")}): errno ${-result}`);
      return result;
    },
  ]),
) as unknown as Self;
