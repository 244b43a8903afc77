/**
 * A process that is not ours: its end is seen, and nothing is taken from whoever is its parent.
 */

import { inspect } from "node:util";
import { UnsupportedError } from "../errors.js";
import { ENOSYS, errnoWords, systemError } from "../kernel/errno.js";
import { awaitsReaping, decodeExit, describeState } from "../kernel/events.js";
import type { Monitor, Watcher } from "../kernel/monitor.js";
import { type Signal, signalName, signalNumber } from "../kernel/signals.js";
import type { ExitState } from "../states.js";

/** How long an end whose status only the parent's wait makes known stays untold. */
const REAPED_SOON_MS = 100;

/**
 * Is a process that is watched, made by `Monitor.watch`. It is held by a pidfd, so another process that gets
 * its number later is never taken for it.
 */
export class WatchedProcess implements Watcher {
  /** Its process id; stays after its end. To signal it use `kill`, which can't hit a stranger. */
  readonly pid: number;
  /**
   * Settles when it has ended, whether or not its parent has waited for it. Never rejects. Its status is known where
   * it is a child of ours, or the kernel tells it: until it is reaped to those who may trace it (its own user, root),
   * afterwards to all, from Linux 6.15 on. Else the state is unknown, with cause "foreign". Never settles after a
   * dispose.
   *
   * An own property, which can't be cloned: nor can, so, the process be posted to another thread (DataCloneError).
   */
  readonly exited: Promise<ExitState>;
  readonly #monitor: Monitor;
  readonly #index: number;
  readonly #onOver: () => void;
  readonly #settle: (exit: ExitState) => void;
  #exit: ExitState | undefined;
  #reaping: NodeJS.Timeout | undefined;
  #over = false;
  #held = false;

  /** Not for users: `Monitor.watch` makes one. `onOver` is called when it has ended, or was disposed. */
  constructor(monitor: Monitor, index: number, pid: number, onOver: (process: WatchedProcess) => void) {
    this.#monitor = monitor;
    this.#index = index;
    this.#onOver = () => onOver(this);
    this.pid = pid;
    let settle!: (exit: ExitState) => void;
    this.exited = new Promise((resolve) => {
      settle = resolve;
    });
    this.#settle = settle;
    monitor.watch(index, this);
    this.ref();
  }

  /** How it ended, null while it lives (or its end has not been seen yet, or it was disposed before). */
  get exit(): ExitState | null {
    return this.#exit ?? null;
  }

  /**
   * Sends it a signal, through its pidfd. Default: SIGTERM. Signal 0 only probes.
   *
   * @returns true: sent to the live process; false: it has ended, or was disposed.
   * @throws Error with code EPERM where we may not; TypeError ERR_UNKNOWN_SIGNAL; UnsupportedError where a filter
   * forbids pidfd_send_signal(2).
   */
  kill(signal: Signal = "SIGTERM"): boolean {
    const number = signalNumber(signal, "signal", 0);
    if (this.#over || this.#exit !== undefined) return false;
    const result = this.#monitor.native.signalProcess(this.#index, number);
    if (result >= 0) return result === 1;
    if (result === -ENOSYS) throw new UnsupportedError("pidfd_send_signal", "cannot signal a process by its pidfd here");
    const message = `cannot send ${signalName(number)} to process ${this.pid}: ${errnoWords(-result)}`;
    throw Object.assign(systemError(-result, "pidfd_send_signal"), { message });
  }

  /** Holds the event loop (default), until it has ended. */
  ref(): this {
    if (!this.#held && !this.#over) this.#monitor.hold();
    this.#held ||= !this.#over;
    return this;
  }

  /** Lets the event loop end, whatever becomes of the process. */
  unref(): this {
    if (this.#held) this.#monitor.release();
    this.#held = false;
    return this;
  }

  /** Stops watching it. It is not touched; an `exited` that is pending never settles. */
  [Symbol.dispose](): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#reaping);
    this.unref();
    this.#monitor.remove(this.#index);
    this.#onOver();
  }

  /** @internal Called by the monitor. */
  onEvent(events: Float64Array, base: number): void {
    const exit = decodeExit(events, base, this.pid);
    if (!awaitsReaping(events, base)) this.#end(exit);
    else this.#reaping ??= setTimeout(() => this.#end(exit), REAPED_SOON_MS);
  }

  /** @internal Called by the monitor. */
  onFailure(): void {
    this.#end({ kind: "unknown", cause: "unwatched", pid: this.pid, uid: null, usage: null });
  }

  #end(exit: ExitState): void {
    if (this.#over) return;
    this.#exit = exit;
    this[Symbol.dispose]();
    this.#settle(exit);
  }

  /** JSON of what is known of it. */
  toJSON(): { pid: number; exit: ExitState | null } {
    return { pid: this.pid, exit: this.exit };
  }

  /** What `util.inspect` shows of it, on one line. */
  [inspect.custom](): string {
    const state = this.#exit !== undefined ? describeState(this.#exit) : this.#over ? "not watched" : "watched";
    return `WatchedProcess { pid ${this.pid}, ${state} }`;
  }
}
