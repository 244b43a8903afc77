/**
 * The writing side of one fd: a buffer with two limits, and the producer that fills it.
 *
 * It is lost when the child closes its end or exits, when a write fails, or when we close it. Whoever did it, the
 * writer tells it once.
 */

import { invalidState } from "../errors.js";
import { EPIPE, systemError } from "../kernel/errno.js";
import type { PipeWriter } from "../process/pipe-writer.js";
import type { Producer } from "./interface.js";

/** As the streams of asyncio have it. */
const DEFAULT_HIGH = 65536;
const DEFAULT_LOW = 16384;
/** Small pieces are written together, up to this size. */
const TOGETHER = 65536;

export interface OutboundListener {
  /** Calls a function of the user's: in the transport's context, its exception uncaught. */
  call(run: () => void): void;
  /** More is waiting than the upper limit; again no more than the lower one. */
  paused(): void;
  resumed(): void;
  /** It is closed. Called once. */
  lost(): void;
}

interface Registered {
  producer: Producer;
  streaming: boolean;
  /** Push: it has been told to pause. */
  paused: boolean;
}

export class Outbound {
  readonly #fd: number;
  readonly #writer: PipeWriter;
  readonly #listener: OutboundListener;
  readonly #queue: Uint8Array[] = [];
  #queued = 0;
  #high = DEFAULT_HIGH;
  #low = DEFAULT_LOW;
  #paused = false;
  #advancing = false;
  #asking = false;
  #producer: Registered | undefined;
  /** It is to be closed when all is written. */
  #closing = false;
  /** What is pending is not wanted any more. */
  #aborted = false;
  #lost = false;
  #error: Error | undefined;
  /** The protocol knows that it is lost. */
  told = false;

  constructor(fd: number, writer: PipeWriter, listener: OutboundListener) {
    this.#fd = fd;
    this.#writer = writer;
    this.#listener = listener;
    writer.watch((error) => {
      this.#error ??= error;
      this.#onClosed();
    });
  }

  get lost(): boolean {
    return this.#lost;
  }

  /** Whether more is waiting than the upper limit, or was and not yet less than the lower one. */
  get paused(): boolean {
    return this.#paused;
  }

  get closing(): boolean {
    return this.#closing || this.#lost;
  }

  /** Why it was lost, if not all was written. */
  get error(): Error | undefined {
    return this.#error;
  }

  /** How many bytes are waiting to be written. */
  get size(): number {
    return this.#queued + this.#writer.remaining;
  }

  get limits(): { high: number; low: number } {
    return { high: this.#high, low: this.#low };
  }

  setLimits(high: number, low: number): void {
    this.#high = high;
    this.#low = low;
    this.#checkHigh();
    this.#checkLow();
  }

  /**
   * Takes bytes to be written. They are not copied.
   *
   * @returns whether no more is waiting than the upper limit; false also if it is lost just now.
   * @throws Error EPIPE if it is lost and the protocol has been told, ERR_INVALID_STATE if we have closed it.
   */
  write(pieces: readonly Uint8Array[]): boolean {
    if (this.told)
      throw Object.assign(systemError(EPIPE, "write"), { message: `write EPIPE: fd ${this.#fd} of the child is closed` });
    // A producer may finish what it has to say after the close: that waits for it.
    if (this.#closing && this.#producer === undefined) throw invalidState(`fd ${this.#fd} of the child has been closed`);
    for (const bytes of pieces) {
      if (bytes.length === 0) continue;
      if (this.#lost) {
        // The protocol doesn't know yet: it will, together with this.
        this.#error ??= systemError(EPIPE, "write");
        return false;
      }
      this.#queue.push(bytes);
      this.#queued += bytes.length;
    }
    this.#advance();
    this.#checkHigh();
    return !this.#lost && this.size <= this.#high;
  }

  /** Closes it when all is written, and the producer, if there is one, has been unregistered. */
  close(): void {
    this.#closing = true;
    this.#closeIfDone();
  }

  /** Closes it now: what is pending is lost, as was asked for. */
  abort(): void {
    if (this.#lost) return;
    this.#closing = true;
    this.#aborted = true;
    this.#writer.close();
  }

  /** What is still to be written won't come: this is the reason that is told when it is lost. */
  fail(error: Error): void {
    this.#error ??= error;
  }

  /** Feeds it from a producer; one that comes too late is stopped at once. */
  register(producer: Producer, streaming: boolean): void {
    if (this.#producer !== undefined) throw invalidState(`fd ${this.#fd} of the child has a producer already`);
    if (this.closing) {
      this.#listener.call(() => producer.stopProducing());
      return;
    }
    this.#producer = { producer, streaming, paused: false };
    if (streaming) this.#checkHigh();
    else this.#askSoon();
  }

  /** Gives the producer that was registered, if there was one. */
  unregister(): Producer | undefined {
    const producer = this.#producer?.producer;
    this.#producer = undefined;
    this.#closeIfDone();
    return producer;
  }

  #advance(): void {
    if (this.#advancing) return;
    this.#advancing = true;
    while (!this.#lost && !this.#writer.pending && this.#queue.length > 0) this.#writer.write(this.#next(), this.#onWritten);
    this.#advancing = false;
  }

  readonly #onWritten = (error?: Error | null): void => {
    if (error) {
      if (!this.#aborted) this.#error ??= error;
      // Closed by someone else: that is told in a moment.
      this.#writer.close();
      return;
    }
    this.#advance();
    this.#checkLow();
    this.#askSoon();
    this.#closeIfDone();
  };

  /** What to write in one go: several small pieces together. */
  #next(): Uint8Array[] {
    let count = 0;
    let size = 0;
    for (const bytes of this.#queue) {
      if (count > 0 && size + bytes.length > TOGETHER) break;
      count++;
      size += bytes.length;
    }
    this.#queued -= size;
    return this.#queue.splice(0, count);
  }

  #checkHigh(): void {
    if (this.#lost || this.size <= this.#high) return;
    if (!this.#paused) {
      this.#paused = true;
      this.#listener.paused();
    }
    const registered = this.#producer;
    if (registered?.streaming === true && !registered.paused) {
      registered.paused = true;
      this.#listener.call(() => registered.producer.pauseProducing?.());
    }
  }

  #checkLow(): void {
    if (this.#lost || this.size > this.#low) return;
    if (this.#paused) {
      this.#paused = false;
      this.#listener.resumed();
    }
    if (this.#producer?.paused === true) this.#askSoon();
  }

  /** Asks the producer for more when it is its turn: not at once, lest a child that reads fast keeps the event loop busy. */
  #askSoon(): void {
    if (this.#asking || this.#producer === undefined) return;
    this.#asking = true;
    setImmediate(() => {
      this.#asking = false;
      const registered = this.#producer;
      if (registered === undefined || this.#lost) return;
      const due = registered.streaming ? registered.paused && this.size <= this.#low : this.size === 0;
      if (!due) return;
      registered.paused = false;
      this.#listener.call(() => registered.producer.resumeProducing());
    });
  }

  #closeIfDone(): void {
    if (this.#closing && this.#producer === undefined && this.#queue.length === 0 && !this.#writer.pending) this.#writer.close();
  }

  #onClosed(): void {
    if (this.#lost) return;
    this.#lost = true;
    if (this.#queue.length > 0 && !this.#aborted) this.#error ??= systemError(EPIPE, "write");
    this.#queue.length = 0;
    this.#queued = 0;
    const producer = this.#producer?.producer;
    this.#producer = undefined;
    this.#listener.lost();
    if (producer !== undefined) this.#listener.call(() => producer.stopProducing());
  }
}
