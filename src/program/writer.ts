/**
 * Writes the flat buffer of a child program: struct program_header, struct program_op and their
 * data, as native/child_program.h defines them. Little-endian, like every Linux that brood builds on.
 *
 * Layout: header, data in the order of writing, slots, targets, operations, eight NULs (the last byte
 * of a program is 0, so that every string in it ends).
 */

import { CODE, type Operation } from "./operations.js";

/** Text for the kernel: a string (as UTF-8) or bytes. Without NUL. */
export type Text = string | Uint8Array;

const MAGIC = 0x31647262;
const HEADER_SIZE = 40;

/** A place in the buffer. */
interface Span {
  offset: number;
  size: number;
}

const NO_DATA: Span = { offset: 0, size: 0 };

export class ProgramWriter {
  #bytes: Buffer;
  #end = HEADER_SIZE;
  readonly #ops: number[] = [];
  #count = 0;

  constructor(initialSize = 8192) {
    // Not from the pool: the buffer must start at a multiple of 8.
    this.#bytes = Buffer.from(new ArrayBuffer(initialSize));
  }

  /** Starts a new program in the same memory. What finish() gave before is overwritten. */
  reset(): void {
    this.#end = HEADER_SIZE;
    this.#ops.length = 0;
    this.#count = 0;
  }

  /** Adds an operation and gives its index. */
  op(operation: Operation, a = 0, b = 0, c = 0, data: Span = NO_DATA, flags = 0): number {
    this.#ops.push(CODE[operation] | (flags << 16), a, b, c, data.offset, data.size);
    return this.#count++;
  }

  string(text: Text): Span {
    const size = typeof text === "string" ? Buffer.byteLength(text) + 1 : text.length + 1;
    const offset = this.#reserve(size, 1);
    if (typeof text === "string") this.#bytes.write(text, offset);
    else this.#bytes.set(text, offset);
    this.#bytes[offset + size - 1] = 0;
    return { offset, size };
  }

  /** 32-bit integers, signed or unsigned. */
  words(values: readonly number[], align = 4): Span {
    const offset = this.#reserve(values.length * 4, align);
    for (let i = 0; i < values.length; i++) this.#bytes.writeUInt32LE((values[i] as number) >>> 0, offset + i * 4);
    return { offset, size: values.length * 4 };
  }

  /** 64-bit unsigned integers. */
  longs(values: readonly bigint[]): Span {
    const offset = this.#reserve(values.length * 8, 8);
    for (let i = 0; i < values.length; i++) this.#bytes.writeBigUInt64LE(values[i] as bigint, offset + i * 8);
    return { offset, size: values.length * 8 };
  }

  /** A table of strings: their offsets as 64-bit cells, ended by 0; the strings follow. */
  table(texts: readonly Text[]): Span {
    const size = (texts.length + 1) * 8;
    const offset = this.#reserve(size, 8);
    this.#bytes.fill(0, offset, offset + size);
    for (let i = 0; i < texts.length; i++) {
      const at = this.string(texts[i] as Text).offset;
      this.#bytes.writeUInt32LE(at, offset + i * 8);
    }
    return { offset, size };
  }

  /** Ends the program and gives its bytes, which stay valid until reset(). */
  finish(slots: number, inputs: number, targets: readonly number[]): Uint8Array {
    const slotsAt = this.words(new Array<number>(slots).fill(-1)).offset;
    const targetsAt = this.words(targets).offset;
    const ops = this.words(this.#ops, 8);
    const tail = this.#reserve(8, 8);
    this.#bytes.fill(0, tail, tail + 8);
    const header = [MAGIC, this.#end, this.#count, ops.offset, slots, slotsAt, inputs, targets.length, targetsAt, 0];
    for (let i = 0; i < header.length; i++) this.#bytes.writeUInt32LE(header[i] as number, i * 4);
    return this.#bytes.subarray(0, this.#end);
  }

  #reserve(size: number, align: number): number {
    const offset = Math.ceil(this.#end / align) * align;
    this.#end = offset + size;
    if (this.#end > this.#bytes.length) {
      const larger = Buffer.from(new ArrayBuffer(Math.max(this.#end, this.#bytes.length * 2)));
      this.#bytes.copy(larger);
      this.#bytes = larger;
    }
    return offset;
  }
}
