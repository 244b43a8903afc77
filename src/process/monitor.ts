/**
 * Processes that were not spawned from here: children that something else in this process started are taken
 * over, any others' ends are seen. See docs/watching.md.
 */

import { invalidState } from "../errors.js";
import { type Monitor as KernelMonitor, monitor as kernelMonitor } from "../kernel/monitor.js";
import { refuseClones } from "../kernel/uncloneable.js";
import { type AdoptedChild, type AdoptOptions, adopt, watch } from "./existing.js";
import type { WatchedProcess } from "./watched-process.js";

export type { AdoptedChild, AdoptOptions };

/**
 * Which process: its id, or a pidfd of yours, which stays yours. A pid is safe as long as whoever tells it knows that
 * the process has not been reaped; a pidfd always.
 */
export type ProcessLike = number | { pidfd: number };

let shared: Monitor | undefined;

/**
 * Watches processes that `spawn` did not start. All monitors of a JavaScript environment share one epoll set; one of your
 * own is a scope, that ends what was added and watched through it.
 */
export class Monitor {
  readonly #kernel: KernelMonitor;
  readonly #children = new Set<AdoptedChild>();
  readonly #watched = new Set<WatchedProcess>();
  #disposed = false;

  /** @throws UnsupportedError: not on this platform. Error of a system call: nothing can be watched. */
  constructor() {
    this.#kernel = kernelMonitor();
    refuseClones(this);
  }

  /** Gives this environment's own monitor, which nothing disposes of. */
  static get default(): Monitor {
    shared ??= new Monitor();
    return shared;
  }

  /**
   * Adopts a child of this process that something else started: a native library, another runtime in this process, or,
   * where orphans come to us (pid 1, subreaper), the parent that it had. It is a `Child` then, as if spawned from here,
   * but without streams: with waits, signals, `cleanup` and a scope. Whoever started it must not wait for it any more:
   * a child of `node:child_process`, or of brood in another thread, is only to be watched.
   *
   * @throws Error with code ESRCH: no such process; ECHILD: it is not our child; EBUSY: it is watched as a child
   * already; EBADF: that fd is no pidfd. TypeError, RangeError: the call is wrong. AbortError: `signal` has aborted
   * already. UnsupportedError: pidfd_open(2) is filtered. Nothing is watched then, and the process is not touched.
   */
  add(process: ProcessLike, options: AdoptOptions = {}): AdoptedChild {
    this.#checkOpen();
    const child = adopt(this.#kernel, process, options);
    this.#children.add(child);
    void child.closed.then(() => this.#children.delete(child));
    return child;
  }

  /**
   * Watches for the end of any process, without waiting for it: its parent gets its status as ever.
   *
   * @throws Error with code ESRCH: no such process, or one that has been reaped; EBADF: that fd is no pidfd. TypeError,
   * RangeError: the call is wrong. UnsupportedError: pidfd_open(2) is filtered.
   */
  watch(process: ProcessLike): WatchedProcess {
    this.#checkOpen();
    const watched = watch(this.#kernel, process, (one) => this.#watched.delete(one));
    this.#watched.add(watched);
    return watched;
  }

  /** What was adopted through this monitor and has not ended. */
  get children(): readonly AdoptedChild[] {
    return [...this.#children];
  }

  /** What is watched through this monitor and has not ended. */
  get watched(): readonly WatchedProcess[] {
    return [...this.#watched];
  }

  /** Stops watching, and terminates what was adopted, each by its own options: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await Promise.all([...this.#children].map((child) => child[Symbol.asyncDispose]()));
  }

  /** Stops watching, and kills what was adopted by SIGKILL; it is reaped in the background: for `using`. */
  [Symbol.dispose](): void {
    this.#end();
    for (const child of [...this.#children]) child[Symbol.dispose]();
  }

  #end(): void {
    this.#disposed = this !== shared;
    for (const watched of [...this.#watched]) watched[Symbol.dispose]();
  }

  #checkOpen(): void {
    if (this.#disposed) throw invalidState("this monitor has been disposed of");
    if (this.#kernel.failure !== undefined) throw this.#kernel.failure;
  }
}
