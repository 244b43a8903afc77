/**
 * How a child is made to end: the polite signal, time to comply, SIGKILL. One for each child, whatever
 * asked for it: `terminate()`, `timeout`, `signal`, the end of its scope. The first cause is the one told.
 */

import { AbortError, type BroodError, TimeoutError } from "../errors.js";
import type { Life } from "./options.js";

const SIGKILL = 9;

/** Why a child is made to end. */
export type Cause = { reason: "timeout"; ms: number } | { reason: "aborted"; because: unknown } | { reason: "terminated" };

/** Who is to end. */
interface Terminable {
  /** Sends a signal, if it lives. */
  send(signal: number): void;
  /** Its end has been asked for; it may have come before. */
  onTermination(): void;
}

export class Termination {
  readonly #life: Life;
  readonly #child: Terminable;
  #cause: Cause | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #force: NodeJS.Timeout | undefined;
  #onAbort: (() => void) | undefined;

  /** Starts the clock and listens to the signal. */
  constructor(life: Life, child: Terminable) {
    this.#life = life;
    this.#child = child;
    const { timeout, signal } = life;
    if (timeout > 0) {
      this.#timeout = setTimeout(() => this.begin({ reason: "timeout", ms: timeout }), timeout);
      // The child holds the event loop, as long as it is to be held.
      this.#timeout.unref();
    }
    if (signal !== undefined) {
      this.#onAbort = () => this.begin({ reason: "aborted", because: signal.reason });
      signal.addEventListener("abort", this.#onAbort, { once: true });
    }
  }

  get cause(): Cause | undefined {
    return this.#cause;
  }

  /** Sends the polite signal, and SIGKILL after the delay. Later causes change nothing. */
  begin(cause: Cause): void {
    if (this.#cause !== undefined) return;
    this.#cause = cause;
    const { killSignal, forceKillAfterDelay } = this.#life;
    this.#send(killSignal);
    if (killSignal !== SIGKILL && forceKillAfterDelay !== false) {
      this.#force = setTimeout(() => this.#send(SIGKILL), forceKillAfterDelay);
      this.#force.unref();
    }
    this.#child.onTermination();
  }

  /** Sends SIGKILL at once. */
  force(cause: Cause): void {
    this.#cause ??= cause;
    this.#send(SIGKILL);
  }

  /** The child has ended. The clock and the signal still bound how long others may hold its pipes. */
  ended(): void {
    clearTimeout(this.#force);
  }

  /** Its pipes are closed, too: nothing of this is needed any more. */
  stop(): void {
    clearTimeout(this.#timeout);
    clearTimeout(this.#force);
    if (this.#onAbort !== undefined) this.#life.signal?.removeEventListener("abort", this.#onAbort);
    this.#onAbort = undefined;
  }

  /** A child that changed its user may be beyond our reach: then its own end is waited for. */
  #send(signal: number): void {
    try {
      this.#child.send(signal);
    } catch {
      // EPERM. There is nobody to tell here; kill() tells who asks.
    }
  }
}

/** Makes the error in which a pipe of ours ends that was cut because of this cause. */
export function cutError(cause: Cause, what: string): BroodError {
  switch (cause.reason) {
    case "timeout":
      return new TimeoutError(`${what} was cut: the child was terminated after ${cause.ms} ms`);
    case "aborted":
      return new AbortError(`${what} was cut: the operation was aborted`, cause.because);
    case "terminated":
      return new AbortError(`${what} was cut: the child was terminated`, undefined);
  }
}
