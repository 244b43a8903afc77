/**
 * run: spawn, feed, collect, judge.
 */

import type { Writable } from "node:stream";
import { conflict, wrongType, wrongValue } from "../errors.js";
import type { PathLike, TextLike } from "../program/options.js";
import type { Child } from "./child.js";
import type { StderrOf, StdoutOf } from "./child-types.js";
import { feed, type Input } from "./feed.js";
import { DRAIN_WHILE_BUSY, RUN_OPTION_NAMES, type RunOptions, readArguments, readRun } from "./options.js";
import type { Collected } from "./output.js";
import { start } from "./spawn.js";

type EncodingOf<Options> = Options extends { readonly encoding: infer Encoding extends "utf8" | "buffer" }
  ? Encoding
  : "encoding" extends keyof Options
    ? "utf8" | "buffer"
    : "utf8";

/** What `run` gives with these options. */
export type RunResult<Options = RunOptions> = Collected<EncodingOf<Options>, StdoutOf<Options>, StderrOf<Options>>;

/**
 * Runs a command to its end and gives its output.
 *
 * It reads nothing (fd 0 is the null device) unless `input` is given; fds 1 and 2 are captured. Takes all
 * options of `spawn`.
 *
 * @returns the result: `stdout`, `stderr`, `exit`, `durationMs`, `reason`.
 * @throws ExitError for an end other than exit code 0, TimeoutError, AbortError, DrainError (none of them with `reject: false`),
 * OutputError for text that no string can hold: each with the same fields as the result. SpawnError, TypeError, RangeError,
 * UnsupportedError as `spawn`; what an `input` that is iterated throws. When it rejects the command has ended.
 */
export function run<const Options extends RunOptions = object>(file: PathLike, options?: Options): Promise<RunResult<Options>>;
export function run<const Options extends RunOptions = object>(
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: Options,
): Promise<RunResult<Options>>;
export async function run(file: PathLike, args?: unknown, options?: unknown): Promise<unknown> {
  return runBy(start, file, args, options);
}

/** Runs a command that `start` starts. */
export async function runBy(
  starter: (...call: Parameters<typeof start>) => Child | Promise<Child>,
  file: PathLike,
  args: unknown,
  options: unknown,
): Promise<unknown> {
  const call = readArguments<RunOptions>(args, options, RUN_OPTION_NAMES);
  const { options: given } = call;
  const { input } = given;
  const { encoding, reject } = readRun(given);
  const simple = typeof input === "string" || input instanceof Uint8Array;
  if (input !== undefined) {
    if (!simple && !isIterable(input)) throw wrongType("options.input", "a string, bytes or an iterable of them", input);
    checkInput(input, given);
  }
  const started = starter(file, call.args, given, [input === undefined ? "ignore" : "pipe", "pipe", "pipe"], DRAIN_WHILE_BUSY);
  const child = started instanceof Promise ? await started : started;
  const output = child.output({ encoding });
  const failure = input === undefined ? undefined : (await Promise.all([feedOrTerminate(child, input), output]))[0];
  if (failure !== undefined) throw failure.error;
  const result = await output;
  const error = reject ? child.endError(result) : undefined;
  if (error !== undefined) throw error;
  return result;
}

/** Checks the input together with the other options. */
export function checkInput(input: unknown, { stdin, stdio, fds }: Pick<RunOptions, "stdin" | "stdio" | "fds">): void {
  if (typeof input === "string" && !input.isWellFormed()) {
    throw wrongValue("options.input", input, "must not contain a lone surrogate");
  }
  if (stdin !== undefined || stdio !== undefined || fds?.[0] !== undefined) {
    throw conflict("options.input excludes stdin, stdio and fd 0 in fds");
  }
}

function isIterable(value: unknown): value is AsyncIterable<string | Uint8Array> {
  return typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

/** Writes the input. If that fails the command is terminated; gives the failure. */
async function feedOrTerminate(child: Child, input: Input): Promise<{ error: unknown } | undefined> {
  try {
    await feed(child.stdin as Writable, input);
    return undefined;
  } catch (error) {
    await child.terminate();
    return { error };
  }
}
