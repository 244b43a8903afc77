/**
 * Collecting the output of one fd: all of it, or within a bound of memory its head, its tail or both, the
 * whole then spilled to a file. Output that is too long ends nothing.
 */

import { constants } from "node:buffer";
import type { Omission } from "../errors.js";
import { Gathered } from "./gathered.js";
import type { Sink } from "./pipe-reader.js";
import { type OpenSpill, type SpillFile, spillInBackground } from "./spill.js";

/** Which part of an output that is too long is kept. */
export type Keep = "head" | "tail" | "both";

/** How much of an output is kept. */
export interface CaptureLimit {
  bytes: number;
  keep: Keep;
  /** A file for the whole output, made only if it is longer than that. */
  spill: string | Buffer | undefined;
}

/** What came from one fd. */
export interface Given {
  /** Text, or bytes: where those were asked for, or no string can hold it. */
  output: string | Buffer;
  /** What is missing of it, as was asked for. */
  omitted?: Omission | undefined;
  /** Why it is not all that came: there was no memory for it. */
  failure?: Error | undefined;
}

/** What collects the output of one fd. */
export interface Collection {
  /** Gives what there is, when the fd has come to its end. */
  give(encoding: "utf8" | "buffer"): Given;
}

/** Up to here an output is small: its chunks are kept as they come. */
const SMALL = 1 << 16;
/** Blocks that a larger one is read into. */
const LEAST_BLOCK = 1 << 18;
const MOST_BLOCK = 1 << 25;

export class Capture implements Sink, Collection {
  readonly #limit: CaptureLimit | undefined;
  readonly #done: () => void;
  readonly #resume: () => void;
  readonly #openSpill: OpenSpill;
  /** While nothing is missing all is in the head. */
  readonly #head = new Gathered();
  readonly #tail = new Gathered();
  #total = 0;
  /** Where the next bytes of a large output go; #used of it are taken. */
  #block: Buffer | undefined;
  #used = 0;
  #file: SpillFile | undefined;
  #fileError: Error | undefined;
  #ending = false;

  /** `resume` asks the source for more after data() returned false; `done` is called at the end. */
  constructor(limit: CaptureLimit | undefined, resume: () => void, done: () => void, openSpill: OpenSpill = spillInBackground) {
    this.#limit = limit;
    this.#resume = resume;
    this.#done = done;
    this.#openSpill = openSpill;
  }

  /** How many bytes came. */
  get total(): number {
    return this.#total;
  }

  data(chunk: Buffer): boolean {
    const fitted = this.#limit === undefined || this.#total <= this.#limit.bytes;
    this.#total += chunk.length;
    if (this.#limit === undefined || this.#total <= this.#limit.bytes) {
      this.#closeBlock();
      this.#head.push(chunk);
      return true;
    }
    if (fitted) this.#overflow(this.#limit);
    this.#keep(chunk, this.#limit);
    return this.#spill(chunk);
  }

