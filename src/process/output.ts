/**
 * Collecting a child's output: straight from the pipes, without streams, unless somebody made one.
 */

import type { Outcome, Reason } from "../errors.js";
import { wrongValue } from "../errors.js";
import { checkNames } from "../program/validate.js";
import type { ExitState } from "../states.js";
import type { ChildPipes } from "./child-pipes.js";
import type { ChildOutput } from "./child-types.js";
import { reasonFor } from "./ending.js";
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
  stdout: Captured<Encoding, Stdout>;
  stderr: Captured<Encoding, Stderr>;
  /** What was captured of fds other than 1 and 2, by number; absent where there are none. */
  fds?: { [fd: number]: OutputOf<Encoding> };
}

/** What is asked of the child. */
interface Finishing {
  readonly command: string;
  readonly args: readonly string[];
  readonly closed: Promise<ExitState>;
  readonly durationMs: number;
  readonly reason: Reason | null;
}

/** Collects all that is piped, waits for the end of everything. */
export async function collectOutput<Encoding extends "utf8" | "buffer">(
  child: Finishing,
  pipes: ChildPipes,
  options: OutputOptions<Encoding>,
): Promise<Collected<Encoding>> {
  const { encoding = "utf8" } = checkNames(options, "options", ["encoding"]);
  if (encoding !== "utf8" && encoding !== "buffer") throw wrongValue("options.encoding", encoding, 'must be "utf8" or "buffer"');
  const chunks = new Map<number, Buffer[]>();
  const pending: Promise<unknown>[] = [];
  for (const fd of pipes.readable()) {
    const reader = pipes.untouchedReader(fd);
    const collected: Buffer[] = [];
    chunks.set(fd, collected);
    pending.push(
      reader !== undefined
        ? collectReader(reader, collected)
        : collectStream(pipes.stream(fd) as AsyncIterable<Buffer>, collected),
    );
  }
  await Promise.all(pending);
  const exit = await child.closed;
  const give = (fd: number): OutputOf<Encoding> => {
    const bytes = Buffer.concat(chunks.get(fd) as Buffer[]);
    return (encoding === "buffer" ? bytes : bytes.toString()) as OutputOf<Encoding>;
  };
  const result = {
    command: child.command,
    args: [...child.args],
    stdout: chunks.has(1) ? give(1) : null,
    stderr: chunks.has(2) ? give(2) : null,
    exit,
    durationMs: child.durationMs,
    reason: child.reason ?? reasonFor(exit, undefined),
  } as Collected<Encoding>;
  const others = [...chunks.keys()].filter((fd) => fd !== 1 && fd !== 2);
  if (others.length > 0) result.fds = Object.fromEntries(others.map((fd) => [fd, give(fd)]));
  return result;
}

/** A pipe that was cut, or failed, gives what it gave: the reason of the end tells the rest. */
function collectReader(reader: PipeReader, chunks: Buffer[]): Promise<void> {
  return new Promise((resolve) => {
    reader.attach({
      data: (chunk) => {
        chunks.push(chunk);
        return true;
      },
      end: () => resolve(),
    });
    reader.resume();
  });
}

async function collectStream(stream: AsyncIterable<Buffer | string>, chunks: Buffer[]): Promise<void> {
  try {
    for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  } catch {
    // As above.
  }
}
