/**
 * Collecting a child's output: natively, or straight from the pipes, without streams, unless somebody made one.
 */

import { type Holder, invalidState, type Omission, type Outcome, type Reason, wrongValue } from "../errors.js";
import { checkNames } from "../program/validate.js";
import type { ContainmentVerdict, ExitState } from "../states.js";
import { Capture, type CaptureLimit, type Collection } from "./capture.js";
import type { ChildPipes } from "./child-pipes.js";
import type { ChildOutput } from "./child-types.js";
import { outputError, reasonFor } from "./ending.js";
import type { Limit } from "./options.js";
import type { PipeReader } from "./pipe-reader.js";

/** How output is given. */
export interface OutputOptions<Encoding extends "utf8" | "buffer" = "utf8" | "buffer"> {
  /** "utf8" (default): as strings, bytes that aren't UTF-8 replaced; "buffer": as they came. */
  encoding?: Encoding | undefined;
}

type OutputOf<Encoding> = Encoding extends "buffer" ? Buffer : string;

/** What was captured of an fd: null where its stream is null. */
type Captured<Encoding, Stream> = Stream extends null ? null : OutputOf<Encoding>;

/** A finished command. */
export interface Collected<Encoding = "utf8", Stdout = ChildOutput, Stderr = ChildOutput>
  extends Outcome<OutputOf<Encoding> | null> {
  /** What was captured of fd 1: a string, or with `encoding: "buffer"` bytes; null where nothing was. */
  stdout: Captured<Encoding, Stdout>;
  /** What was captured of fd 2, as of fd 1. */
  stderr: Captured<Encoding, Stderr>;
  /** What was captured of fds other than 1 and 2, by number; absent where there are none. */
  fds?: { [fd: number]: OutputOf<Encoding> };
}

/** What is told of a child that has ended. */
interface Finished {
  readonly command: string;
  readonly args: readonly string[];
  readonly durationMs: number;
  readonly reason: Reason | null;
  readonly drained: boolean | null;
  readonly heldBy: readonly Holder[];
  readonly containment: ContainmentVerdict | null;
}

/** What is asked of a child. */
interface Finishing extends Finished {
  readonly closed: Promise<ExitState>;
}

/**
 * Collects all that is piped, waits for the end of everything.
 *
 * @throws OutputError for text that no string can hold, and for more than there is memory for. Error ERR_INVALID_STATE: a
 * stream has given bytes already, which would be missing.
 */
export async function collectOutput<Encoding extends "utf8" | "buffer">(
  child: Finishing,
  pipes: ChildPipes,
  limit: Limit | undefined,
  options: OutputOptions<Encoding>,
): Promise<Collected<Encoding>> {
  const { encoding = "utf8" } = checkNames(options, "options", ["encoding"]);
  if (encoding !== "utf8" && encoding !== "buffer") throw wrongValue("options.encoding", encoding, 'must be "utf8" or "buffer"');
  for (const fd of pipes.readable()) {
    if (pipes.hasGiven(fd)) throw invalidState(`fd ${fd} of the child has been read by its stream already, in part at least`);
  }
  const text = encoding === "utf8";
  const collections: [number, Collection][] = [];
  const pending: Promise<void>[] = [];
  for (const fd of pipes.readable()) {
    // Whole output is kept natively. Where it is bounded, or somebody has read already, it goes through here.
    const captured = limit === undefined ? pipes.capture(fd, text) : undefined;
    if (captured !== undefined) collections.push([fd, captured]);
    else
      pending.push(new Promise((resolve) => collections.push([fd, collect(pipes, fd, limit && limitFor(limit, fd), resolve)])));
  }
  if (pending.length > 0) await Promise.all(pending);
  const exit = await child.closed;
  return outcomeOf(child, exit, collections, encoding) as Collected<Encoding>;
}

function collect(pipes: ChildPipes, fd: number, limit: CaptureLimit | undefined, done: () => void): Capture {
  const reader = pipes.untouchedReader(fd);
  return reader ? fromReader(reader, limit, done) : fromStream(pipes.stream(fd) as AsyncIterable<Buffer>, limit, done);
}

/** Each fd spills to a file of its own. */
export function limitFor({ bytes, keep, spill }: Limit, fd: number): CaptureLimit {
  if (spill === undefined) return { bytes, keep, spill };
  const path = typeof spill === "string" ? spill : Buffer.from(spill);
  return { bytes, keep, spill: fd === 1 ? path : Buffer.concat([Buffer.from(path), Buffer.from(`.${fd}`)]) };
}

/** A pipe that was cut, or failed, gives what it gave: the reason of the end tells the rest. */
function fromReader(reader: PipeReader, limit: CaptureLimit | undefined, done: () => void): Capture {
  const capture = new Capture(limit, () => reader.resume(), done);
  reader.attach(capture);
  reader.resume();
  return capture;
}

function fromStream(stream: AsyncIterable<Buffer | string>, limit: CaptureLimit | undefined, done: () => void): Capture {
  let wake = (): void => {};
  const capture = new Capture(limit, () => wake(), done);
  const pump = async (): Promise<void> => {
    for await (const chunk of stream) {
      if (capture.data(typeof chunk === "string" ? Buffer.from(chunk) : chunk)) continue;
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  // As above.
  void pump().then(
    () => capture.end(),
    () => capture.end(),
  );
  return capture;
}

/** Makes the outcome of what was captured. */
export function outcomeOf(
  child: Finished,
  exit: ExitState,
  collections: Iterable<[number, Collection]>,
  encoding: "utf8" | "buffer",
): Outcome {
  let stdout: string | Buffer | null = null;
  let stderr: string | Buffer | null = null;
  let fds: Record<number, string | Buffer> | undefined;
  const omitted: Record<number, Omission> = {};
  let short: { fd: number; bytes: number; failure: Error | undefined } | undefined;
  for (const [fd, collection] of collections) {
    const given = collection.give(encoding);
    if (fd === 1) stdout = given.output;
    else if (fd === 2) stderr = given.output;
    else {
      fds ??= {};
      fds[fd] = given.output;
    }
    if (given.omitted !== undefined) omitted[fd] = given.omitted;
    if (given.failure !== undefined || (encoding === "utf8" && typeof given.output !== "string"))
      short ??= { fd, bytes: given.output.length, failure: given.failure };
  }
  const outcome: Outcome & { fds?: object } = {
    command: child.command,
    args: [...child.args],
    stdout,
    stderr,
    exit,
    durationMs: child.durationMs,
    reason: child.reason ?? reasonFor(exit, undefined),
    drained: child.drained ?? true,
    heldBy: child.heldBy,
    omitted,
    containment: child.containment,
  };
  if (fds !== undefined) outcome.fds = fds;
  if (short !== undefined) throw outputError(child, short, outcome);
  return outcome;
}
