/**
 * Iterating over what a child writes, chunk by chunk: a chunk that the pipe holds goes to the loop straight from the read,
 * without the stream's buffer, its events and their ticks. All else is left to Node's own iterator over the same
 * stream: what the stream holds, who reads it in other ways at the same time, encodings, its end and its errors.
 */

import { Readable } from "node:stream";
import { wrongType, wrongValue } from "../errors.js";
import { checkBoolean, checkNames } from "../program/validate.js";

/** Options of `iterator()`. */
export interface IteratorOptions {
  /** Whether leaving the loop destroys the stream. Default true, as Node's. */
  destroyOnReturn?: boolean;
  /**
   * Memory of yours to read into, again and again, as the `onread` option of Node's `net.Socket` has it: a chunk is a view of
   * its beginning, valid until the next is asked for, and no longer than it. Without it each chunk has memory of its own,
   * which is new to the CPU's caches. 256 KiB pay: as long as the child is ahead, it is read on into what is left of them, so that there
   * is a step for as many bytes; and they stay in the CPU's second-level cache.
   */
  buffer?: Uint8Array;
}

/** What `iterator()` was given, checked. */
export interface IterationPlan {
  destroys: boolean;
  into: Buffer | undefined;
}

/** @throws TypeError: an option is none, or of a wrong type, or the buffer is empty. */
export function readIteratorOptions(options: IteratorOptions): IterationPlan {
  const { destroyOnReturn = true, buffer } = checkNames(options, "options", ["destroyOnReturn", "buffer"]) as IteratorOptions;
  checkBoolean(destroyOnReturn, "options.destroyOnReturn");
  return { destroys: destroyOnReturn, into: buffer === undefined ? undefined : checkBuffer(buffer) };
}

function checkBuffer(buffer: unknown): Buffer {
  if (!(buffer instanceof Uint8Array)) throw wrongType("options.buffer", "a Uint8Array", buffer);
  if (buffer.length === 0) throw wrongValue("options.buffer", buffer, "must not be empty");
  return Buffer.from(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** Where chunks come from without the stream. */
export interface ChunkSource {
  /** Nobody has asked for bytes in another way, and there is no end yet. */
  readonly direct: boolean;
  /** Gives a chunk if there is one now: of that memory, if it has to be read first. */
  take(into: Buffer | undefined): Buffer | undefined;
  /** Gives the next chunk, once; undefined: it goes another way, or there is an end. */
  wait(into: Buffer | undefined, taken: (chunk: Buffer | undefined) => void): void;
}

type Step = IteratorResult<Buffer, undefined>;

const DONE: Step = { done: true, value: undefined };
const USUAL: IterationPlan = { destroys: true, into: undefined };

export class Chunks implements AsyncIterableIterator<Buffer> {
  readonly #stream: Readable;
  readonly #source: ChunkSource;
  readonly #plan: IterationPlan;
  /** Node's iterator, once it has been needed: it reads ahead, and from then on all goes through it. */
  #rest: AsyncIterator<Buffer, undefined> | undefined;
  #waiting: Promise<Step> | undefined;
  #begun = false;
  /** It has been at the source. */
  #given = false;
  #left = false;

  constructor(stream: Readable, source: ChunkSource, plan = USUAL) {
    this.#stream = stream;
    this.#source = source;
    this.#plan = plan;
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
    const value = this.#source.take(this.#plan.into);
    return value === undefined ? this.#wait() : Promise.resolve({ done: false, value });
  }

  /** Leaves the loop: the stream is destroyed, as by Node's iterator, unless it was told not to. */
  async return(): Promise<Step> {
    // Who has asked for a chunk gets it: the stream, which lives on, would not have it any more.
    if (!this.#plan.destroys) await this.#waiting?.catch(() => {});
    this.#left = true;
    if (this.#rest !== undefined) await this.#rest.return?.();
    else if (this.#begun && this.#plan.destroys) this.#stream.destroy();
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
      this.#source.wait(this.#plan.into, (value) => {
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
    this.#rest ??= Readable.prototype.iterator.call(this.#stream, {
      destroyOnReturn: this.#plan.destroys,
    }) as AsyncIterator<Buffer, undefined>;
    return this.#rest.next();
  }

  /** Destroyed in the middle: Node's iterator would have told, but one that begins now takes it for an end of some streams. */
  #cutShort(): Promise<Step> {
    this.#left = true;
    const premature = Object.assign(new Error("Premature close"), { code: "ERR_STREAM_PREMATURE_CLOSE" });
    return Promise.reject(this.#stream.errored ?? premature);
  }
}
