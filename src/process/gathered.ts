/**
 * A queue of chunks that are kept. Small ones are copied together: a Buffer of one byte takes more than a hundred, and a
 * child may write byte by byte.
 */

/** What is smaller is gathered, once there are so many chunks. */
const SMALL = 2048;
const MANY = 16;
const BLOCK = 16_384;
/** A small rest must not hold memory of this size; to copy a large one again and again isn't worth it. */
const LARGE = 1 << 17;

export class Gathered {
  #chunks: Buffer[] = [];
  #bytes = 0;
  /** So many bytes of the first chunk are dropped. */
  #gone = 0;
  /** Where small chunks go; so much of it is taken. */
  #block: Buffer | undefined;
  #used = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** In order. */
  get chunks(): readonly Buffer[] {
    if (this.#gone > 0) this.#chunks[0] = (this.#chunks[0] as Buffer).subarray(this.#gone);
    this.#gone = 0;
    return this.#chunks;
  }

  push(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (chunk.length >= SMALL || this.#chunks.length < MANY) this.#chunks.push(chunk);
    else this.#gather(chunk);
  }

  /** Drops bytes from the front. */
  drop(bytes: number): void {
    this.#bytes -= bytes;
    this.#gone += bytes;
    let chunks = 0;
    for (let first = this.#chunks[0]; first !== undefined && this.#gone >= first.length; first = this.#chunks[++chunks])
      this.#gone -= first.length;
    if (chunks > 0) this.#chunks.splice(0, chunks);
    const first = this.#chunks[0];
    if (first === undefined || first.buffer.byteLength < LARGE || (first.length - this.#gone) * 2 > first.buffer.byteLength)
      return;
    this.#chunks[0] = Buffer.from(first.subarray(this.#gone));
    this.#gone = 0;
  }

  /** Takes everything out. */
  take(): readonly Buffer[] {
    const { chunks } = this;
    this.#chunks = [];
    this.#bytes = 0;
    this.#block = undefined;
    return chunks;
  }

  #gather(chunk: Buffer): void {
    if (this.#block === undefined || this.#used + chunk.length > BLOCK) {
      this.#block = Buffer.allocUnsafeSlow(BLOCK);
      this.#used = 0;
    }
    const block = this.#block;
    const end = this.#used + chunk.length;
    block.set(chunk, this.#used);
    const last = this.#chunks.length - 1;
    const view = this.#chunks[last] as Buffer;
    // What stands before it in the block is one view with it, as far as it wasn't dropped.
    if (view.buffer === block.buffer && view.byteOffset + view.length === this.#used)
      this.#chunks[last] = block.subarray(view.byteOffset, end);
    else this.#chunks.push(block.subarray(this.#used, end));
    this.#used = end;
  }
}
