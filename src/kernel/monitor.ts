/**
 * The JavaScript side of the monitor: who is told of which event, and what holds the event loop.
 * One per JavaScript environment. See native/monitor.h for the other side.
 */

import { type Addon, addon } from "../native/addon.js";
import { systemError } from "./errno.js";
import { EVENTS_PER_BATCH, FIELD, FIELDS_PER_EVENT } from "./events.js";
import { guarded, throwLater } from "./uncaught.js";

/** Something that has an entry in the native table. */
export interface Watcher {
  /** @internal Is told of one event: the record at `base` of `events`. Valid during the call only. */
  onEvent(events: Float64Array, base: number): void;
  /** @internal No event will come any more: the watch has failed. */
  onFailure(error: NodeJS.ErrnoException): void;
}

export class Monitor {
  readonly native: Addon;
  readonly #watchers: (Watcher | undefined)[] = [];
  readonly #events = new Float64Array(EVENTS_PER_BATCH * FIELDS_PER_EVENT);
  #holds = 0;
  #failure: NodeJS.ErrnoException | undefined;

  constructor() {
    this.native = addon();
    const result = this.native.start(this.#events, (count) => this.#dispatch(count));
    if (result < 0) throw systemError(-result, "epoll_create1");
    process.on("exit", () => this.native.cleanup());
  }

  /** Why nothing can be watched any more. */
  get failure(): NodeJS.ErrnoException | undefined {
    return this.#failure;
  }

  watch(index: number, watcher: Watcher): void {
    this.#watchers[index] = watcher;
  }

  /** Tells nobody of the entry's events any more; it stays. */
  unwatch(index: number): void {
    this.#watchers[index] = undefined;
  }

  /** Closes the entry's fd and forgets it: the one place where an fd of ours is closed from here. */
  remove(index: number): void {
    this.#watchers[index] = undefined;
    this.native.remove(index);
  }

  /** Tells an event that came by another way than the epoll set. */
  deliver(index: number, events: Float64Array, base: number): void {
    this.#watchers[index]?.onEvent(events, base);
  }

  /** Holds the event loop, until as many releases. */
  hold(): void {
    if (this.#holds++ === 0) this.native.ref();
  }

  release(): void {
    if (--this.#holds === 0) this.native.unref();
  }

  /** An exception of one watcher's user is reported as uncaught; the rest of the batch still runs. */
  #dispatch(count: number): void {
    if (count < 0) {
      this.#fail(systemError(-count, "epoll_wait"));
      return;
    }
    for (let base = 0; base < count * FIELDS_PER_EVENT; base += FIELDS_PER_EVENT) {
      const watcher = this.#watchers[this.#events[base + FIELD.index] as number];
      try {
        watcher?.onEvent(this.#events, base);
      } catch (error) {
        throwLater(error);
      }
    }
  }

  /** Nobody is to wait for what can't be seen. Children are the orphans' reaper's by now. */
  #fail(error: NodeJS.ErrnoException): void {
    this.#failure = error;
    process.emitWarning(`children can't be watched any more: ${error.message}`, { code: "BROOD_WATCH_FAILED" });
    for (const watcher of [...this.#watchers]) {
      if (watcher !== undefined) guarded(() => watcher.onFailure(error));
    }
  }
}

let current: Monitor | undefined;
const SHARED = Symbol.for("brood.monitor");

/**
 * Gives this environment's monitor, started on first use. The addon holds it: it tells one callback in an environment, and
 * a copy of this module (one that was evaluated again, say) gets the same addon.
 *
 * @throws Error of a system call: it can't be started, or has failed.
 */
export function monitor(): Monitor {
  if (current === undefined) {
    const holder = addon() as { [SHARED]?: Monitor };
    holder[SHARED] ??= new Monitor();
    current = holder[SHARED];
  }
  if (current.failure !== undefined) throw current.failure;
  return current;
}
