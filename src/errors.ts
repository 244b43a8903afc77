/**
 * Every error class and code of brood. A leaf: it imports nothing of the project but types of stages.ts and states.ts.
 *
 * Failures of the world are `BroodError`s. Mistakes in a call are `TypeError`s and `RangeError`s with
 * a `code`, thrown before anything is created.
 */

import type { Stage } from "./stages.js";
import type { ContainmentVerdict, ExitState } from "./states.js";

const BRAND = Symbol.for("brood.error");

/** What a JSON form of an error holds. */
export type ErrorJson = { name: string; message: string; code: string; [key: string]: unknown };

/**
 * Is the base of every error that brood throws about the world (not about the call).
 *
 * `instanceof` works across duplicate copies of the package.
 */
export class BroodError extends Error {
  /** A stable identifier, for programs to branch on. */
  readonly code: string;

  constructor(message: string, code: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    Object.defineProperty(this, "name", { value: new.target.name, configurable: true });
    Object.defineProperty(this, BRAND, { value: lineage(new.target) });
  }

  /** Recognises an instance made by another copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== "object" || value === null) return false;
    const brands = (value as { [BRAND]?: unknown })[BRAND];
    // biome-ignore lint/complexity/noThisInStatic: `this` is the class that instanceof asks about, maybe a subclass
    return Array.isArray(brands) && brands.includes(this.name);
  }

  /** Gives every own field, so that an error survives logging and message passing. */
  toJSON(): ErrorJson {
    const cause = this.cause instanceof Error ? { name: this.cause.name, message: this.cause.message } : this.cause;
    return {
      ...(this as object),
      name: this.name,
      message: this.message,
      code: this.code,
      ...(cause === undefined ? {} : { cause }),
    };
  }
}

/** The names of a class and of all above it up to BroodError. */
function lineage(start: { name: string }): string[] {
  const names: string[] = [];
  for (let at: unknown = start; typeof at === "function" && at !== Error; at = Object.getPrototypeOf(at)) {
    names.push(at.name);
  }
  return names;
}

/** What a failed spawn is about. */
export interface SpawnFailure {
  /** Where it failed: a step of the child's set-up, or one of our own before it. */
  stage: Stage;
  /** The kernel's number, 0 if it gave none. */
  errno: number;
  /** The path that the failed step was about, if any. */
  path?: string | undefined;
  /** The fd (in the child's numbering, or ours for a source that is not open) concerned, if any. */
  fd?: number | undefined;
  /** The executable that was asked for. */
  file: string;
  /** For a failed exec: each path tried, with its own errno name; of more than 240 the first. */
  candidates?: { path: string; code: string }[] | undefined;
}

/**
 * Says that a child could not be started. Nothing of it is left: no process, no fd.
 *
 * `code` is the errno's name (`ENOENT`, `EACCES`, `EAGAIN`, ...), or `ERR_SPAWN_KILLED` if the child was
 * killed during its set-up.
 */
export class SpawnError extends BroodError {
  /** Where it failed: a step of the child's set-up, or one of our own before it. docs/errors.md has all of them. */
  readonly stage: Stage;
  /** The kernel's number, positive, as in errno(3); 0 if it gave none. */
  readonly errno: number;
  /** The path that the failed step was about: the directory, the file to open, the executable. Undefined if none, or several. */
  readonly path: string | undefined;
  /** The fd concerned: the child's, or ours for a source that is not open. */
  readonly fd: number | undefined;
  /** The executable that was asked for. */
  readonly file: string;
  /** For a failed exec: each path tried, in order, with its own errno name; of more than 240 the first. */
  readonly candidates: { path: string; code: string }[] | undefined;

  constructor(message: string, code: string, failure: SpawnFailure, options?: ErrorOptions) {
    super(message, code, options);
    this.stage = failure.stage;
    this.errno = failure.errno;
    this.path = failure.path;
    this.fd = failure.fd;
    this.file = failure.file;
    this.candidates = failure.candidates;
  }
}

