/**
 * Memory to read into. What is handed out is the receiver's for ever, so it can't be used again: a small chunk is copied out of
 * the scratch, one that fills much of it takes it along.
 */

import { addon } from "../native/addon.js";

/** As much as a pipe holds that nobody has asked to hold more. */
export const CHUNK = 65536;
/** So much of it is much: of writes that end within pages a pipe holds less than its size. */
export const MUCH = CHUNK / 2;
/** The most that is read at once. */
export const MOST_CHUNK = 1 << 20;
const LINE = 64;

/**
 * Allocates bytes that begin where a cache line does: a read(2) to memory that is in no cache takes a third longer
 * otherwise, and what malloc(3) gives begins 16 bytes late.
 */
export function aligned(size: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size + LINE);
  const start = (LINE - addon().unaligned(bytes)) % LINE;
  return bytes.subarray(start, start + size);
}

/** Of all readers. */
class Scratch {
  #bytes: Buffer | undefined;

  get bytes(): Buffer {
    this.#bytes ??= aligned(CHUNK);
    return this.#bytes;
  }

  /** Gives the first bytes to whoever keeps them. */
  take(length: number): Buffer {
    const chunk = this.bytes.subarray(0, length);
    if (length < MUCH) return Buffer.from(chunk);
    this.#bytes = undefined;
    return chunk;
  }
}

export const scratch = new Scratch();
