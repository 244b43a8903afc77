/** `wait` of a child: which changes of its state are asked for, and until when. */

import { AbortError, wrongType, wrongValue } from "../errors.js";
import { onAbort } from "../kernel/abort.js";
import { checkBoolean, checkNames } from "../program/validate.js";
import type { ChildState, LiveState } from "../states.js";
import type { ChildEnd } from "./child-end.js";
import type { ChildEntry } from "./entry.js";
import { StateWaiters, type WaitKind } from "./state-waiters.js";

/** What `wait` is to wait for: at least one of the three. */
export interface WaitOptions {
  /** The child was stopped (or, if we trace it, trapped). */
  stopped?: boolean | undefined;
  /** The child was continued by SIGCONT. */
  continued?: boolean | undefined;
  /** The child ended. */
  exited?: boolean | undefined;
  /** Ends this wait, and nothing else, with an AbortError. */
  signal?: AbortSignal | undefined;
}

/** What is waited for where nothing is asked for. */
export const ANY_CHANGE: WaitOptions = { stopped: true, continued: true, exited: true };

const WAIT_KINDS = ["stopped", "continued", "exited"] as const satisfies WaitKind[];

/** Throws for anything but an AbortSignal, or nothing. */
export function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType("options.signal", "an AbortSignal", signal);
}

/** What a wait asks for, checked. */
export interface Wait {
  kinds: ReadonlySet<WaitKind>;
  signal: AbortSignal | undefined;
}

/**
 * Checks the options of a wait.
 *
 * @throws AbortError: its signal has aborted already. TypeError: nothing was asked for.
 */
export function readWait(options: WaitOptions): Wait {
  const { signal, ...rest } = checkNames(options, "options", [...WAIT_KINDS, "signal"]) as WaitOptions;
  for (const kind of WAIT_KINDS) if (rest[kind] !== undefined) checkBoolean(rest[kind], `options.${kind}`);
  const kinds = new Set(WAIT_KINDS.filter((kind) => rest[kind] === true));
  if (kinds.size === 0) throw wrongValue("options", options, "must ask for stopped, continued or exited");
  checkSignal(signal);
  if (signal?.aborted) throw new AbortError("the wait was aborted", signal.reason);
  return { kinds, signal };
}

/** The waits for one child. Made when somebody waits for the first time, or its first change is seen. */
export class ChildWaits {
  readonly #entry: ChildEntry;
  readonly #waiters: StateWaiters;

  constructor(entry: ChildEntry, end: ChildEnd) {
    this.#entry = entry;
    this.#waiters = new StateWaiters((exit) => end.errorOf(exit));
    this.ended(end);
  }

  /** Waits for the next change of one of these kinds. Aborted: an AbortError, and nothing else happens. */
  async wait({ kinds, signal }: Wait): Promise<ChildState> {
    if (kinds.has("stopped") || kinds.has("continued")) this.#entry.watchStops();
    const { promise, cancel } = this.#waiters.wait(kinds);
    if (signal === undefined) return promise;
    const unlisten = onAbort(signal, () => cancel(new AbortError("the wait was aborted", signal.reason)));
    try {
      return await promise;
    } finally {
      unlisten();
    }
  }

  /** A stop or continue has been seen. */
  changed(state: LiveState): void {
    this.#waiters.change(state);
  }

  /** Tells the waits of its end, if it has come; `failure`: it is no longer watched. */
  ended(end: ChildEnd): void {
    if (end.failure !== undefined) this.#waiters.fail(end.failure);
    if (end.exit !== undefined) this.#waiters.end(end.exit);
  }
}
