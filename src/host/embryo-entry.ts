/**
 * The entry in the native table of a process that has not exec'ed, and what contains it: until it is a Child's, which is told
 * then what this was told.
 */

import type { Containment } from "../contain/containment.js";
import { EVENT, FIELD, FIELDS_PER_EVENT, GROUP } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";

const SIGKILL = 9;

export class EmbryoEntry implements Watcher {
  readonly index: number;
  readonly pid: number;
  readonly #monitor: Monitor = monitor();
  readonly #gone: Promise<void>;
  #setGone: () => void = () => {};
  #containment: Containment | undefined;
  #exit: Float64Array | undefined;
  /** Whether it execs is not known yet: if it does, its end, too, is a Child's to deal with. */
  #executing = false;

  constructor(index: number, pid: number, containment: Containment | undefined) {
    this.index = index;
    this.pid = pid;
    this.#gone = new Promise((resolve) => {
      this.#setGone = resolve;
    });
    this.#monitor.watch(index, this);
    if (containment !== undefined) this.contain(containment);
  }

  /** What contains it, and all that it may start. */
  get containment(): Containment | undefined {
    return this.#containment;
  }

  /** From now on it is contained. */
  contain(containment: Containment): void {
    this.#containment = containment;
    containment.attach({
      pid: this.pid,
      onEvent: (events, base) => this.onEvent(events, base),
      cleared: () => this.#setGone(),
    });
  }

  /** Sends it a signal. False: it has ended. `ends`: as part of its end. */
  signal(signal: number, ends: boolean): boolean {
    return this.#monitor.native.signal(this.index, signal, ends ? 1 : 0) === 1;
  }

  /** It is executing a program. What comes next is becomeChild() or stays(). */
  executes(): void {
    this.#executing = true;
  }

  /** It has not exec'ed. */
  stays(): void {
    this.#executing = false;
    this.#endIfExited();
  }

  /** It has exec'ed: `make` makes the Child that watches it from now on, and gets this at the end of our environment. */
  becomeChild<Made>(signal: number, grace: number, make: () => Made): Made {
    this.#monitor.native.becomeChild(this.index, signal, grace);
    const made = make();
    const exit = this.#exit;
    // It has ended already. That is told later, as always.
    if (exit !== undefined) setImmediate(() => this.#monitor.deliver(this.index, exit, 0));
    return made;
  }

  /** Kills it, and gives the entry back. Settles when it has been reaped, and nothing of what contains it is left. */
  async end(): Promise<void> {
    this.signal(SIGKILL, true);
    this.#monitor.hold();
    await this.#gone;
    this.#monitor.release();
    this.#monitor.remove(this.index);
  }

  /** Called by the monitor, or by what contains it. */
  onEvent(events: Float64Array, base: number): void {
    if (events[base + FIELD.type] !== EVENT.child) return;
    this.#exit = events.slice(base, base + FIELDS_PER_EVENT);
    this.#endIfExited();
  }

  /** Called by the monitor. */
  onFailure(): void {
    // The orphans' reaper has killed it.
    if (this.#containment?.commandEnded(GROUP.lost)) this.#containment.kill();
    this.#setGone();
  }

  #endIfExited(): void {
    if (this.#exit === undefined || this.#executing) return;
    // It can't have started anything; who else is in there was brought there.
    if (this.#containment?.commandEnded(this.#exit[FIELD.group] as number)) this.#containment.kill();
    else this.#setGone();
  }
}
