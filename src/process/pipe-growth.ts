/**
 * Pipes that are seen full again and again become larger: each time one is full its writer waits, and
 * the two processes change places on the CPU. So does a socket that we write to; what the child writes to one goes by the
 * child's own end.
 *
 * Kernel: F_SETPIPE_SZ of fcntl(2), SO_SNDBUF of socket(7), which asks for no more than net.core.wmem_max. What all pipes of a user may hold before new ones are made small is
 * /proc/sys/fs/pipe-user-pages-soft of pipe(7), 64 MiB: we take a part of it, and give it back at the pipe's end.
 */

import { INPUT } from "../program/plan.js";
import type { PipeEnd } from "./pipe-end.js";

/** What a pipe becomes. More of it would not stay in a CPU's cache between write and read. */
export const GROWN = 1 << 19;
/** What a socket that we write to becomes, as far as the system allows: as much as the child may write to us. */
const GROWN_SOCKET = 1 << 20;
/** How often it has to be full: what moves less than that has no gain. */
const FULL_ENOUGH = 16;
/** How many may be grown at a time in this environment: 16 MiB of pipes, or 32 of sockets. */
const MOST_GROWN = 32;

let grown = 0;

/** Of one pipe. */
export class Growth {
  readonly #end: PipeEnd;
  /** How often it is still to be seen full; 0: it is not to grow any more. */
  #left: number;
  #grown = false;

  /** `size`: what was asked for, which it stays at. `writes`: it is we who write. */
  constructor(end: PipeEnd, size: number, writes: boolean) {
    this.#end = end;
    this.#left = size === 0 && (writes || end.kind !== INPUT.socket) ? FULL_ENOUGH : 0;
  }

  /** It was full, or nearly so, so many times. */
  sawFull(times = 1): void {
    if (this.#left === 0) return;
    this.#left = Math.max(0, this.#left - times);
    if (this.#left > 0 || grown >= MOST_GROWN) return;
    this.#grown = this.#end.grow(this.#end.kind === INPUT.socket ? GROWN_SOCKET : GROWN);
    if (this.#grown) grown++;
  }

  /** So much has come that it was full as often as it takes. */
  sawMuch(): void {
    if (this.#left === 0) return;
    this.#left = 1;
    this.sawFull();
  }

  /** The pipe is over. */
  end(): void {
    if (this.#grown) grown--;
    this.#grown = false;
    this.#left = 0;
  }
}
