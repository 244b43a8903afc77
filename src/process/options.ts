/**
 * The options of spawn and run that concern a child's life with us, and their checks.
 */

import { conflict, outOfRange, wrongType, wrongValue } from "../errors.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import { PROGRAM_OPTION_NAMES, type ProgramOptions } from "../program/options.js";
import { checkBoolean, checkNames } from "../program/validate.js";

/** Options of `spawn`. */
export interface SpawnOptions extends ProgramOptions {
  /**
   * Ends the child when it aborts: as by `terminate()`. Aborted already: AbortError, and nothing is
   * created.
   */
  signal?: AbortSignal | undefined;
  /** Ends the child after so many milliseconds, as by `terminate()`. Default: none; 0 is none. */
  timeout?: number | undefined;
  /** The polite signal of `terminate()`, `timeout`, `signal` and `cleanup`. Default SIGTERM. */
  killSignal?: Signal | undefined;
  /**
   * How long after `killSignal` SIGKILL follows, in milliseconds. Default 5000: time to save work, and an
   * end that is bounded. false: never.
   */
  forceKillAfterDelay?: number | false | undefined;
  /** Whether the child gets `killSignal` when our environment (process or worker) ends. Default true. */
  cleanup?: boolean | undefined;
  /** The child outlives us: `session: true`, `cleanup: false`, and no hold on the event loop. Default false. */
  detached?: boolean | undefined;
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

/** The part of the options that concerns the child's life, with defaults filled in. */
export interface Life {
  signal: AbortSignal | undefined;
  timeout: number;
  killSignal: number;
  forceKillAfterDelay: number | false;
  cleanup: boolean;
  detached: boolean;
}

const LIFE_NAMES = Object.keys({
  signal: 0,
  timeout: 0,
  killSignal: 0,
  forceKillAfterDelay: 0,
  cleanup: 0,
  detached: 0,
} satisfies Record<keyof Life, 0>);

/** All options of `spawn`. */
export const SPAWN_OPTION_NAMES: readonly string[] = [...PROGRAM_OPTION_NAMES, ...LIFE_NAMES];

const RUN_ONLY = Object.keys({ input: 0, encoding: 0, reject: 0 } satisfies Record<
  Exclude<keyof RunOptions, keyof SpawnOptions>,
  0
>);

/** All options of `run`. */
export const RUN_OPTION_NAMES: readonly string[] = [...SPAWN_OPTION_NAMES, ...RUN_ONLY];

/** The longest time that a timer can wait. */
const MOST_MS = 0x7fffffff;

/** Sorts out `(file, args?, options?)`. */
export function readArguments<Options>(
  args: unknown,
  options: unknown,
  known: readonly string[],
): { args: unknown; options: Options } {
  if (args !== undefined && !Array.isArray(args) && options === undefined && typeof args === "object" && args !== null) {
    return { args: [], options: checkNames(args, "options", known) as Options };
  }
  return { args: args ?? [], options: (options === undefined ? {} : checkNames(options, "options", known)) as Options };
}

/** Checks the options that concern the child's life. */
export function readLife(options: SpawnOptions): Life {
  const { signal, timeout, killSignal, forceKillAfterDelay } = options;
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType("options.signal", "an AbortSignal", signal);
  const detached = options.detached === undefined ? false : checkBoolean(options.detached, "options.detached");
  if (detached && options.session === false) throw conflict("options.detached is a session of its own: session can't be false");
  if (detached && options.cleanup === true) throw conflict("options.detached is not cleaned up: cleanup can't be true");
  if (detached && options.processGroup !== undefined)
    throw conflict("options.detached and options.processGroup exclude each other");
  return {
    signal,
    timeout: timeout === undefined ? 0 : checkMs(timeout, "options.timeout"),
    killSignal: signalNumber(killSignal ?? "SIGTERM", "options.killSignal"),
    forceKillAfterDelay:
      forceKillAfterDelay === undefined
        ? 5000
        : forceKillAfterDelay === false
          ? false
          : checkMs(forceKillAfterDelay, "options.forceKillAfterDelay"),
    cleanup: options.cleanup === undefined ? !detached : checkBoolean(options.cleanup, "options.cleanup"),
    detached,
  };
}

function checkMs(value: unknown, name: string): number {
  if (typeof value !== "number") throw wrongType(name, "a number of milliseconds", value);
  if (!(value >= 0 && value <= MOST_MS)) throw outOfRange(name, `from 0 to ${MOST_MS} milliseconds`, value);
  return value;
}

/** Checks the options that only `run` has. */
export function readRun(options: RunOptions): { encoding: "utf8" | "buffer"; reject: boolean } {
  const encoding = options.encoding ?? "utf8";
  if (encoding !== "utf8" && encoding !== "buffer") throw wrongValue("options.encoding", encoding, 'must be "utf8" or "buffer"');
  return { encoding, reject: options.reject === undefined ? true : checkBoolean(options.reject, "options.reject") };
}
