/**
 * The writing side of a pipe end: one chunk at a time, or several that have gathered, told when all is in the pipe.
 */

import type { AsyncResource } from "node:async_hooks";
import { EAGAIN, ECONNRESET, EPIPE, systemError } from "../kernel/errno.js";
import { guarded } from "../kernel/uncaught.js";
import type { PipeEnd, Side } from "./pipe-end.js";
import { Growth } from "./pipe-growth.js";

type Done = (error?: Error | null) => void;

const NONE: readonly Uint8Array[] = [];

export class PipeWriter implements Side {
  readonly #end: PipeEnd;
  readonly #growth: Growth;
  #chunks: readonly Uint8Array[] = NONE;
  /** The first of them that is not in the pipe, and how much of it is. */
  #next = 0;
  #offset = 0;
  #remaining = 0;
  #done: Done | undefined;
  #closed = false;
  #onClosed: ((error: Error | undefined) => void) | undefined;

  /** `size`: of the pipe, if it was asked for; else it may grow. */
  constructor(end: PipeEnd, size = 0) {
    this.#end = end;
    this.#growth = new Growth(end, size, true);
    end.writing = this;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The async context in which the child was spawned. */
  get context(): AsyncResource {
    return this.#end.context;
  }

  /** Whether chunks are on their way. */
  get pending(): boolean {
    return this.#done !== undefined;
  }

  /** How many bytes of them are not in the pipe yet. */
  get remaining(): number {
    return this.#remaining;
  }

  /** From now on it closes itself when nobody reads any more, and tells, once, when it has been closed, by whomever, or why it
   * can't be watched. */
  watch(onClosed: (error: Error | undefined) => void): void {
    this.#onClosed = onClosed;
    this.#end.arm();
  }

  /** Writes chunks and calls `done` when the pipe has all of them, or with the error. */
  write(chunks: readonly Uint8Array[], done: Done): void {
    if (this.#closed) {
      done(systemError(EPIPE, "write"));
      return;
    }
    this.#chunks = chunks;
    this.#next = 0;
    this.#offset = 0;
    this.#remaining = 0;
    for (const { length } of chunks) this.#remaining += length;
    this.#done = done;
    this.#advance();
  }

  onReady(hungUp: boolean): void {
    if (this.#done !== undefined) this.#advance();
    else if (hungUp && this.#onClosed !== undefined) this.close();
  }

  onFailure(error: Error): void {
    this.#fail(error);
  }

  /** Closes our end: the child reads the end of file. Chunks on their way fail with EPIPE. */
  close(): void {
    this.#fail(undefined);
  }

  #fail(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#growth.end();
    this.#end.releaseWriting();
    if (this.#done !== undefined) this.#finish(error ?? systemError(EPIPE, "write"));
    this.#onClosed?.(error);
  }

  #advance(): void {
    while (this.#hasMore()) {
      const last = this.#next === this.#chunks.length - 1;
      const n = last
        ? this.#end.write(this.#chunks[this.#next] as Uint8Array, this.#offset)
        : this.#end.writev(this.#chunks, this.#next, this.#offset);
      if (n === -EAGAIN) {
        this.#growth.sawFull();
        this.#end.arm();
        return;
      }
      if (n < 0) {
        // What a socket calls a reset is the same fact: nobody reads any more.
        this.#finish(systemError(n === -ECONNRESET ? EPIPE : -n, "write"));
        return;
      }
      this.#moved(n);
    }
    this.#finish(null);
  }

  /** Goes on to the first chunk that has a byte left. One whose memory was transferred away meanwhile has none. */
  #hasMore(): boolean {
    for (; this.#next < this.#chunks.length; this.#next++) {
      if (this.#offset < (this.#chunks[this.#next] as Uint8Array).length) return true;
      this.#offset = 0;
    }
    return false;
  }

  /** Before anybody else's code runs: the chunks are as long as when they were written. */
  #moved(n: number): void {
    this.#remaining -= n;
    this.#offset += n;
    for (; this.#next < this.#chunks.length; this.#next++) {
      const { length } = this.#chunks[this.#next] as Uint8Array;
      if (this.#offset < length) return;
      this.#offset -= length;
    }
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#done = undefined;
    this.#chunks = NONE;
    this.#remaining = 0;
    // It may run a user's callback, at once.
    if (done !== undefined) guarded(done, error);
  }
}
