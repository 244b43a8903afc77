/**
 * brood/posix: the system calls below `spawn`, one by one, without promises. What they give is the caller's.
 */

export { SpawnError, UnsupportedError } from "./errors.js";
export type { Signal } from "./kernel/signals.js";
export { cloexecPipe, close, type SocketType, socketpair } from "./posix/fds.js";
export { type ForkExecEntry, type ForkExecOptions, type ForkedChild, forkExec } from "./posix/fork-exec.js";
export { kill, killpg, type PidfdSignalOptions, pidfdOpen, pidfdSendSignal } from "./posix/signals.js";
export { openpty, tcsetwinsize, type WindowSize } from "./posix/terminals.js";
export { type IdType, type WaitidOptions, waitid } from "./posix/waitid.js";
export type {
  EnvironmentLike,
  FileMode,
  Limit,
  LimitName,
  PathLike,
  TextLike,
} from "./program/options.js";
export type { ChildState, ExitState, LiveState, Usage } from "./states.js";
