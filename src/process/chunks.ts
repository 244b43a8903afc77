/**
 * Iterating over what a child writes, chunk by chunk: a chunk that the pipe holds goes to the loop straight from the read,
 * without the stream's buffer, its events and their ticks. All else is left to Node's own iterator over the same
 * stream: what the stream holds, who reads it in other ways at the same time, encodings, its end and its errors.
 */

import { Readable } from "node:stream";

/** Where chunks come from without the stream. */
export interface ChunkSource {
  /** Nobody has asked for bytes in another way, and there is no end yet. */
  readonly direct: boolean;
  /** Gives a chunk if there is one now. */
  take(): Buffer | undefined;
  /** Gives the next chunk, once; undefined: it goes another way, or there is an end. */
  wait(taken: (chunk: Buffer | undefined) => void): void;
}

type Step = IteratorResult<Buffer, undefined>;

const DONE: Step = { done: true, value: undefined };

export class Chunks implements AsyncIterableIterator<Buffer> {
  readonly #stream: Readable;
  readonly #source: ChunkSource;
  /** Node's iterator, once it has been needed: it reads ahead, and from then on all goes through it. */
  #rest: AsyncIterator<Buffer, undefined> | undefined;
  #waiting: Promise<Step> | undefined;
  #begun = false;
  /** It has been at the source. */
  #given = false;
  #left = false;

  constructor(stream: Readable, source: ChunkSource) {
    this.#stream = stream;
    this.#source = source;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Step> {
    this.#begun = true;
    const again = (): Promise<Step> => this.next();
    // Asked again before the answer: one after the other.
    if (this.#waiting !== undefined) return this.#waiting.then(again, again);
    if (this.#left) return Promise.resolve(DONE);
    if (this.#rest !== undefined || !this.#source.direct) return this.#byNode();
    this.#given = true;
    const value = this.#source.take();
    return value === undefined ? this.#wait() : Promise.resolve({ done: false, value });
  }

  /** Leaves the loop: the stream is destroyed, as by Node's iterator. */
  async return(): Promise<Step> {
    this.#left = true;
    if (this.#rest !== undefined) await this.#rest.return?.();
    else if (this.#begun) this.#stream.destroy();
    return DONE;
  }

  async throw(error: unknown): Promise<Step> {
    await this.return();
    throw error;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #wait(): Promise<Step> {
    let answered = false;
    const step = new Promise<Step>((resolve) => {
      this.#source.wait((value) => {
        answered = true;
        this.#waiting = undefined;
        if (value !== undefined) resolve({ done: false, value });
        else resolve(this.#left ? DONE : this.#byNode());
      });
    });
    if (!answered) this.#waiting = step;
    return step;
  }

  #byNode(): Promise<Step> {
    if (this.#rest === undefined && this.#given && this.#stream.destroyed && !this.#stream.readableEnded) return this.#cutShort();
    this.#rest ??= Readable.prototype[Symbol.asyncIterator].call(this.#stream) as AsyncIterator<Buffer, undefined>;
    return this.#rest.next();
  }

  /** Destroyed in the middle: Node's iterator would have told, but one that begins now takes it for an end of some streams. */
  #cutShort(): Promise<Step> {
    this.#left = true;
    const premature = Object.assign(new Error("Premature close"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
    return Promise.reject(this.#stream.errored ?? premature);
  }
}
