/**
 * The options of spawn and run that concern a child's life with us, and their checks.
 */

import { CONTAIN_OPTION_NAMES, type ContainOptions, type ContainPlan, readContain } from "../contain/options.js";
import { conflict, outOfRange, wrongType, wrongValue } from "../errors.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import { type PathLike, PROGRAM_OPTION_NAMES, type ProgramOptions } from "../program/options.js";
import { checkBoolean, checkInteger, checkNames, checkOptions, checkPath, isRecord } from "../program/validate.js";
import type { Text } from "../program/writer.js";
import type { Keep } from "./capture.js";
import { FOREIGN_OPTIONS } from "./foreign-options.js";

/** Options of `spawn`. */
export interface SpawnOptions extends ProgramOptions, ContainOptions {
  /**
   * Ends the child when it aborts: as by `terminate()`. Aborted already: AbortError, and nothing is
   * created.
   */
  signal?: AbortSignal | undefined;
  /**
   * Ends the child after so many milliseconds, as by `terminate()`. Default: none; 0 is none. At most 2147483647, else a
   * RangeError with code ERR_OUT_OF_RANGE, as for every time here.
   */
  timeout?: number | undefined;
  /**
   * Ends the child after so many milliseconds in which no byte went through any of its pipes, as by
   * `terminate()`. Bytes that a slow reader of ours has yet to take don't
   * count as idle. Default: none; 0 is none.
   */
  idleTimeout?: number | undefined;
  /**
   * How long, after the child has exited, pipes that other processes hold are read on. Default for `spawn`: to
   * their end. For `run`: until 2000 ms have passed without a byte.
   */
  drain?: Drain | undefined;
  /** What is kept of output that is collected (by `run` and `output()`), of each fd. Default: all. A number: its head. */
  maxOutput?: number | MaxOutput | undefined;
  /** The polite signal of `terminate()`, `timeout`, `signal` and `cleanup`. Default SIGTERM. */
  killSignal?: Signal | undefined;
  /**
   * How long after `killSignal` SIGKILL follows, in milliseconds. Default 5000: time to save work, and an
   * end that is bounded. false: never.
   */
  forceKillAfterDelay?: number | false | undefined;
  /**
   * Whether the child gets `killSignal`, then SIGKILL, when our environment (process or worker) ends by exit, return or
   * exception. Default true: a child that nobody waits for any more is a leak. For our own death by a signal see
   * `installSignalCleanup`, `parentDeathSignal` and `contain`.
   */
  cleanup?: boolean | undefined;
  /**
   * The child outlives us: `session: true`, `cleanup: false`, and no hold on the event loop, which an `await` of it does not
   * give back: `ref()` does. Default false.
   */
  detached?: boolean | undefined;
}

/** How long pipes are read on that others hold. What has arrived is never thrown away. */
export interface Drain {
  /** At most so many milliseconds from the exit. Default: no bound. */
  timeout?: number | undefined;
  /** At most so many milliseconds without a byte. Default: no bound. */
  idle?: number | undefined;
  /**
   * What is done then: "close" (default) ends the pipes, and the result says `drained: false` and `heldBy`; "error"
   * does the same, with a DrainError; "wait" waits for their end all the same. Without a bound: at once.
   */
  then?: "wait" | "close" | "error" | undefined;
}

/** What is kept of long output. Output that is too long ends nothing. */
export interface MaxOutput {
  /** How many bytes of each fd. */
  bytes: number;
  /** Which: the "head" (default), the "tail", or "both" in equal shares. The result's `omitted` says what is missing. */
  keep?: Keep | undefined;
  /**
   * A file for the whole output of fd 1, made only if it is too long; that of another fd N goes to the same name with
   * ".N" behind it.
   */
  spill?: PathLike | undefined;
}

/** Options of `run`. */
export interface RunOptions extends SpawnOptions {
  /** What is written to the command's fd 0, which is then closed. Default: nothing, fd 0 is the null device. */
  input?: string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array> | undefined;
  /** How output is given: "utf8" (default) as strings, "buffer" as bytes. */
  encoding?: "utf8" | "buffer" | undefined;
  /** Whether an end other than exit code 0 throws. Default true; false: it is returned. */
  reject?: boolean | undefined;
}

/** A Drain with its defaults filled in. */
export interface DrainPlan {
  timeout: number | undefined;
  idle: number | undefined;
  /** What is done then. */
  then: "wait" | "close" | "error";
}

/** A MaxOutput with its defaults filled in. */
export interface Limit {
  bytes: number;
  keep: Keep;
  spill: Text | undefined;
}

export const DRAIN_TO_THE_END: DrainPlan = { timeout: undefined, idle: undefined, then: "wait" };
/** Long enough for a last word of a process that is on its way out, short enough not to look like a hang. */
export const DRAIN_WHILE_BUSY: DrainPlan = { timeout: undefined, idle: 2000, then: "close" };

/** The part of the options that concerns the child's life, with defaults filled in. */
export interface Life {
  signal: AbortSignal | undefined;
  timeout: number;
  idleTimeout: number;
  drain: DrainPlan;
  maxOutput: Limit | undefined;
  killSignal: number;
  forceKillAfterDelay: number | false;
  cleanup: boolean;
  detached: boolean;
  contain: ContainPlan | undefined;
}