/** Why a child came to its end. One of them, never a row of booleans. */
export type Reason =
  | "exit" // it ended by itself
  | "signal" // a signal that was not ours ended it
  | "coredump" // the same, and it dumped core
  | "timeout" // `timeout` ran out
  | "idle" // `idleTimeout` ran out
  | "aborted" // `signal` aborted
  | "terminated" // `terminate()`, or the end of its scope
  | "parent-exit" // our process is about to end by a signal, see installSignalCleanup
  | "oom" // it was killed because the memory of its cgroup was short
  | "output" // its output is more than a string, or memory, can hold
  | "unknown"; // its status is not known

/** A process that holds the other end of a pipe. */
export interface Holder {
  /** Its process id, at the time of the look. */
  pid: number;
  /** Its command line, shortened; its name in brackets where it has none. */
  command: string;
  /** The child's fds whose pipes it holds. */
  fds: number[];
}

/** What is missing of an output that was longer than `maxOutput`. */
export interface Omission {
  /** How many bytes are missing. */
  bytes: number;
  /** Where they would be in what is given: an index of the string or the bytes. */
  at: number;
  /** The file that holds the whole output, if one was asked for. */
  spill?: string;
  /** Why that file is not complete, if it could not be written. */
  spillError?: Error;
}

/** What a finished command tells, as a result or as an error. */
export interface Outcome<Output = unknown> {
  /** The executable, as it was asked for. */
  command: string;
  /** Its arguments, without `argv[0]`. */
  args: string[];
  /** What was captured of fd 1, null where nothing was. */
  stdout: Output;
  /** What was captured of fd 2, null where nothing was. */
  stderr: Output;
  /** How it ended. */
  exit: ExitState;
  /** Wall-clock time from the spawn to the end of its output, in milliseconds. */
  durationMs: number;
  /** Why it ended. */
  reason: Reason;
  /** Whether all pipes came to their end; false: others held some, and they were given up. */
  drained: boolean;
  /** Those others, as far as we may see them. */
  heldBy: readonly Holder[];
  /** What is missing of output beyond `maxOutput`, by the child's fd. */
  omitted: { readonly [fd: number]: Omission };
  /** What became of all that the command started; null where it was not contained. */
  containment: ContainmentVerdict | null;
}

/**
 * An error that carries the outcome of a command: the base of ExitError, TimeoutError, AbortError, DrainError, OutputError. Those
 * of `run` have all fields; those of `check()` and `wait()` `command`, `args`, `exit` and `reason`; what a stream ends in, none.
 */
class OutcomeError extends BroodError implements Outcome {
  declare readonly command: string;
  declare readonly args: string[];
  declare readonly stdout: unknown;
  declare readonly stderr: unknown;
  /** What was captured of fds other than 1 and 2, by number; absent where there are none. */
  declare readonly fds?: { readonly [fd: number]: unknown };
  declare readonly exit: ExitState;
  declare readonly durationMs: number;
  declare readonly reason: Reason;
  declare readonly drained: boolean;
  declare readonly heldBy: readonly Holder[];
  declare readonly omitted: { readonly [fd: number]: Omission };
  declare readonly containment: ContainmentVerdict | null;

  constructor(message: string, code: string, outcome: Partial<Outcome>, options?: ErrorOptions) {
    super(message, code, options);
    Object.assign(this, outcome);
  }
}

/** Says that a command ended otherwise than with exit code 0. Code `ERR_EXIT`. */
export class ExitError extends OutcomeError {
  constructor(message: string, outcome: Partial<Outcome>) {
    super(message, "ERR_EXIT", outcome);
  }
}

/** Says that a command was terminated because its `timeout` or `idleTimeout` ran out (see `reason`). Code `ERR_TIMEOUT`. */
export class TimeoutError extends OutcomeError {
  constructor(message: string, outcome: Partial<Outcome> = {}) {
    super(message, "ERR_TIMEOUT", outcome);
  }
}

/** Says that an AbortSignal ended the operation; `cause` is the signal's reason. Code `ABORT_ERR`. */
export class AbortError extends OutcomeError {
  constructor(message: string, reason: unknown, outcome: Partial<Outcome> = {}) {
    super(message, "ABORT_ERR", outcome, { cause: reason });
  }
}

/** Says that other processes held a command's pipes for longer than `drain` allows. Code `ERR_NOT_DRAINED`. */
export class DrainError extends OutcomeError {
  constructor(message: string, outcome: Partial<Outcome> = {}) {
    super(message, "ERR_NOT_DRAINED", outcome);
  }
}

