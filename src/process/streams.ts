/**
 * Node streams over pipe ends, made when first touched. Each has a no-op `error` listener: a write to
 * a child that has gone fails that write, never the process.
 */

import { Duplex, Readable, Writable } from "node:stream";
import { linesOf } from "./lines.js";
import type { PipeReader, Sink } from "./pipe-reader.js";
import type { PipeWriter } from "./pipe-writer.js";

const HIGH_WATER_MARK = 65536;

const ignore = (): void => {};

/** Helpers that every readable of a child has, whichever stream class it is. */
export interface ReadableHelpers {
  /** Iterates over the lines as text, without their ends (\n or \r\n). Leaving the loop destroys the stream. */
  lines(): AsyncIterableIterator<string>;
  /** Reads to the end, as UTF-8 text. */
  text(): Promise<string>;
  /** Reads to the end, as bytes. */
  bytes(): Promise<Buffer>;
}

/** What we read from a child. */
export interface ChildReadable extends Readable, ReadableHelpers {}
/** Both ways: the `"socket"` entry of stdio. */
export interface ChildDuplex extends Duplex, ReadableHelpers {}

const helpers = {
  lines(this: Readable): AsyncIterableIterator<string> {
    return linesOf(this);
  },
  async text(this: Readable): Promise<string> {
    return (await collect(this)).toString();
  },
  bytes(this: Readable): Promise<Buffer> {
    return collect(this);
  },
};

async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
  return Buffer.concat(chunks);
}

/** Connects a Node readable to a reader. */
class StreamSink implements Sink {
  #failure: Error | undefined;

  constructor(
    private readonly stream: Readable,
    private readonly reader: PipeReader,
  ) {
    reader.attach(this);
  }

  data(chunk: Buffer): boolean {
    return this.stream.push(chunk);
  }

  end(error: Error | undefined): void {
    if (error === undefined) {
      this.stream.push(null);
      return;
    }
    // destroy() would throw away what the stream still holds: only when that has been read.
    this.#failure = error;
    this.failIfEmpty();
  }

  failIfEmpty(): void {
    if (this.#failure !== undefined && this.stream.readableLength === 0) this.stream.destroy(this.#failure);
  }

  /** A chunk has been read. The error comes after this turn, so that the chunk is handled first. */
  onRead(): void {
    if (this.#failure !== undefined) process.nextTick(() => this.failIfEmpty());
  }

  pull(): void {
    this.reader.resume();
  }
}

class PipeReadable extends Readable {
  readonly #sink: StreamSink;
  readonly #reader: PipeReader;

  constructor(reader: PipeReader) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#reader = reader;
    this.#sink = new StreamSink(this, reader);
    this.on("error", ignore);
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    this.#sink.onRead();
    return chunk;
  }

  override _read(): void {
    this.#sink.pull();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#reader.close();
    done(error);
  }
}

class PipeWritable extends Writable {
  readonly #writer: PipeWriter;

  constructor(writer: PipeWriter) {
    super({ highWaterMark: HIGH_WATER_MARK, decodeStrings: true });
    this.#writer = writer;
    this.on("error", ignore);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writer.write(chunk, done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#writer.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#writer.close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#writer.close();
    done(error);
  }
}

class PipeDuplex extends Duplex {
  readonly #sink: StreamSink;
  readonly #reader: PipeReader;
  readonly #writer: PipeWriter;

  constructor(reader: PipeReader, writer: PipeWriter) {
    super({ highWaterMark: HIGH_WATER_MARK });
    this.#reader = reader;
    this.#writer = writer;
    this.#sink = new StreamSink(this, reader);
    this.on("error", ignore);
  }

  override read(size?: number): unknown {
    const chunk: unknown = super.read(size);
    this.#sink.onRead();
    return chunk;
  }

  override _read(): void {
    this.#sink.pull();
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#writer.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#writer.close();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#writer.close();
    this.#reader.close();
    done(error);
  }
}

/** Makes the stream that fits what a pipe end can do. */
export function makeStream(
  reader: PipeReader | undefined,
  writer: PipeWriter | undefined,
): ChildReadable | Writable | ChildDuplex {
  if (reader !== undefined && writer !== undefined) return Object.assign(new PipeDuplex(reader, writer), helpers);
  if (reader !== undefined) return Object.assign(new PipeReadable(reader), helpers);
  return new PipeWritable(writer as PipeWriter);
}
