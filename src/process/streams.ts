/**
 * Node streams over pipe ends, made when first touched. Each has a no-op `error` listener: a write to
 * a child that has gone fails that write, never the process.
 *
 * Callbacks run in the async context in which the child was spawned, whatever made the stream move: a
 * pipe that became ready, or a read or write of the user's in another context.
 */

import { Duplex, Readable, Writable } from "node:stream";
import { invalidState } from "../errors.js";
import { EPIPE, systemError } from "../kernel/errno.js";
import { throwLater } from "../kernel/uncaught.js";
import { type ChunkSource, Chunks, type IteratorOptions, readIteratorOptions } from "./chunks.js";
import { linesOf } from "./lines.js";
import type { PipeReader, Sink } from "./pipe-reader.js";
import type { PipeWriter } from "./pipe-writer.js";
import { aligned, CHUNK } from "./read-memory.js";

const HIGH_WATER_MARK = 65536;

const ignore = (): void => {};

/** Helpers that every readable of a child has, whichever stream class it is. */
export interface ReadableHelpers {
  /**
   * Iterates over the lines as UTF-8 text, without their ends (\n or \r\n). Leaving the loop destroys the stream.
   *
   * @throws TimeoutError, AbortError, DrainError where the pipe was cut, after the lines that have come.
   */
  lines(): AsyncIterableIterator<string>;
  /**
   * Reads to the end, as UTF-8 text. A child that was killed comes to a clean end, too: `check()` tells how it ended.
   *
   * @throws TimeoutError, AbortError, DrainError where the pipe was cut; what has come by then is lost to the caller. Error with
   * code ERR_INVALID_STATE: `text` or `bytes` was called before, or a loop that was left has destroyed the stream.
   */
  text(): Promise<string>;
  /** Reads to the end, as bytes. Throws as `text`. */
  bytes(): Promise<Buffer>;
}

/**
 * Iterates over the chunks, as `for await` over the stream itself does, and as `readable.iterator` of Node.
 *
 * @throws TypeError: an option is none, or of a wrong type, or the buffer is empty. In the loop: TimeoutError, AbortError,
 * DrainError where the pipe was cut, after the chunks that have come.
 */
type Iterate = (options?: IteratorOptions) => NodeJS.AsyncIterator<Buffer>;

/** What we read from a child. */
export interface ChildReadable extends Readable, ReadableHelpers {
  /** Iterates over the chunks, into memory of yours if you like: see `IteratorOptions`. */
  iterator: Iterate;
}
/** Both ways: the `"socket"` entry of stdio. */
export interface ChildDuplex extends Duplex, ReadableHelpers {
  /** Iterates over the chunks, into memory of yours if you like: see `IteratorOptions`. */
  iterator: Iterate;
}

/** Streams of which somebody has, or will have, all. */
const collected = new WeakSet<Readable>();

async function collect(stream: Readable): Promise<Buffer> {
  // What is left would pass for all that there was.
  if (collected.has(stream)) throw invalidState("text() or bytes() of this stream was called before: it gives its content once");
  if (stream.destroyed && stream.errored === null && stream.readableDidRead) {
    throw invalidState(
      "the stream was destroyed by who read it before, as a loop does that is left: see destroyOnReturn of iterator()",
    );
  }
  collected.add(stream);
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}

/** Connects a Node readable to a reader. */
class StreamSink implements Sink, ChunkSource {
  #failure: Error | undefined;
  #ended = false;
  /** The stream has asked for a chunk, and is to get the next. */
  #asked = false;
  /** A loop that waits for the next chunk. */
  #taken: ((chunk: Buffer | undefined) => void) | undefined;
  /** Memory that it has brought. */
  #into: Buffer | undefined;
  #given = false;

  constructor(
    private readonly stream: Readable,
    private readonly reader: PipeReader,
  ) {
    reader.attach(this);
  }