/**
 * Says that output is more than a string can hold: that is given as bytes. Or (`cause` is a system error) more than there is
 * memory for: what came before is kept, and the fd was closed. Code `ERR_OUTPUT_TOO_LONG`.
 */
export class OutputError extends OutcomeError {
  constructor(message: string, outcome: Partial<Outcome>, options?: ErrorOptions) {
    super(message, "ERR_OUTPUT_TOO_LONG", outcome, options);
  }
}

/** Says that something can't work on this platform, runtime or kernel. Code `ERR_UNSUPPORTED`. */
export class UnsupportedError extends BroodError {
  /** What is missing. */
  readonly feature: string;

  constructor(feature: string, message: string, options?: ErrorOptions) {
    super(message, "ERR_UNSUPPORTED", options);
    this.feature = feature;
  }
}

/** What a spawn host could not do. */
export interface HostFailure {
  /** The operation. */
  stage: Stage;
  /** The kernel's number, 0 if it gave none. */
  errno: number;
  /** The path that it was about, if any. */
  path?: string | undefined;
}

/**
 * Says that a spawn host, or a process that it has created, could not do what was asked of it.
 *
 * `code` is the errno's name, or `ERR_HOST_ENDED` where the host or that process has ended.
 */
export class HostError extends BroodError {
  /** The step that failed, as of a SpawnError; "host": the host itself. */
  readonly stage: Stage;
  /** The kernel's number, positive; 0 if it gave none. */
  readonly errno: number;
  /** The path that the step was about, if any. */
  readonly path: string | undefined;

  constructor(message: string, code: string, failure: HostFailure, options?: ErrorOptions) {
    super(message, code, options);
    this.stage = failure.stage;
    this.errno = failure.errno;
    this.path = failure.path;
  }
}

/** The codes of errors that blame the call. The first four are Node's own. */
export type ArgumentCode =
  | "ERR_INVALID_ARG_TYPE"
  | "ERR_INVALID_ARG_VALUE"
  | "ERR_OUT_OF_RANGE"
  | "ERR_UNKNOWN_SIGNAL"
  | "ERR_UNKNOWN_OPTION"
  | "ERR_OPTION_CONFLICT";

/** Makes the error for a call that comes too late or twice. The code is Node's own. */
export function invalidState(message: string): Error {
  return coded(new Error(message), "ERR_INVALID_STATE");
}

/** Shows a value in a message, shortened. */
export function show(value: unknown): string {
  if (typeof value === "string") return value.length > 60 ? `${JSON.stringify(value.slice(0, 57))}...` : JSON.stringify(value);
  if (typeof value === "function") return `function ${value.name}`.trim();
  if (typeof value === "object" && value !== null) return `an instance of ${classOf(value)}`;
  return String(value);
}

/** The name of an object's class. What stands in its place may be anything, and an error is not to fail by what it is about. */
function classOf(value: object): string {
  try {
    const name: unknown = value.constructor?.name;
    return typeof name === "string" && name !== "" ? name : "Object";
  } catch {
    return "Object";
  }
}

/** Makes the TypeError for an argument of the wrong type. */
export function wrongType(name: string, expected: string, value: unknown): TypeError {
  return coded(new TypeError(`${name} must be ${expected}, not ${show(value)}`), "ERR_INVALID_ARG_TYPE");
}

/** Makes the TypeError for an argument of the right type with a value that can't be. */
export function wrongValue(name: string, value: unknown, why: string, code: ArgumentCode = "ERR_INVALID_ARG_VALUE"): TypeError {
  return coded(new TypeError(`${name} ${why} (got ${show(value)})`), code);
}

/** Makes the RangeError for a number outside of its range. */
export function outOfRange(name: string, range: string, value: unknown): RangeError {
  return coded(new RangeError(`${name} must be ${range}, not ${show(value)}`), "ERR_OUT_OF_RANGE");
}

/** Makes the TypeError for options that exclude each other. */
export function conflict(message: string): TypeError {
  return coded(new TypeError(message), "ERR_OPTION_CONFLICT");
}

function coded<E extends Error>(error: E, code: string): E {
  return Object.assign(error, { code });
}