  /** A large output that is kept whole is read to where it stays: into blocks, each as large as all before. */
  room(): Uint8Array | undefined {
    if (this.#limit !== undefined || this.#total < SMALL) return undefined;
    if (this.#block === undefined || this.#block.length === this.#used) {
      this.#closeBlock();
      this.#block = Buffer.allocUnsafeSlow(Math.min(Math.max(this.#total, LEAST_BLOCK), MOST_BLOCK));
    }
    return this.#block.subarray(this.#used);
  }

  filled(bytes: number): boolean {
    this.#used += bytes;
    this.#total += bytes;
    return true;
  }

  #closeBlock(): void {
    if (this.#block !== undefined && this.#used > 0) this.#head.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }

  end(): void {
    this.#closeBlock();
    this.#ending = true;
    if (this.#file === undefined || this.#fileError !== undefined) this.#done();
    else this.#file.end();
  }

  give(encoding: "utf8" | "buffer"): Given {
    return (encoding === "utf8" ? textOf(() => this.text(), this.#total) : undefined) ?? this.bytes();
  }

  /** The kept bytes, and what is missing. */
  bytes(): { output: Buffer; omitted: Omission | undefined } {
    const output = joined([...this.#head.chunks, ...this.#tail.chunks]);
    return { output, omitted: this.#omission(output.length, this.#head.bytes) };
  }

  /** The kept text, and what is missing. A character that was cut in two is left out, and counted as missing. */
  text(): { output: string; omitted: Omission | undefined } {
    if (this.#missing === 0) {
      const all = joined(this.#head.take());
      // For bytes(), should it be too long; the pieces would be as much again.
      this.#head.push(all);
      return { output: all.toString(), omitted: undefined };
    }
    const head = withoutIncomplete(Buffer.concat(this.#head.chunks));
    const tail = withoutContinuation(Buffer.concat(this.#tail.chunks));
    const before = head.toString();
    return { output: before + tail.toString(), omitted: this.#omission(head.length + tail.length, before.length) };
  }

  get #missing(): number {
    return this.#total - this.#head.bytes - this.#tail.bytes;
  }

  #omission(kept: number, at: number): Omission | undefined {
    if (this.#missing === 0) return undefined;
    const omitted: Omission = { bytes: this.#total - kept, at };
    if (this.#limit?.spill !== undefined) omitted.spill = this.#limit.spill.toString();
    if (this.#fileError !== undefined) omitted.spillError = this.#fileError;
    return omitted;
  }

  /** What came so far does not fit any more: it goes to the file, and is shared out between head and tail. */
  #overflow({ bytes, keep, spill }: CaptureLimit): void {
    const all = this.#head.take();
    if (spill !== undefined) {
      this.#file = this.#openSpill(spill, {
        failed: (error) => {
          this.#fileError = error;
          // The output goes on without it; the result tells.
          if (this.#ending) this.#done();
          else this.#resume();
        },
        drained: this.#resume,
        finished: this.#done,
      });
      for (const chunk of all) this.#spill(chunk);
    }
    const headRoom = keep === "head" ? bytes : keep === "tail" ? 0 : Math.ceil(bytes / 2);
    for (const chunk of all) this.#keep(chunk, { bytes, keep, spill }, headRoom);
  }

  #keep(
    chunk: Buffer,
    { bytes, keep }: CaptureLimit,
    headRoom = keep === "head" ? bytes : keep === "tail" ? 0 : Math.ceil(bytes / 2),
  ): void {
    const toHead = Math.min(chunk.length, headRoom - this.#head.bytes);
    if (toHead > 0) this.#head.push(chunk.subarray(0, toHead));
    const tailRoom = bytes - headRoom;
    if (toHead === chunk.length || tailRoom === 0) return;
    this.#tail.push(toHead > 0 ? chunk.subarray(toHead) : chunk);
    if (this.#tail.bytes > tailRoom) this.#tail.drop(this.#tail.bytes - tailRoom);
  }

  #spill(chunk: Buffer): boolean {
    return this.#file === undefined || this.#fileError !== undefined || this.#file.write(chunk);
  }
}

/** Makes text of so many bytes; undefined if no string can hold it. */
export function textOf<Text>(make: () => Text, bytes: number): Text | undefined {
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_STRING_TOO_LONG" || bytes > constants.MAX_STRING_LENGTH) return undefined;
    throw error;
  }
}

function joined(chunks: readonly Buffer[]): Buffer {
  if (chunks.length === 1) return chunks[0] as Buffer;
  return Buffer.concat(chunks);
}

/** Bytes of UTF-8 without the beginning of a character at the end. */
function withoutIncomplete(bytes: Buffer): Buffer {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number;
    if ((byte & 0xc0) === 0x80) continue;
    // 0xf5 and above begin nothing.
    const length = byte > 0xf4 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return length > back ? bytes.subarray(0, -back) : bytes;
  }
  return bytes;
}

/** Bytes of UTF-8 without the rest of a character at the start. */
function withoutContinuation(bytes: Buffer): Buffer {
  let start = 0;
  while (start < 3 && start < bytes.length && ((bytes[start] as number) & 0xc0) === 0x80) start++;
  return bytes.subarray(start);
}