  data(chunk: Buffer): boolean {
    const taken = this.#taken;
    this.#taken = undefined;
    if (taken !== undefined && !this.#asked) {
      this.#given = true;
      taken(chunk);
      return false;
    }
    this.#asked = false;
    try {
      return this.stream.push(chunk);
    } catch (error) {
      // A "data" listener's. The next chunk is for it, too.
      throwLater(error);
      return !this.stream.isPaused();
    } finally {
      taken?.(undefined);
    }
  }

  room(): Buffer | undefined {
    // What it has brought may have been transferred to another thread: it has no bytes then.
    if (this.#taken === undefined || this.#asked || this.#into?.length === 0) return undefined;
    return this.#into;
  }

  filled(bytes: number): boolean {
    const into = this.#into as Buffer;
    const taken = this.#taken as (chunk: Buffer) => void;
    this.#taken = undefined;
    this.#given = true;
    taken(bytes === into.length ? into : into.subarray(0, bytes));
    return false;
  }

  end(error: Error | undefined): void {
    this.#ended = true;
    if (error === undefined) {
      this.stream.push(null);
    } else {
      // destroy() would throw away what the stream still holds: only when that has been read.
      this.#failure = error;
      this.failIfEmpty();
    }
    this.#letGo();
  }

  failIfEmpty(): void {
    if (this.#failure !== undefined && this.stream.readableLength === 0) this.stream.destroy(this.#failure);
  }

  /** A chunk has been read. The error comes after this turn, so that the chunk is handled first. */
  onRead(): void {
    if (this.#failure !== undefined) process.nextTick(() => this.failIfEmpty());
  }

  pull(): void {
    this.#asked = true;
    this.reader.resume();
  }

  close(): void {
    this.reader.close();
    this.#letGo();
  }

  /** A loop that waits looks at the stream instead. */
  #letGo(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.(undefined);
  }

  /** Whether a chunk has gone to somebody without the stream. */
  get given(): boolean {
    return this.#given;
  }

  get direct(): boolean {
    const { stream } = this;
    return (
      !this.#ended &&
      !this.#asked &&
      this.#taken === undefined &&
      !stream.destroyed &&
      stream.readableLength === 0 &&
      stream.readableFlowing !== true &&
      stream.readableEncoding === null &&
      stream.listenerCount("readable") === 0 &&
      stream.listenerCount("data") === 0
    );
  }

  take(into: Buffer | undefined): Buffer | undefined {
    const chunk = this.reader.take(into);
    if (chunk === undefined) return undefined;
    this.#given = true;
    return chunk;
  }

  wait(into: Buffer | undefined, taken: (chunk: Buffer | undefined) => void): void {
    this.#into = into;
    this.#taken = taken;
    this.reader.resume();
  }
}

const SINK = Symbol("sink");

// biome-ignore lint/suspicious/noExplicitAny: what a mixin's constructor has to take
type Constructor<Instance> = new (...options: any[]) => Instance;

/** What `fedBy` adds. */
interface Fed extends ReadableHelpers {
  /** Not there yet while the base class is being made. */
  [SINK]: StreamSink | undefined;
  [Symbol.asyncIterator](): Chunks;
  iterator(options?: IteratorOptions): Chunks;
}

/** What both classes of readables are: Duplex is a Readable already, so that they can't be one class. */
function fedBy<Base extends Constructor<Readable>>(base: Base): Base & Constructor<Fed> {
  const didRead = Object.getOwnPropertyDescriptor(Readable.prototype, "readableDidRead");
  class FedStream extends base implements Fed {
    [SINK]: StreamSink | undefined;

    override read(size?: number): unknown {
      const chunk: unknown = super.read(size);
      this[SINK]?.onRead();
      return chunk;
    }

    override _read(): void {
      this[SINK]?.pull();
    }

    override [Symbol.asyncIterator](): Chunks {
      return new Chunks(this, this[SINK] as StreamSink);
    }

    override iterator(options: IteratorOptions = {}): Chunks {
      return new Chunks(this, this[SINK] as StreamSink, readIteratorOptions(options));
    }

    lines(): AsyncIterableIterator<string> {
      return linesOf(() => this.iterator({ buffer: aligned(CHUNK) }));
    }

    async text(): Promise<string> {
      return (await collect(this)).toString();
    }

    bytes(): Promise<Buffer> {
      return collect(this);
    }
  }
  Object.defineProperty(FedStream.prototype, "readableDidRead", {
    ...didRead,
    get(this: Fed): boolean {
      return didRead?.get?.call(this) === true || this[SINK]?.given === true;
    },
  });
  return FedStream;
}

/** What we read from a child. */
export class PipeReadable extends fedBy(Readable) {
  readonly #reader: PipeReader;

  constructor(reader: PipeReader) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#reader = reader;
    this[SINK] = new StreamSink(this, reader);
    this.on("error", ignore);
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return this.#reader.context.runInAsyncScope(super.emit, this, event, ...args);
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this[SINK]?.close();
    done(error);
  }
}

type WriteDone = (error?: Error | null) => void;

/** What we write to a child. */
export class PipeWritable extends Writable {
  readonly #writer: PipeWriter;
  #gone = false;

