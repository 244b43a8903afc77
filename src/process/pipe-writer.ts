/**
 * The writing side of a pipe end: one chunk at a time, each told when it is in the pipe.
 */

import { EAGAIN, ECONNRESET, EPIPE, systemError } from "../kernel/errno.js";
import { guarded } from "../kernel/uncaught.js";
import type { PipeEnd, Side } from "./pipe-end.js";
import { Growth } from "./pipe-growth.js";

type Done = (error?: Error | null) => void;

export class PipeWriter implements Side {
  readonly #end: PipeEnd;
  readonly #growth: Growth;
  #bytes: Uint8Array | undefined;
  #offset = 0;
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

  /** Runs a function in the async context in which the child was spawned. */
  inContext<Result>(run: () => Result): Result {
    return this.#end.inContext(run);
  }

  /** Whether a chunk is on its way. */
  get pending(): boolean {
    return this.#done !== undefined;
  }

  /** How many bytes of that chunk are not in the pipe yet. */
  get remaining(): number {
    return this.#bytes === undefined ? 0 : this.#bytes.length - this.#offset;
  }

  /** From now on it closes itself when nobody reads any more, and tells, once, when it has been closed, by whomever, or why it
   * can't be watched. */
  watch(onClosed: (error: Error | undefined) => void): void {
    this.#onClosed = onClosed;
    this.#end.arm();
  }

  /** Writes a chunk and calls `done` when the pipe has all of it, or with the error. */
  write(bytes: Uint8Array, done: Done): void {
    if (this.#closed) {
      done(systemError(EPIPE, "write"));
      return;
    }
    this.#bytes = bytes;
    this.#offset = 0;
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

  /** Closes our end: the child reads the end of file. A chunk on its way fails with EPIPE. */
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
    const bytes = this.#bytes as Uint8Array;
    while (this.#offset < bytes.length) {
      const n = this.#end.write(bytes, this.#offset);
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
      this.#offset += n;
    }
    this.#finish(null);
  }

  #finish(error: Error | null): void {
    const done = this.#done;
    this.#done = undefined;
    this.#bytes = undefined;
    // It may run a user's callback, at once.
    if (done !== undefined) guarded(() => done(error));
  }
}
