/**
 * All our ends of one child's fds, and the streams over them.
 */

import { AsyncResource } from "node:async_hooks";
import { Readable } from "node:stream";
import { invalidState } from "../errors.js";
import type { Monitor } from "../kernel/monitor.js";
import type { LaunchedPipe } from "../launch/launcher.js";
import { CapturedPipe } from "./captured-pipe.js";
import type { ChildStream } from "./child-types.js";
import { PipeEnd } from "./pipe-end.js";
import { PipeReader, type Reading } from "./pipe-reader.js";
import { PipeWriter } from "./pipe-writer.js";
import { makeStream, PipeDuplex, PipeWritable } from "./streams.js";

interface Pipe {
  /** The child's fd. */
  target: number;
  end: PipeEnd;
  reader: PipeReader | undefined;
  writer: PipeWriter | undefined;
  /** Instead of the reader, once its bytes are kept natively. */
  captured: CapturedPipe | undefined;
  stream: ChildStream | undefined;
  /** Someone moves its bytes without a stream. */
  claimed: boolean;
}

/** Whose pipes they are. */
interface PipesOwner {
  /** The last of them has been closed. */
  pipesClosed(): void;
}

const readingOf = ({ captured, reader }: Pipe): Reading | undefined => captured ?? reader;

/** The two sides of one of the child's fds, as far as there are. */
export interface PipeSides {
  reader: PipeReader | undefined;
  writer: PipeWriter | undefined;
}

/** The streams of a child's fds by number. A stream is made when it is first got. */
export interface ChildFds {
  /** The stream over our end of that fd, undefined if we have none. */
  get(fd: number): ChildStream | undefined;
  /** Whether we have an end of that fd. No stream is made. */
  has(fd: number): boolean;
  /** The numbers of the child's fds that we have an end of. */
  keys(): IterableIterator<number>;
}

export class ChildPipes {
  /** In which the streams' callbacks run: that of the spawn. There is none without pipes. */
  readonly context: AsyncResource | undefined;
  /** Its streams, as the user gets them. */
  readonly fds: ChildFds;
  readonly #pipes: Pipe[] = [];
  #open: number;
  #owner: PipesOwner | undefined;

