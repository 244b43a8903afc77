/**
 * The reading side of a pipe end: moves bytes to a sink as fast as the sink takes them.
 *
 * The end of file is a fact of the fd, not of who reads: when the child has exited, what the pipe
 * holds by then is moved into memory and kept for whoever reads later, so that the end
 * is found even if nobody does.
 */

import type { AsyncResource } from "node:async_hooks";
import { invalidState } from "../errors.js";
import { EAGAIN, ECONNRESET, systemError } from "../kernel/errno.js";
import type { PipeEnd, Side } from "./pipe-end.js";
import { Growth } from "./pipe-growth.js";
import { CHUNK, FittingMemory, MOST_CHUNK, MUCH } from "./read-memory.js";

/** Chunks moved in one go before the event loop has its turn. */
const CHUNKS_PER_TURN = 16;

/** Who takes the bytes. */
export interface Sink {
  /** Takes a chunk, which is the sink's from then on. False: no more until `resume()`. Never throws. */
  data(chunk: Buffer): boolean;
  /** Memory to read into, where chunks would only be put together: what came is told by `filled()`. Undefined: not now. */
  room?(): Uint8Array | undefined;
  /** So many bytes stand at the start of the last room. False: no more until `resume()`. Never throws. */
  filled?(bytes: number): boolean;
  /** There is nothing more: cleanly, or for this reason. Called once. */
  end(error: Error | undefined): void;
}

/** Who has the reading side of a pipe end. */
export interface Reading {
  /** The child has exited. */
  settle(): void;
  /** Has arriving bytes noticed, also while nobody reads. */
  watch(): void;
  /** Ends it here: what has arrived is kept. Gives whether it was open. */
  cut(error: Error | undefined): boolean;
  /** Closes it now. Who collects gets what has arrived, and the end. */
  abandon(): void;
  /** Nobody will read any more. */
  close(): void;
  /** Whether there is something to read that our reader, slow as it is, has yet to take. */
  readonly backlogged: boolean;
}

/** That many of the bytes, if there are any. */
function startOf(bytes: Buffer, n: number): Buffer | undefined {
  if (n <= 0) return undefined;
  return n === bytes.length ? bytes : bytes.subarray(0, n);
}

export class PipeReader implements Side, Reading {
  readonly #end: PipeEnd;
  readonly #memory = new FittingMemory();
  /** Of the pipe, whoever reads it. */
  readonly growth: Growth;
  #sink: Sink | undefined;
  /** Read before anybody wanted it. */
  readonly #kept: Buffer[] = [];
  /** The sink wants data. */
  #wanting = false;
  /** The fd may hold data, or its end: no event will tell again. */
  #ready = false;
  #hungUp = false;
  /** The child has exited. */
  #settled = false;
  #pumping = false;
  #turnQueued = false;
  /** Chunks taken since the event loop last had its turn. */
  #takenNow = 0;
  /** The fd is done with. */
  #over = false;
  #error: Error | undefined;
  #told = false;

  /** `size`: of the pipe, if it was asked for; else it may grow. */
  constructor(end: PipeEnd, size = 0) {
    this.#end = end;
    this.growth = new Growth(end, size, false);
    end.reading = this;
  }

  /** The async context in which the child was spawned. */
  get context(): AsyncResource {
    return this.#end.context;
  }

  /** Whether the end of the pipe was seen, or it was cut. */
  get over(): boolean {
    return this.#over;
  }

  /** Whether nothing has been read from it, and nobody is to read it. */
  get pristine(): boolean {
    return !this.#over && this.#sink === undefined && this.#kept.length === 0;
  }

  /** Why it did not end cleanly. */
  get error(): Error | undefined {
    return this.#error;
  }

