/**
 * Waits for changes of state: any number at once, each gets the changes that it asked for, none eats
 * another's.
 *
 * A change is given to all waits that ask for its kind at that moment. Changes are given one per turn of
 * the event loop, so that each loop over `wait()` is back, waiting, when the next one comes. A change that
 * nobody waits for is kept (the kernel keeps its last, too) for the first turn in which somebody does.
 * The end comes after all changes that somebody waits for.
 */

import type { ChildState, ExitState, LiveState } from "../states.js";

/** The kinds of change that a wait can ask for. */
export type WaitKind = "stopped" | "continued" | "exited";

interface Waiter {
  kinds: ReadonlySet<WaitKind>;
  resolve(state: ChildState): void;
  reject(error: Error): void;
}

/** Old changes that nobody has ever asked for are dropped beyond this number. */
const KEPT = 1024;

export class StateWaiters {
  readonly #waiters = new Set<Waiter>();
  readonly #changes: LiveState[] = [];
  readonly #refuse: (exit: ExitState) => Error;
  #exit: ExitState | undefined;
  #failure: Error | undefined;
  #queued = false;

  /** `refuse` makes the error of a wait for a stop or continue that can't come any more. */
  constructor(refuse: (exit: ExitState) => Error) {
    this.#refuse = refuse;
  }

  /** Waits for the next change of these kinds. `cancel` ends this wait alone. */
  wait(kinds: ReadonlySet<WaitKind>): { promise: Promise<ChildState>; cancel: (error: Error) => void } {
    if (this.#failure !== undefined) return { promise: Promise.reject(this.#failure), cancel: () => {} };
    let waiter!: Waiter;
    const promise = new Promise<ChildState>((resolve, reject) => {
      waiter = { kinds, resolve, reject };
    });
    this.#waiters.add(waiter);
    this.#schedule();
    const cancel = (error: Error): void => {
      if (this.#waiters.delete(waiter)) waiter.reject(error);
    };
    return { promise, cancel };
  }

  /** A stop or continue has been seen. */
  change(state: LiveState): void {
    this.#changes.push(state);
    if (this.#changes.length > KEPT) this.#changes.shift();
    this.#schedule();
  }

  /** The child has ended: the last thing that any wait can get. */
  end(exit: ExitState): void {
    this.#exit = exit;
    this.#schedule();
  }

  /** No change will be seen any more: every wait fails with this, those to come, too. */
  fail(error: Error): void {
    this.#failure = error;
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }

  #schedule(): void {
    if (this.#queued || this.#waiters.size === 0) return;
    if (this.#exit === undefined && !this.#changes.some((state) => this.#takers(state).length > 0)) return;
    this.#queued = true;
    setImmediate(() => {
      this.#queued = false;
      this.#deliver();
      this.#schedule();
    });
  }

  /** Gives the oldest change that somebody waits for to all who wait for it; if there is none, the end. */
  #deliver(): void {
    for (const [i, state] of this.#changes.entries()) {
      const takers = this.#takers(state);
      if (takers.length === 0) continue;
      this.#changes.splice(i, 1);
      for (const taker of takers) {
        this.#waiters.delete(taker);
        taker.resolve(state);
      }
      return;
    }
    if (this.#exit === undefined) return;
    for (const waiter of this.#waiters) {
      if (waiter.kinds.has("exited")) waiter.resolve(this.#exit);
      else waiter.reject(this.#refuse(this.#exit));
    }
    this.#waiters.clear();
  }

  #takers(state: LiveState): Waiter[] {
    return [...this.#waiters].filter((waiter) => waiter.kinds.has(kindOf(state)));
  }
}

function kindOf(state: LiveState): WaitKind {
  return state.kind === "continued" ? "continued" : "stopped";
}
