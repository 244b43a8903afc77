/**
 * run: spawn, feed, collect, judge.
 */

import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { conflict, wrongType } from "../errors.js";
import type { PathLike, TextLike } from "../program/options.js";
import type { Child } from "./child.js";
import type { StderrOf, StdoutOf } from "./child-types.js";
import { RUN_OPTION_NAMES, type RunOptions, readArguments, readRun } from "./options.js";
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
 * @throws ExitError for an end other than exit code 0 (unless `reject: false`), TimeoutError, AbortError: each
 * with the same fields as the result. SpawnError, TypeError, RangeError as `spawn`.
 */
export function run<const Options extends RunOptions = object>(file: PathLike, options?: Options): Promise<RunResult<Options>>;
export function run<const Options extends RunOptions = object>(
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: Options,
): Promise<RunResult<Options>>;
export async function run(file: PathLike, args?: unknown, options?: unknown): Promise<unknown> {
  const call = readArguments<RunOptions>(args, options, RUN_OPTION_NAMES);
  const { input, encoding: _, reject: __, ...rest } = call.options;
  const { encoding, reject } = readRun(call.options);
  const simple = typeof input === "string" || input instanceof Uint8Array;
  if (input !== undefined) {
    if (!simple && !isIterable(input)) throw wrongType("options.input", "a string, bytes or an iterable of them", input);
    if (rest.stdin !== undefined || rest.stdio !== undefined) throw conflict("options.input excludes stdin and stdio");
  }
  const child = start(file, call.args, rest, [input === undefined ? "ignore" : "pipe", "pipe", "pipe"]);
  const [result, inputError] = await Promise.all([
    child.output({ encoding }),
    input === undefined ? undefined : feed(child, input),
  ]);
  if (inputError !== undefined) throw inputError;
  const error = reject ? child.endError(result) : undefined;
  if (error !== undefined) throw error;
  return result;
}

function isIterable(value: unknown): value is AsyncIterable<string | Uint8Array> {
  return typeof value === "object" && value !== null && (Symbol.asyncIterator in value || Symbol.iterator in value);
}

/** Writes the input. A command that ends without reading it all is no error; an input that fails is. */
async function feed(child: Child, input: NonNullable<RunOptions["input"]>): Promise<Error | undefined> {
  const stdin = child.stdin as NodeJS.WritableStream;
  let failure: Error | undefined;
  const source = async function* (): AsyncGenerator<string | Uint8Array> {
    try {
      yield* typeof input === "string" || input instanceof Uint8Array ? [input] : (input as AsyncIterable<string | Uint8Array>);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      await child.terminate();
      throw failure;
    }
  };
  try {
    await pipeline(Readable.from(source()), stdin);
  } catch {
    // The child's: EPIPE, or its end. The input's own is in `failure`.
  }
  return failure;
}
