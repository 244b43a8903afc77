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

/** Memory of one size, of all readers. */
class Scratch {
  readonly #size: number;
  #bytes: Buffer | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  get bytes(): Buffer {
    this.#bytes ??= aligned(this.#size);
    return this.#bytes;
  }

  /** Gives the first bytes to whoever keeps them. */
  take(length: number): Buffer {
    const { bytes } = this;
    if (length < MUCH) return Buffer.from(bytes.subarray(0, length));
    this.#bytes = undefined;
    countHandedOut(length);
    return length === bytes.length ? bytes : bytes.subarray(0, length);
  }
}

const scratches: Scratch[] = [];
for (let size = CHUNK; size <= MOST_CHUNK; size *= 2) scratches.push(new Scratch(size));

/** As much as V8 lets gather in array buffers before it collects them, which is freed at once then. */
const COLLECTED = 1 << 25;
let handedOut = 0;

/**
 * Where so much streams that V8 collects chunks, what is freed is needed again at once: malloc(3) is to keep it. It gives what is
 * beyond 128 KiB at the top of its heap back otherwise, and a page that is faulted in costs as much as copying 16 KiB.
 */
function countHandedOut(bytes: number): void {
  if (handedOut >= COLLECTED) return;
  handedOut += bytes;
  // Less than 32 MiB, above which malloc(3) adapts to nothing.
  if (handedOut >= COLLECTED) addon().keepFreed(2 * COLLECTED - (1 << 16));
}

/** Memory to read into that fits what one pipe brings: twice as much when it was filled, half when most of it stayed empty. */
export class FittingMemory {
  #fit = 0;

  get bytes(): Buffer {
    return (scratches[this.#fit] as Scratch).bytes;
  }

  take(length: number): Buffer {
    const scratch = scratches[this.#fit] as Scratch;
    const size = CHUNK << this.#fit;
    if (length === size && size < MOST_CHUNK) this.#fit++;
    else if (length < size / 2 && this.#fit > 0) this.#fit--;
    return scratch.take(length);
  }
}
