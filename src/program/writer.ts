/**
 * Writes the flat buffer of a child program: struct program_header, struct program_op and their
 * data, as native/child_program.h defines them. Little-endian, like every Linux that brood builds on.
 *
 * Layout: header, data in the order of writing, slots, targets, all operations but exec and room for that, exec's data, eight
 * NULs (the last byte of a program is 0, so that every string in it ends). So what comes before exec can be kept as it is.
 */

import { CODE, type Operation } from "./operations.js";

/** Text for the kernel: a string (as UTF-8) or bytes. Without NUL. */
export type Text = string | Uint8Array;

const MAGIC = 0x31647262;
const HEADER_SIZE = 40;
const WORDS_PER_OP = 6;
const OP_SIZE = WORDS_PER_OP * 4;
/** The longest string that is encoded here. */
const SHORT = 256;
const encoder = new TextEncoder();

/** A place in the buffer. */
interface Span {
  offset: number;
  size: number;
}

const NO_DATA: Span = { offset: 0, size: 0 };

/** A program up to exec, as it was laid out: other programs can be continued from there. */
export interface Beginning {
  /** All but the size of the whole. */
  readonly bytes: Uint8Array;
  /** Where the room for exec is. */
  readonly execAt: number;
}

export class ProgramWriter {
  #bytes: Uint8Array;
  /** The same memory. */
  #words: Int32Array;
  #end = HEADER_SIZE;
  /** The words of the operations that are not laid out yet. */
  #ops: number[] = [];
  /** The string that was written last: a command is often its own first word. */
  #last: string | undefined;
  #lastSpan = NO_DATA;
  /** Where the room for exec is, once they are. */
  #execAt = 0;
  #finished: Uint8Array;

  constructor(initialSize = 8192) {
    // Not from a Buffer's pool: it must start at a multiple of 8.
    this.#bytes = new Uint8Array(initialSize);
    this.#words = new Int32Array(this.#bytes.buffer);
    this.#finished = this.#bytes.subarray(0, 0);
  }

  /** Starts a new program in the same memory. What finish() gave before is overwritten. */
  reset(): void {
    this.#end = HEADER_SIZE;
    if (this.#ops.length > 0) this.#ops = [];
    this.#execAt = 0;
    this.#last = undefined;
  }

  /** Lays out what has been written since reset(): all but exec. It can be kept then. */
  layOut(slots: number, inputs: number, targets: readonly number[]): Beginning {
    const slotsAt = this.#reserve(slots * 4, 4);
    for (let i = 0; i < slots; i++) this.#words[slotsAt / 4 + i] = -1;
    const targetsAt = this.words(targets).offset;
    const ops = this.words(this.#ops, 8).offset;
    this.#execAt = this.#reserve(OP_SIZE, 1);
    const words = this.#words;
    words[0] = MAGIC;
    words[1] = 0;
    words[2] = this.#ops.length / WORDS_PER_OP + 1;
    words[3] = ops;
    words[4] = slots;
    words[5] = slotsAt;
    words[6] = inputs;
    words[7] = targets.length;
    words[8] = targetsAt;
    words[9] = 0;
    return { bytes: this.#bytes.slice(0, this.#end), execAt: this.#execAt };
  }

  /** Starts a new program from what was laid out, by this writer or another. */
  resume({ bytes, execAt }: Beginning): void {
    this.#end = 0;
    // First, since it may move the memory.
    this.#reserve(bytes.length, 1);
    this.#bytes.set(bytes);
    this.#execAt = execAt;
    this.#last = undefined;
  }

  /** Adds an operation that comes before exec, and gives its index. */
  op(operation: Operation, a = 0, b = 0, c = 0, data: Span = NO_DATA, flags = 0): number {
    return this.#ops.push(CODE[operation] | (flags << 16), a, b, c, data.offset, data.size) / WORDS_PER_OP - 1;
  }

  /** Writes exec, the last operation, for which what comes before has been laid out. */
  exec(a: number, argv: Span, envp: Span, candidates: Span, flags = 0): void {
    const words = this.#words;
    const at = this.#execAt / 4;
    words[at] = CODE.EXEC | (flags << 16);
    words[at + 1] = a;
    words[at + 2] = argv.offset;
    words[at + 3] = envp.offset;
    words[at + 4] = candidates.offset;
    words[at + 5] = candidates.size;
  }

  string(text: Text): Span {
    if (typeof text === "string" && text.length <= SHORT) {
      if (text === this.#last) return this.#lastSpan;
      const span = this.#ascii(text);
      if (span !== undefined) {
        this.#last = text;
        this.#lastSpan = span;
        return span;
      }
    }
    const bytes = typeof text === "string" ? encoder.encode(text) : text;
    const offset = this.#reserve(bytes.length + 1, 1);
    this.#bytes.set(bytes, offset);
    this.#bytes[offset + bytes.length] = 0;
    return { offset, size: bytes.length + 1 };
  }

  /** Most strings: a call of the encoder costs more than all their characters. */
  #ascii(text: string): Span | undefined {
    const size = text.length + 1;
    const offset = this.#reserve(size, 1);
    const bytes = this.#bytes;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) {
        this.#end = offset;
        return undefined;
      }
      bytes[offset + i] = code;
    }
    bytes[offset + text.length] = 0;
    return { offset, size };
  }

  /** 32-bit integers, signed or unsigned. */
  words(values: readonly number[], align = 4): Span {
    const size = values.length * 4;
    const offset = this.#reserve(size, align);
    const words = this.#words;
    for (let i = 0; i < values.length; i++) words[offset / 4 + i] = values[i] as number;
    return { offset, size };
  }

  /** 64-bit unsigned integers. */
  longs(values: readonly bigint[]): Span {
    return this.words(
      values.flatMap((value) => [Number(value & 0xffffffffn), Number(value >> 32n)]),
      8,
    );
  }

  /** A table of strings: their offsets as 64-bit cells, ended by 0; the strings follow. */
  table(texts: readonly Text[]): Span {
    const size = (texts.length + 1) * 8;
    const offset = this.#reserve(size, 8);
    for (let i = 0; i <= texts.length; i++) {
      const at = i < texts.length ? this.string(texts[i] as Text).offset : 0;
      this.#words[offset / 4 + i * 2] = at;
      this.#words[offset / 4 + i * 2 + 1] = 0;
    }
    return { offset, size };
  }

  /** Ends the program and gives its bytes, which stay valid until the next is begun. */
  finish(): Uint8Array {
    const tail = this.#reserve(8, 8);
    const words = this.#words;
    words[tail / 4] = 0;
    words[tail / 4 + 1] = 0;
    words[1] = this.#end;
    // A view is not free, and the next program is often as long.
    if (this.#finished.buffer !== this.#bytes.buffer || this.#finished.length !== this.#end) {
      this.#finished = this.#bytes.subarray(0, this.#end);
    }
    return this.#finished;
  }

  #reserve(size: number, align: number): number {
    const offset = (this.#end + align - 1) & -align;
    this.#end = offset + size;
    if (this.#end > this.#bytes.length) {
      const larger = new Uint8Array((Math.max(this.#end, this.#bytes.length * 2) + 7) & -8);
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#words = new Int32Array(larger.buffer);
    }
    return offset;
  }
}