  constructor(monitor: Monitor, launched: readonly LaunchedPipe[]) {
    this.#open = launched.length;
    this.fds = {
      get: (fd) => this.stream(fd) ?? undefined,
      has: (fd) => this.has(fd),
      keys: () => this.targets(),
    };
    if (launched.length === 0) return;
    const context = new AsyncResource("BROOD_CHILD", { requireManualDestroy: true });
    this.context = context;
    const closed = (): void => {
      if (--this.#open === 0) this.#owner?.pipesClosed();
    };
    for (const { index, target, kind, size } of launched) {
      const end = new PipeEnd(monitor, index, target, kind, context, closed);
      const reader = end.readable ? new PipeReader(end, size) : undefined;
      const writer = end.writable ? new PipeWriter(end, size) : undefined;
      this.#pipes.push({ target, end, reader, writer, captured: undefined, stream: undefined, claimed: false });
    }
  }

  /** Says who is told when the last end has been closed; nobody is, if there never was one. */
  set owner(owner: PipesOwner) {
    if (this.#open > 0) this.#owner = owner;
  }

  #of(target: number): Pipe | undefined {
    return this.#pipes.find((pipe) => pipe.target === target);
  }

  /** How many ends are not closed. */
  get open(): number {
    return this.#open;
  }

  /** The child's fds whose ends are not closed. */
  openTargets(): number[] {
    return this.#pipes.filter(({ end }) => !end.closed).map(({ target }) => target);
  }

  /** Whether one of the child's fds has a stream. */
  has(target: number): boolean {
    return this.#of(target)?.claimed === false;
  }

  /** The child's fds that have a stream. */
  targets(): IterableIterator<number> {
    return this.#pipes.flatMap(({ claimed, target }) => (claimed ? [] : [target])).values();
  }

  /** The stream of one of the child's fds, made now if need be; null if it is no pipe of ours. */
  stream(target: number): ChildStream | null {
    const pipe = this.#of(target);
    if (pipe === undefined || pipe.claimed) return null;
    if (pipe.captured !== undefined) throw invalidState(`fd ${target} of the child is being collected by output()`);
    pipe.stream ??= makeStream(pipe.reader, pipe.writer);
    return pipe.stream;
  }

  /** Whether the stream of one of the child's fds has given bytes to somebody. */
  hasGiven(target: number): boolean {
    const stream = this.#of(target)?.stream;
    return stream !== undefined && stream instanceof Readable && stream.readableDidRead;
  }

  /** The reader of one of the child's fds, if no stream has been made over it. */
  untouchedReader(target: number): PipeReader | undefined {
    const pipe = this.#of(target);
    return pipe?.stream === undefined ? pipe?.reader : undefined;
  }

  /**
   * Has the bytes of one of the child's fds kept natively from the first on, to be had as text or as bytes when it has
   * ended. Undefined: somebody has it already, or it is more than a pipe that we read.
   */
  capture(target: number, text: boolean): CapturedPipe | undefined {
    const pipe = this.#of(target);
    if (pipe === undefined || pipe.stream !== undefined || pipe.claimed || pipe.captured !== undefined) return undefined;
    if (pipe.reader?.pristine !== true || !pipe.end.capture()) return undefined;
    pipe.captured = new CapturedPipe(pipe.end, pipe.reader.growth, text);
    return pipe.captured;
  }

  /** Gives the sides of all fds that have a stream, which they have no longer: their bytes are the caller's to move. */
  claim(): Map<number, PipeSides> {
    const unclaimed = this.#pipes.filter((pipe) => !pipe.claimed);
    for (const pipe of unclaimed) pipe.claimed = true;
    return new Map(unclaimed.map(({ target, reader, writer }) => [target, { reader, writer }]));
  }

  /** The fds that we read. */
  readable(): number[] {
    return this.#pipes.filter(({ reader }) => reader !== undefined).map(({ target }) => target);
  }

  /** Writes text to fd 0, then its end. A child that does not want it all is no error. */
  feed(bytes: Uint8Array): void {
    const pipe = this.#of(0);
    if (pipe === undefined) return;
    pipe.claimed = true;
    pipe.writer?.write([bytes], () => pipe.writer?.close());
  }

  /** The child has exited: writing ends close, reading ends find their end if it is there. */
  settle(): void {
    for (const pipe of this.#pipes) {
      const { writer, stream } = pipe;
      writer?.close();
      // Without a stream the classes are not asked for, either: they are loaded when they are.
      if (stream !== undefined && (stream instanceof PipeWritable || stream instanceof PipeDuplex)) stream.childGone();
      readingOf(pipe)?.settle();
    }
  }

  /**
   * Ends every pipe that someone else still holds: what has arrived stays readable, then the error, if there is one.
   *
   * @returns the child's fds that were held.
   */
  cut(makeError: ((target: number) => Error) | undefined): number[] {
    const held: number[] = [];
    for (const pipe of this.#pipes) {
      const { target, end, writer } = pipe;
      writer?.close();
      if (!end.closed && readingOf(pipe)?.cut(makeError?.(target)) === true) held.push(target);
    }
    return held;
  }

  /** Has arriving bytes noticed, also while nobody reads. */
  watch(): void {
    for (const pipe of this.#pipes) readingOf(pipe)?.watch();
  }

  /** What the other ends of the open pipes are called in /proc/PID/fd, with the child's fd of each. */
  links(): Map<string, number> {
    const open = this.#pipes.filter(({ end }) => !end.closed);
    return new Map(open.map(({ end, target }) => [end.link(), target]));
  }

  /** When a byte last moved. Bytes that wait for our own reader count as moving: it is not the child that is idle. */
  lastActivity(): number {
    let last = 0;
    for (const pipe of this.#pipes) {
      if (readingOf(pipe)?.backlogged === true) return performance.now();
      last = Math.max(last, pipe.captured?.lastActivity() ?? pipe.end.lastActivity);
    }
    return last;
  }

  /** Closes all ends, whatever they hold. Only output() that is being collected gets what has arrived. */
  destroy(): void {
    for (const pipe of this.#pipes) {
      const { writer, stream } = pipe;
      stream?.destroy();
      writer?.close();
      if (stream === undefined) readingOf(pipe)?.abandon();
      else readingOf(pipe)?.close();
    }
  }
}

/** A child that has none is like any other that has none. */
let none: ChildPipes | undefined;

/** Gives the ends of one child's fds. */
export function pipesOf(monitor: Monitor, launched: readonly LaunchedPipe[]): ChildPipes {
  if (launched.length > 0) return new ChildPipes(monitor, launched);
  if (none === undefined) {
    none = new ChildPipes(monitor, launched);
    Object.freeze(none.fds);
  }
  return none;
}