const LIFE_NAMES = Object.keys({
  signal: 0,
  timeout: 0,
  idleTimeout: 0,
  drain: 0,
  maxOutput: 0,
  killSignal: 0,
  forceKillAfterDelay: 0,
  cleanup: 0,
  detached: 0,
} satisfies Record<Exclude<keyof Life, "contain">, 0>);

/** All options of `spawn`. */
export const SPAWN_OPTION_NAMES: readonly string[] = [...PROGRAM_OPTION_NAMES, ...LIFE_NAMES, ...CONTAIN_OPTION_NAMES];

const RUN_ONLY = Object.keys({ input: 0, encoding: 0, reject: 0 } satisfies Record<
  Exclude<keyof RunOptions, keyof SpawnOptions>,
  0
>);

/** All options of `run`. */
export const RUN_OPTION_NAMES: readonly string[] = [...SPAWN_OPTION_NAMES, ...RUN_ONLY];

const SIGTERM = 15;

/** The longest time that a timer can wait. */
const MOST_MS = 0x7fffffff;

/** Sorts out `(file, args?, options?)`. */
export function readArguments<Options>(
  args: unknown,
  options: unknown,
  known: readonly string[],
): { args: unknown; options: Options } {
  if (args !== undefined && options === undefined && isRecord(args)) {
    return { args: [], options: checkOptions(args, known, FOREIGN_OPTIONS) as Options };
  }
  return { args: args ?? [], options: (options === undefined ? {} : checkOptions(options, known, FOREIGN_OPTIONS)) as Options };
}

/** Checks the options that concern the child's life. */
export function readLife(options: SpawnOptions, drainDefault: DrainPlan): Life {
  const { signal, timeout, idleTimeout, drain, killSignal, forceKillAfterDelay } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType("options.signal", "an AbortSignal", signal);
  const detached = options.detached === undefined ? false : checkBoolean(options.detached, "options.detached");
  if (detached && options.session === false) throw conflict("options.detached is a session of its own: session can't be false");
  if (detached && options.cleanup === true) throw conflict("options.detached is not cleaned up: cleanup can't be true");
  if (detached && options.processGroup !== undefined)
    throw conflict("options.detached and options.processGroup exclude each other");
  return {
    signal,
    timeout: timeout === undefined ? 0 : checkMs(timeout, "options.timeout"),
    idleTimeout: idleTimeout === undefined ? 0 : checkMs(idleTimeout, "options.idleTimeout"),
    drain: drain === undefined ? drainDefault : readDrain(drain),
    maxOutput: readMaxOutput(options.maxOutput),
    killSignal: killSignal === undefined ? SIGTERM : signalNumber(killSignal, "options.killSignal"),
    forceKillAfterDelay:
      forceKillAfterDelay === undefined
        ? 5000
        : forceKillAfterDelay === false
          ? false
          : checkMs(forceKillAfterDelay, "options.forceKillAfterDelay"),
    cleanup: options.cleanup === undefined ? !detached : checkBoolean(options.cleanup, "options.cleanup"),
    detached,
    contain: readContain(options),
  };
}

function checkMs(value: unknown, name: string): number {
  if (typeof value !== "number") throw wrongType(name, "a number of milliseconds", value);
  if (!(value >= 0 && value <= MOST_MS)) throw outOfRange(name, `from 0 to ${MOST_MS} milliseconds`, value);
  return value;
}

function readDrain(drain: Drain): DrainPlan {
  const { timeout, idle, then = "close" } = checkNames(drain, "options.drain", ["timeout", "idle", "then"]) as Drain;
  if (!["wait", "close", "error"].includes(then))
    throw wrongValue("options.drain.then", then, 'must be "wait", "close" or "error"');
  const plan = {
    timeout: timeout === undefined ? undefined : checkMs(timeout, "options.drain.timeout"),
    idle: idle === undefined ? undefined : checkMs(idle, "options.drain.idle"),
    then,
  };
  return plan.timeout === undefined && plan.idle === undefined ? { ...plan, timeout: 0 } : plan;
}

const KEEPS: readonly Keep[] = ["head", "tail", "both"];

function readMaxOutput(limit: SpawnOptions["maxOutput"]): Limit | undefined {
  if (limit === undefined) return undefined;
  const given = typeof limit === "object" ? limit : { bytes: limit };
  const {
    bytes,
    keep = "head",
    spill,
  } = checkNames(given, "options.maxOutput", ["bytes", "keep", "spill"]) as unknown as MaxOutput;
  if (!KEEPS.includes(keep)) throw wrongValue("options.maxOutput.keep", keep, `must be one of ${KEEPS.join(", ")}`);
  return {
    bytes: checkInteger(
      bytes,
      typeof limit === "object" ? "options.maxOutput.bytes" : "options.maxOutput",
      0,
      Number.MAX_SAFE_INTEGER,
    ),
    keep,
    spill: spill === undefined ? undefined : checkPath(spill, "options.maxOutput.spill"),
  };
}

/** Checks the options that only `run` has. */
export function readRun(options: RunOptions): { encoding: "utf8" | "buffer"; reject: boolean } {
  const { encoding = "utf8" } = options;
  if (encoding !== "utf8" && encoding !== "buffer") throw wrongValue("options.encoding", encoding, 'must be "utf8" or "buffer"');
  return { encoding, reject: options.reject === undefined ? true : checkBoolean(options.reject, "options.reject") };
}