  constructor(writer: PipeWriter) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#writer = writer;
    this.on("error", ignore);
  }

  /** The child has exited: the stream closes, and what is still written fails with EPIPE. */
  childGone(): void {
    this.#gone = true;
    this.destroy();
  }

  override write(chunk: unknown, encoding?: BufferEncoding | WriteDone, done?: WriteDone): boolean {
    if (this.#gone && !this.writableEnded) {
      const callback = typeof encoding === "function" ? encoding : done;
      if (callback !== undefined) process.nextTick(callback, systemError(EPIPE, "write"));
      return false;
    }
    return typeof encoding === "function" ? super.write(chunk, encoding) : super.write(chunk, encoding as BufferEncoding, done);
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return this.#writer.context.runInAsyncScope(super.emit, this, event, ...args);
  }

  override _write(chunk: Buffer, _encoding: string, done: WriteDone): void {
    this.#writer.context.runInAsyncScope(this.#writer.write, this.#writer, [chunk], done);
  }

  override _writev(gathered: { chunk: Buffer }[], done: WriteDone): void {
    const chunks = gathered.map(({ chunk }) => chunk);
    this.#writer.context.runInAsyncScope(this.#writer.write, this.#writer, chunks, done);
  }

  override _final(done: WriteDone): void {
    this.#writer.close();
    done();
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.#writer.close();
    done(error);
  }
}

/** Both ways. */
export class PipeDuplex extends fedBy(Duplex) {
  readonly #writer: PipeWriter;
  #failWrite: (() => void) | undefined;

  constructor(reader: PipeReader, writer: PipeWriter) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#writer = writer;
    this[SINK] = new StreamSink(this, reader);
    this.on("error", ignore);
    this.on("end", () => {
      this.#failWrite?.();
      if (writer.closed) this.destroy();
    });
  }

  /** The child has exited: the stream closes when all is read. Its end may have come before. */
  childGone(): void {
    if (this.readableEnded) this.destroy();
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    return this.#writer.context.runInAsyncScope(super.emit, this, event, ...args);
  }

  override _write(chunk: Buffer, _encoding: string, done: WriteDone): void {
    const finish = (error?: Error | null): void => {
      if (!error || this.readableEnded || this.destroyed) {
        done(error);
        return;
      }
      // The error destroys the stream: what the child sent before it went is to be read first.
      this.#failWrite = () => {
        this.#failWrite = undefined;
        done(error);
      };
    };
    this.#writer.context.runInAsyncScope(this.#writer.write, this.#writer, [chunk], finish);
  }

  override _final(done: WriteDone): void {
    this.#writer.close();
    done();
  }

  override _destroy(error: Error | null, done: WriteDone): void {
    this.#writer.close();
    this[SINK]?.close();
    this.#failWrite?.();
    done(error);
  }
}

/** Makes the stream that fits what a pipe end can do. */
export function makeStream(
  reader: PipeReader | undefined,
  writer: PipeWriter | undefined,
): ChildReadable | Writable | ChildDuplex {
  if (reader !== undefined && writer !== undefined) return new PipeDuplex(reader, writer);
  if (reader !== undefined) return new PipeReadable(reader);
  return new PipeWritable(writer as PipeWriter);
}
