/**
 * Waits for a time without activity. The clock is looked at when it may have run out, not wound at each byte.
 */
export class Quiet {
  readonly #ms: number;
  readonly #lastActivity: () => number;
  readonly #onQuiet: () => void;
  readonly #since = performance.now();
  #timer: NodeJS.Timeout;

  /** `lastActivity` gives a time of performance.now(); before the construction counts as at it. */
  constructor(ms: number, lastActivity: () => number, onQuiet: () => void) {
    this.#ms = ms;
    this.#lastActivity = lastActivity;
    this.#onQuiet = onQuiet;
    this.#timer = this.#wait(ms);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #wait(ms: number): NodeJS.Timeout {
    // The child holds the event loop, as long as it is to be held.
    return setTimeout(() => this.#look(), ms).unref();
  }

  #look(): void {
    const quiet = performance.now() - Math.max(this.#lastActivity(), this.#since);
    // Timers may fire a fraction of a millisecond early.
    if (quiet >= this.#ms - 1) this.#onQuiet();
    else this.#timer = this.#wait(Math.ceil(this.#ms - quiet));
  }
}
