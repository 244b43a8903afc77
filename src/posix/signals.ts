/**
 * Signals to any process, by pidfd or by number. kill(2), pidfd_open(2), pidfd_send_signal(2)
 */

import { type Signal, signalNumber } from "../kernel/signals.js";
import { addon } from "../native/addon.js";
import { checkInteger, checkNames, checkWord, INT_MAX } from "../program/validate.js";
import { checked } from "./fds.js";

/** Flags of pidfd_send_signal(2). */
const SCOPES = { thread: 1, process: 2, processGroup: 4 } as const;

/** Options of `pidfdSendSignal`. */
export interface PidfdSignalOptions {
  /** Whom the signal reaches: by default what the pidfd was opened for, a process. Needs Linux 6.9 where given. */
  scope?: keyof typeof SCOPES | undefined;
}

/**
 * Opens a pidfd: a reference to that very process, whatever becomes of its number. Close-on-exec, the caller's to
 * close. It polls readable when the process has ended.
 *
 * Only for a child of ours that has not been reaped is it sure which process the number means.
 *
 * @throws Error with the errno's code (ESRCH: there is none, or it has been reaped), `errno` and `syscall`. RangeError.
 */
export function pidfdOpen(pid: number): number {
  return checked(addon().pidfdOpen(checkInteger(pid, "pid", 1, INT_MAX)), "pidfd_open");
}

/**
 * Sends a signal to the process of a pidfd; 0 only asks whether it could. A process that has ended but not been
 * reaped takes signals without effect, as kill(2) has it.
 *
 * @throws Error with the errno's code (ESRCH, EPERM, EBADF; EINVAL: this kernel knows no `scope`), `errno`, `syscall`.
 * TypeError, RangeError.
 */
export function pidfdSendSignal(pidfd: number, signal: Signal | 0, options: PidfdSignalOptions = {}): void {
  const fd = checkInteger(pidfd, "pidfd", 0, INT_MAX);
  const number = signalNumber(signal, "signal", 0);
  const { scope } = checkNames(options, "options", ["scope"]) as PidfdSignalOptions;
  const flags = scope === undefined ? 0 : SCOPES[checkWord(scope, "options.scope", SCOPES)];
  checked(addon().pidfdSendSignal(fd, number, flags), "pidfd_send_signal");
}

/**
 * Sends a signal to any process by its number; 0 only asks whether it could. For a child of `spawn()` use its own
 * `kill()`, which can't hit a stranger that has got the number meanwhile. kill(2)
 *
 * @throws Error with the errno's code (ESRCH, EPERM), `errno` and `syscall`. RangeError for 0 and less, which kill(2)
 * takes for groups and for everybody.
 */
export function kill(pid: number, signal: Signal | 0): void {
  checked(addon().kill(checkInteger(pid, "pid", 1, INT_MAX), signalNumber(signal, "signal", 0)), "kill");
}

/**
 * Sends a signal to every process of a group; 0 only asks whether it could. killpg(3)
 *
 * @throws Error with the errno's code (ESRCH: nobody is in it, EPERM: none of them may be signalled), `errno` and
 * `syscall`. RangeError for 1 and less: kill(2) takes -1 for every process that there is.
 */
export function killpg(pgid: number, signal: Signal | 0): void {
  checked(addon().kill(-checkInteger(pgid, "pgid", 2, INT_MAX), signalNumber(signal, "signal", 0)), "kill");
}
