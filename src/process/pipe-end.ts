/**
 * Our end of one of the child's fds. The one owner of that fd on the JavaScript side: it is closed
 * when every side (reading, writing) of it has been released, once.
 */

import type { AsyncResource } from "node:async_hooks";
import { EVENT, FIELD } from "../kernel/events.js";
import type { Monitor, Watcher } from "../kernel/monitor.js";
import { INPUT, type InputKind } from "../program/plan.js";

/** epoll_ctl(2) */
const EPOLLIN = 1;
const EPOLLOUT = 4;
const EPOLLERR = 8;
const EPOLLHUP = 16;
const EPOLLRDHUP = 0x2000;
const READABLE = EPOLLIN | EPOLLERR | EPOLLHUP | EPOLLRDHUP;
const WRITABLE = EPOLLOUT | EPOLLERR | EPOLLHUP;
/** Nobody writes any more; of a socket perhaps that alone. */
const HUNG_UP = EPOLLERR | EPOLLHUP | EPOLLRDHUP;
/** Nobody reads any more. */
const UNREAD = EPOLLERR | EPOLLHUP;

/** The origin of performance.now() on the monotonic clock, when it has been asked for: Node loads a dozen modules for that. */
let origin: number | undefined;

/** A time of the monotonic clock as one of performance.now(); 0 stays. */
function ofPerformance(ms: number): number {
  origin ??= Number(process.hrtime.bigint()) / 1e6 - performance.now();
  return ms === 0 ? 0 : ms - origin;
}

/** One side of a pipe end. */
export interface Side {
  /** The fd may be ready; `hungUp`: the other end is closed. */
  onReady(hungUp: boolean): void;
  /** Readiness will not be told any more. */
  onFailure(error: Error): void;
  /** What is kept natively is complete (0), or can't be: an errno. A byte last came at `movedAt`. */
  onCaptured?(errno: number, movedAt: number): void;
}

export class PipeEnd implements Watcher {
  /** The child's fd. */
  readonly target: number;
  readonly kind: InputKind;
  reading: Side | undefined;
  writing: Side | undefined;
  readonly #monitor: Monitor;
  readonly #index: number;
  /** The async context in which the child was spawned. */
  readonly context: AsyncResource;
  readonly #onClosed: () => void;
  #armed = false;
  #looksAgain = false;
  #closed = false;
  /** What comes is kept natively, and who has it knows when it came last. */
  #captured = false;
  /** When it was closed: as `lastActivity`, of the monotonic clock. */
  #movedAt = 0;

  constructor(monitor: Monitor, index: number, target: number, kind: InputKind, context: AsyncResource, onClosed: () => void) {
    this.#monitor = monitor;
    this.#index = index;
    this.target = target;
    this.kind = kind;
    this.context = context;
    this.#onClosed = onClosed;
    monitor.watch(index, this);
  }

  get readable(): boolean {
    return this.kind !== INPUT.weWrite;
  }

  get writable(): boolean {
    return this.kind !== INPUT.weRead;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** When a byte last arrived or moved: a time of performance.now(), 0 if none has. */
  get lastActivity(): number {
    return ofPerformance(this.#closed ? this.#movedAt : this.#monitor.native.movedAt(this.#index));
  }

  /** Asks to be told when it becomes ready; the first time also if it is ready already. */
  arm(): void {
    if (this.#armed || this.#closed) return;
    this.#armed = true;
    const result = this.#monitor.native.arm(this.#index);
    // No memory for the registration: look again later, rather than never. Once, however often it was asked for.
    if (result < 0) {
      this.#armed = false;
      if (this.#looksAgain) return;
      this.#looksAgain = true;
      setImmediate(() => {
        this.#looksAgain = false;
        this.arm();
        this.context.runInAsyncScope(this.#ready, this, READABLE | WRITABLE);
      });
    }
  }

  /** Bytes read, 0 at the end, or a negated errno. After a read(2) that brought `much` it reads on, while there is room. */
  read(bytes: Uint8Array, length: number, much: number): number {
    return this.#monitor.native.read(this.#index, bytes, 0, length, much);
  }

  /** Bytes written, or a negated errno. */
  write(bytes: Uint8Array, offset: number): number {
    return this.#monitor.native.write(this.#index, bytes, offset, bytes.length - offset);
  }

  /** Bytes written of several chunks, from the offset in the first on, or a negated errno. */
  writev(chunks: readonly Uint8Array[], first: number, offset: number): number {
    return this.#monitor.native.writev(this.#index, chunks, first, offset);
  }

  /** Has all that comes kept natively, until it is taken; `reading` is told when there is no more. False: it can't be. */
  capture(): boolean {
    if (this.kind !== INPUT.weRead || this.#closed) return false;
    this.#captured = this.#monitor.native.capture(this.#index) === 0;
    return this.#captured;
  }

  /** Keeps what is there now. 1: that was the end; 0: there may be more; or a negated errno. */
  captureRest(): number {
    return this.#monitor.native.captureRest(this.#index);
  }

  /** Gives what was kept: as text where that is asked for and a string can hold it, else as bytes. A number: a negated errno. */
  takeCaptured(text: boolean): string | Buffer | number {
    const taken = this.#monitor.native.captureTake(this.#index, text ? 1 : 0);
    return text && typeof taken === "number" ? this.#monitor.native.captureTake(this.#index, 0) : taken;
  }

  /** What the other end is called in /proc/PID/fd. */
  link(): string {
    return `${this.kind === INPUT.socket ? "socket" : "pipe"}:[${this.#monitor.native.farInode(this.#index)}]`;
  }

  /** Makes a pipe, or a socket that we write to, hold that many bytes. False: the kernel does not allow it. */
  grow(size: number): boolean {
    return this.#monitor.native.grow(this.#index, size) > 0;
  }

  /** How many bytes a read would give now; less than 0 if the kernel can't tell. */
  available(): number {
    return this.#monitor.native.available(this.#index);
  }

  onEvent(events: Float64Array, base: number): void {
    if (events[base + FIELD.type] === EVENT.captured) {
      this.reading?.onCaptured?.(events[base + FIELD.status] as number, ofPerformance(events[base + FIELD.utime] as number));
      return;
    }
    const mask = events[base + FIELD.code] as number;
    this.context.runInAsyncScope(this.#ready, this, mask);
  }

  onFailure(error: Error): void {
    this.context.runInAsyncScope(() => {
      this.reading?.onFailure(error);
      this.writing?.onFailure(error);
    });
  }

  #ready(mask: number): void {
    if (mask & READABLE) this.reading?.onReady((mask & HUNG_UP) !== 0);
    if (mask & WRITABLE) this.writing?.onReady((mask & UNREAD) !== 0);
  }

  releaseReading(): void {
    this.reading = undefined;
    this.#closeIfReleased();
  }

  releaseWriting(): void {
    this.writing = undefined;
    // The other side of a socket reads the end while we still read.
    if (this.reading !== undefined && !this.#closed) this.#monitor.native.shutdownWrite(this.#index);
    this.#closeIfReleased();
  }

  #closeIfReleased(): void {
    if (this.#closed || this.reading !== undefined || this.writing !== undefined) return;
    if (!this.#captured) this.#movedAt = this.#monitor.native.movedAt(this.#index);
    this.#closed = true;
    this.#monitor.remove(this.#index);
    this.#onClosed();
  }
}
