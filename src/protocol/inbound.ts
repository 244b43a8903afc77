/**
 * The reading side of one fd: gives the protocol what the child writes, no faster than it wants it.
 */

import type { PipeReader, Sink } from "../process/pipe-reader.js";

/** Who is told. */
export interface InboundListener {
  /** Whether a callback is running now: it is not interrupted by another. */
  readonly busy: boolean;
  data(bytes: Buffer): void;
  /** There is nothing more. Called once. */
  ended(error: Error | undefined): void;
}

export class Inbound implements Sink {
  readonly #reader: PipeReader;
  readonly #listener: InboundListener;
  /** Read, and not told yet. */
  readonly #held: Buffer[] = [];
  #paused = false;
  #started = false;
  #queued = false;
  #end: { error: Error | undefined } | undefined;
  #over = false;

  constructor(reader: PipeReader, listener: InboundListener) {
    this.#reader = reader;
    this.#listener = listener;
    reader.attach(this);
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether all has been told, or it was closed. */
  get over(): boolean {
    return this.#over;
  }

  /** The protocol is connected: it may be told from now on. */
  start(): void {
    this.#started = true;
    this.#continueSoon();
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#continueSoon();
  }

  /** Closes it now: what has not been told is not wanted. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    this.#held.length = 0;
    this.#reader.close();
    this.#listener.ended(undefined);
  }

  data(chunk: Buffer): boolean {
    if (this.#over) return false;
    if (!this.#free || this.#held.length > 0 || this.#listener.busy) {
      this.#held.push(chunk);
      this.#continueSoon();
      return false;
    }
    this.#listener.data(chunk);
    return this.#free;
  }

  end(error: Error | undefined): void {
    this.#end = { error };
    if (this.#held.length > 0 || this.#listener.busy) this.#continueSoon();
    else this.#finish();
  }

  get #free(): boolean {
    return this.#started && !this.#paused && !this.#over;
  }

  /** Not at once: it may be a callback that asks. */
  #continueSoon(): void {
    if (this.#queued) return;
    this.#queued = true;
    queueMicrotask(() => {
      this.#queued = false;
      this.#continue();
    });
  }

  #continue(): void {
    while (this.#free && this.#held.length > 0) this.#listener.data(this.#held.shift() as Buffer);
    if (!this.#free) return;
    if (this.#end !== undefined) this.#finish();
    else this.#reader.resume();
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#listener.ended(this.#end?.error);
  }
}
