/** What a child holds of the event loop: from its spawn until it is closed, unless it was unref'ed. */

import type { Monitor } from "../kernel/monitor.js";

export class LoopHold {
  readonly #monitor: Monitor;
  #refed = true;
  #over = false;
  #held = true;

  constructor(monitor: Monitor) {
    this.#monitor = monitor;
    monitor.hold();
  }

  ref(): void {
    this.#refed = true;
    this.#update();
  }

  unref(): void {
    this.#refed = false;
    this.#update();
  }

  /** There is nothing to wait for any more: `ref` has no effect from now on. */
  end(): void {
    this.#over = true;
    this.#update();
  }

  #update(): void {
    const hold = this.#refed && !this.#over;
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#monitor.hold();
    else this.#monitor.release();
  }
}
