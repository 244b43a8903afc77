/**
 * One number for how a child ended, as Python has it.
 */

import { signalNumber } from "../kernel/signals.js";
import type { ExitState } from "../states.js";

/** Gives the exit code, or the negated number of the signal; NaN if it is not known. */
export function returnCode(exit: ExitState): number {
  switch (exit.kind) {
    case "exited":
      return exit.code;
    case "killed":
      return -signalNumber(exit.signal);
    case "unknown":
      return Number.NaN;
  }
}