  /**
   * Gives the bytes to a sink from now on, what was kept first. It is asked for by resume().
   *
   * @throws Error ERR_INVALID_STATE if another sink has them.
   */
  attach(sink: Sink): void {
    if (this.#sink !== undefined) throw invalidState(`fd ${this.#end.target} of the child is being collected by output()`);
    this.#sink = sink;
  }

  /** The sink wants data. */
  resume(): void {
    this.#wanting = true;
    if (!this.#over) this.#end.arm();
    if (!this.#ready && !this.#over && this.#kept.length === 0) return;
    if (this.#takenNow < CHUNKS_PER_TURN) this.#pump();
    else this.#continueLater();
  }

  /**
   * Gives a chunk to a sink that takes them one by one, in place of resume(): one that was kept, or one that is read, to the
   * sink's own memory if it has some. Undefined: there is none now, or the event loop is to have its turn; resume() then
   * brings the next.
   */
  take(into?: Buffer): Buffer | undefined {
    if (this.#pumping || this.#takenNow >= CHUNKS_PER_TURN) return undefined;
    const chunk = this.#kept.length > 0 ? this.#keptChunk(into) : this.#ready ? this.#readChunk(into) : undefined;
    if (chunk !== undefined) this.#takenNow++;
    return chunk;
  }

  onReady(hungUp: boolean): void {
    this.#ready = true;
    this.#takenNow = 0;
    this.#hungUp ||= hungUp;
    if (this.#wanting) this.#pump();
    // Nobody writes any more: what is left is bounded by the pipe.
    if (this.#settled && this.#hungUp) this.#drain();
  }

  /**
   * The child has exited: finds the end if it is there. What is written from then on comes
   * from someone else who holds the pipe, and waits for a reader.
   */
  settle(): void {
    this.#settled = true;
    this.#drain();
    if (!this.#over) this.#end.arm();
    if (this.#wanting) this.#pump();
  }

  /** Moves what the pipe holds into memory, and reads once more: the end may be behind it. */
  #drain(): void {
    let most: number | undefined;
    for (let taken = 0; !this.#over && taken <= (most ?? 0); ) {
      const chunk = this.#readChunk();
      if (chunk === undefined) break;
      this.#kept.push(chunk);
      taken += chunk.length;
      // Most often there is nothing but the end: what else the pipe holds is asked for only now.
      most ??= taken + Math.max(this.#end.available(), 0);
    }
  }

  /** Whether there is something to read that our reader, slow as it is, has yet to take. Nobody's reader is not slow. */
  get backlogged(): boolean {
    if (this.#over || this.#wanting || !this.#ready || this.#sink === undefined) return false;
    // It may be empty: after much it is taken for ready until a read has found nothing.
    return this.#hungUp || this.#end.available() !== 0;
  }

  /** Has arriving bytes noticed, also while nobody reads. */
  watch(): void {
    if (!this.#over) this.#end.arm();
  }

  /**
   * Ends it here: what has arrived stays readable, then comes this error, or a clean end.
   *
   * @returns whether it was open. False: its end was there to be found.
   */
  cut(error: Error | undefined): boolean {
    this.#drain();
    const open = !this.#over;
    if (open) this.#finish(error);
    if (this.#wanting) this.#pump();
    return open;
  }

  onFailure(error: Error): void {
    this.cut(error);
  }

  /** Closes it now. Who collects gets what has arrived, and the end. */
  abandon(): void {
    const sink = this.#sink;
    if (sink !== undefined && !this.#told) {
      this.#drain();
      this.#told = true;
      for (const chunk of this.#kept) sink.data(chunk);
      sink.end(this.#error);
    }
    this.close();
  }

  /** Nobody will read any more. */
  close(): void {
    // Who comes later finds the end.
    this.#told = this.#sink !== undefined;
    this.#sink = undefined;
    this.#kept.length = 0;
    if (!this.#over) this.#finish(undefined);
  }

  #pump(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    let chunks = 0;
    while (this.#wanting && this.#sink !== undefined && chunks < CHUNKS_PER_TURN) {
      const kept = this.#kept.length > 0;
      if (!kept && this.#over) break;
      const room = this.#sink.room?.();
      if (room !== undefined) {
        const n = kept ? this.#keptInto(room) : this.#readInto(room);
        if (n <= 0) break;
        chunks++;
        // Before the sink's own code runs, which may ask again.
        this.#wanting = false;
        if (this.#sink.filled?.(n)) this.#wanting = true;
        continue;
      }
      const chunk = kept ? this.#kept.shift() : this.#readChunk();
      if (chunk === undefined) break;
      chunks++;
      this.#wanting = false;
      if (this.#sink.data(chunk)) this.#wanting = true;
    }
    this.#pumping = false;
    if (this.#wanting && (this.#ready || this.#kept.length > 0)) this.#continueLater();
    if (this.#over && this.#kept.length === 0 && this.#wanting) this.#tell();
  }

  #continueLater(): void {
    if (this.#turnQueued) return;
    this.#turnQueued = true;
    setImmediate(() => {
      this.#turnQueued = false;
      this.#takenNow = 0;
      this.context.runInAsyncScope(this.#pump, this);
    });
  }

  #tell(): void {
    if (this.#told) return;
    this.#told = true;
    this.#sink?.end(this.#error);
  }

  /** As much of what was kept first as there is room for. */
  #keptInto(room: Uint8Array): number {
    const chunk = this.#kept[0] as Buffer;
    const n = chunk.copy(room);
    if (n === chunk.length) this.#kept.shift();
    else this.#kept[0] = chunk.subarray(n);
    return n;
  }

  #keptChunk(into: Buffer | undefined): Buffer | undefined {
    return into !== undefined && into.length > 0 ? startOf(into, this.#keptInto(into)) : this.#kept.shift();
  }

  /** One chunk, or nothing: not now (an event will tell), or over. */
  #readChunk(into?: Buffer): Buffer | undefined {
    if (into !== undefined && into.length > 0) return startOf(into, this.#readInto(into));
    const n = this.#readInto(this.#memory.bytes);
    return n > 0 ? this.#memory.take(n) : undefined;
  }

  /** How many bytes came; not more than 0: none, now or for ever. */
  #readInto(bytes: Uint8Array): number {
    const n = this.#end.read(bytes, Math.min(bytes.length, MOST_CHUNK), MUCH);
    if (n > 0) {
      // A short read has emptied the pipe, and what comes later is a new event; but a hang-up is told once. After much there
      // is often more already, and to find none costs less than a turn of the event loop.
      this.#ready = n === bytes.length || n >= MUCH || this.#hungUp;
      if (n >= MUCH) this.growth.sawFull(Math.max(1, Math.floor(n / CHUNK)));
      return n;
    }
    this.#ready = false;
    // A socket whose other side was closed before all of what we wrote was read: its own bytes are complete.
    if (n === 0 || n === -ECONNRESET) this.#finish(undefined);
    else if (n !== -EAGAIN) this.#finish(systemError(-n, "read"));
    return n;
  }

  #finish(error: Error | undefined): void {
    this.#over = true;
    this.#error = error;
    this.#ready = false;
    this.growth.end();
    this.#end.releaseReading();
  }
}
