/**
 * A child's entry in the native table: its signals, and what is left of the group that it led. The entry
 * outlives the child only while that group has members, so that they can still be reached by the pidfd.
 */

import { UnsupportedError } from "../errors.js";
import { ENOSYS, ENOTSUP, errnoWords, systemError } from "../kernel/errno.js";
import { GROUP } from "../kernel/events.js";
import type { Monitor, Watcher } from "../kernel/monitor.js";
import { signalName } from "../kernel/signals.js";

/** Entries kept for what is left of a group are freed with the last use of the child. */
const left = new FinalizationRegistry<{ owner: Monitor; index: number }>(({ owner, index }) => owner.remove(index));

export class ChildEntry {
  readonly #monitor: Monitor;
  readonly #index: number;
  #exited = false;
  /** The entry is gone: nothing of its group is left, or it led none. */
  #forgotten = false;
  /** It led a group, as far as is known. */
  #leads = true;
  /** Why what is left of the group can't be reached. */
  #groupLost: Error | undefined;

  constructor(monitor: Monitor, index: number, child: Watcher) {
    this.#monitor = monitor;
    this.#index = index;
    monitor.watch(index, child);
  }

  /**
   * Signals the child itself. False: it has exited. `ends`: as part of its termination, so clean-up need not do it again.
   *
   * @throws Error with code EPERM. `who` names the child in its message.
   */
  signal(signal: number, who: () => string, ends: boolean): boolean {
    if (this.#exited) return false;
    const result = this.#monitor.native.signal(this.#index, signal, ends ? 1 : 0);
    if (result >= 0) return result === 1;
    const message = `cannot send ${signalName(signal)} to ${who()}: ${errnoWords(-result)}`;
    throw Object.assign(systemError(-result, "kill"), { message });
  }

  /** Signals the group that it leads. False: nobody is left in it. */
  signalGroup(signal: number, pid: number): boolean {
    if (!this.#leads) throw leadsNone(pid);
    if (this.#groupLost !== undefined) throw this.#groupLost;
    if (this.#forgotten) return false;
    const result = this.#monitor.native.signalGroup(this.#index, signal);
    if (result === -ENOTSUP) throw leadsNone(pid);
    // Its keeper or relay has seen its end, of which we are yet to be told.
    if (result === -ENOSYS) throw groupLost();
    if (result === 0 && this.#exited) this.forget();
    if (result < 0) throw systemError(-result, "kill");
    return result === 1;
  }

  /** From now on stops and continues are events, too. */
  watchStops(): void {
    const result = this.#exited ? 0 : this.#monitor.native.watchStops(this.#index);
    if (result < 0) throw systemError(-result, "waitid");
  }

  /**
   * The child has been reaped: the entry is kept only for a group that has members left, until `user` is collected.
   * `group`: one of GROUP.
   */
  exited(group: number, user: object): void {
    this.#exited = true;
    // There are no more events; and a monitor that knew the child would keep it from ever being collected.
    this.#monitor.unwatch(this.#index);
    if (group === GROUP.left) left.register(user, { owner: this.#monitor, index: this.#index }, this);
    else this.#forgotten = true;
    this.#leads = group !== GROUP.none;
    if (group === GROUP.lost) this.#groupLost = groupLost();
  }

  /** The watch has failed: the child is the orphans' reaper's, and can't be reached from here. */
  failed(error: Error): void {
    this.#exited = true;
    this.#groupLost = error;
    this.forget();
  }

  /** Gives the entry up, with the pidfd. The child must have been reaped. */
  forget(): void {
    if (this.#forgotten) return;
    this.#forgotten = true;
    left.unregister(this);
    this.#monitor.remove(this.#index);
  }
}

function leadsNone(pid: number): TypeError {
  const message = `killGroup needs a child that leads a process group (session, processGroup: "new" or detached), which process ${pid} does not`;
  return Object.assign(new TypeError(message), { code: "ERR_INVALID_ARG_VALUE" });
}

function groupLost(): UnsupportedError {
  return new UnsupportedError(
    "pidfd-signal-process-group",
    "cannot reach a process group after its leader has ended: this needs Linux 6.9",
  );
}
