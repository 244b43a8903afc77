/**
 * How a child comes to its end: drives the state machine of life-cycle.ts. One for each child, whatever asks
 * for its end; the first cause is the one told.
 */

import { AbortError, type BroodError, DrainError, type Reason, TimeoutError } from "../errors.js";
import { onAbort } from "../kernel/abort.js";
import { LIFE, type LifeAction, type LifeEvent, type LifeState } from "./life-cycle.js";
import type { Life } from "./options.js";
import { Quiet } from "./quiet.js";
import { waitsForInput } from "./waits-for-input.js";

const SIGKILL = 9;

/** What outlives a command that ended by itself may be writing its last words: a `tee`, the rest of a pipeline. */
const OUTLIVED_MS = 500;

/** Why a child is made to end. */
export type Cause =
  | { reason: "timeout"; ms: number }
  | { reason: "idle"; ms: number; waitsFor: string | undefined }
  | { reason: "aborted"; because: unknown }
  | { reason: "terminated" }
  | { reason: "parent-exit" };

/** The reasons that are causes, too. */
export const CAUSES: readonly Reason[] = ["timeout", "idle", "aborted", "terminated", "parent-exit"] satisfies Cause["reason"][];

/** The child, as far as its end needs it. */
export interface Mortal {
  readonly pid: number;
  /** Sends a signal, if it lives. */
  send(signal: number): void;
  /** Whether a pipe of ours is open. */
  held(): boolean;
  /** Sends SIGKILL to it, if it lives, and to everything that is contained with it. */
  kill(): void;
  /** Sends what it has left behind a signal. */
  signalLeft(signal: number): void;
  /** When a byte last went through one of its pipes: a time of performance.now(). */
  lastActivity(): number;
  /** Closes the pipes that are held. Undefined: as if they had ended. */
  cut(makeError: ((what: string) => Error) | undefined): void;
  /** Everything is over. */
  close(): void;
}

export class Termination {
  readonly #life: Life;
  readonly #child: Mortal;
  #state: LifeState = "running";
  #cause: Cause | undefined;
  /** Made when the first is started: most children need none. */
  #clocks: Clocks | undefined;

  /** Starts the clocks and listens to the signal. */
  constructor(life: Life, child: Mortal) {
    this.#life = life;
    this.#child = child;
    const { timeout, idleTimeout, signal } = life;
    if (timeout > 0) this.#startTimeout(timeout);
    if (idleTimeout > 0) this.#startIdle(idleTimeout);
    if (signal !== undefined) this.#listen(signal);
  }

  #clock(): Clocks {
    this.#clocks ??= new Clocks();
    return this.#clocks;
  }

  #startTimeout(ms: number): void {
    this.#clock().timeout = setTimeout(() => this.begin({ reason: "timeout", ms }), ms).unref();
  }

  #startIdle(ms: number): void {
    this.#clock().idle = new Quiet(
      ms,
      () => this.#child.lastActivity(),
      () => this.#onIdle(ms),
    );
  }

  #listen(signal: AbortSignal): void {
    this.#clock().unlisten = onAbort(signal, () => this.begin({ reason: "aborted", because: signal.reason }));
  }

  get state(): LifeState {
    return this.#state;
  }

  get cause(): Cause | undefined {
    return this.#cause;
  }

  /** Somebody wants its end. Later causes change nothing. */
  begin(cause: Cause): void {
    const before = this.#state;
    if (this.#cause !== undefined || before === "cutting" || before === "closed") return;
    this.#cause = cause;
    this.#dispatch("asked");
  }

  /** The same, without the polite signal and without grace. */
  force(cause: Cause): void {
    this.#cause ??= cause;
    if (this.#state === "running") this.#state = "terminating";
    if (this.#state === "outlived") this.#state = "clearing";
    this.#dispatch("graceOver");
  }

  /** Pipes that are held are not waited for any more, whatever `drain` says. */
  giveUp(): void {
    this.#dispatch("drainOver");
  }

  /** It has been reaped; `left`: something that is contained with it lives, and is not to be left alone. */
  exited(left: boolean): void {
    this.#dispatch(left ? "left" : "exited");
  }

  /** Nothing that is contained lives any more, or nothing that can be ended. */
  cleared(): void {
    this.#dispatch("cleared");
  }

  /** Whether those that are left behind are to be ended, or waited for. */
  get wantsLeft(): boolean {
    return this.#state !== "running" || this.#life.contain?.descendants !== "leave";
  }

  /** Its last pipe is at its end. */
  ended(): void {
    this.#dispatch("ended");
  }

  #dispatch(event: LifeEvent): void {
    const { to, action } = LIFE[this.#state][event];
    this.#state = to;
    if (action !== undefined) this.#act(action);
  }

  #act(action: LifeAction): void {
    switch (action) {
      case "signal":
        this.#signal();
        break;
      case "kill":
        this.#attempt(() => this.#child.kill());
        break;
      case "outlive":
        this.#outlive();
        break;
      case "clear":
        this.#clear();
        break;
      case "drain":
        this.#startDraining();
        break;
      case "cut":
        this.#cut();
        break;
      case "giveUp":
        this.#giveUp();
        break;
      case "close":
        this.#close();
        break;
    }
  }

  #signal(): void {
    const { killSignal } = this.#life;
    if (killSignal === SIGKILL && this.#life.contain !== undefined) {
      this.#dispatch("graceOver");
      return;
    }
    this.#attempt(() => this.#child.send(killSignal));
    if (killSignal !== SIGKILL) this.#startGrace();
  }

  /** One grace period for all: what the command has left of it, those that it leaves behind have. */
  #startGrace(): void {
    const { forceKillAfterDelay } = this.#life;
    if (forceKillAfterDelay === false || this.#clocks?.grace !== undefined) return;
    this.#clock().grace = setTimeout(() => this.#dispatch("graceOver"), forceKillAfterDelay).unref();
  }

  #outlive(): void {
    if (this.#life.contain?.descendants !== "kill") return;
    this.#clock().outlived = setTimeout(() => this.#dispatch("graceOver"), OUTLIVED_MS).unref();
  }

  #clear(): void {
    clearTimeout(this.#clocks?.outlived);
    this.#attempt(() => this.#child.signalLeft(this.#life.killSignal));
    this.#startGrace();
    if (this.#life.killSignal === SIGKILL) this.#dispatch("graceOver");
  }

  /** One that changed its user may be beyond our reach: then its own end is waited for. */
  #attempt(send: () => void): void {
    try {
      send();
    } catch {
      // EPERM. There is nobody to tell here; kill() tells who asks.
    }
  }

  #onIdle(ms: number): void {
    // Looked at before the signal changes what it does. The pid of one that has been reaped may be another's.
    const waitsFor = this.#state === "running" ? waitsForInput(this.#child.pid) : undefined;
    this.begin({ reason: "idle", ms, waitsFor });
  }

  #startDraining(): void {
    if (this.#clocks !== undefined) clearTimeout(this.#clocks.outlived);
    // Somebody wanted its end, which has been waiting for what was contained with it.
    if (this.#cause !== undefined) {
      this.#dispatch("asked");
      return;
    }
    const { timeout, idle, then } = this.#life.drain;
    if (then === "wait" || !this.#child.held()) return;
    const over = (): void => this.#dispatch("drainOver");
    if (timeout !== undefined) this.#clock().drain = setTimeout(over, timeout).unref();
    if (idle !== undefined) this.#clock().drainIdle = new Quiet(idle, () => this.#child.lastActivity(), over);
  }

  #cut(): void {
    const cause = this.#cause as Cause;
    this.#child.cut((what) => cutError(cause, what));
  }

  #giveUp(): void {
    this.#child.cut(this.#life.drain.then === "error" ? notDrained : undefined);
  }

  #close(): void {
    this.#clocks?.stop();
    this.#child.close();
  }
}

/** What runs, and listens, until it has come to its end. */
class Clocks {
  timeout: NodeJS.Timeout | undefined;
  grace: NodeJS.Timeout | undefined;
  outlived: NodeJS.Timeout | undefined;
  drain: NodeJS.Timeout | undefined;
  idle: Quiet | undefined;
  drainIdle: Quiet | undefined;
  unlisten: (() => void) | undefined;

  stop(): void {
    clearTimeout(this.timeout);
    clearTimeout(this.grace);
    clearTimeout(this.outlived);
    clearTimeout(this.drain);
    this.idle?.stop();
    this.drainIdle?.stop();
    this.unlisten?.();
  }
}

/** Makes the error in which a pipe of ours ends that was cut because of this cause. */
function cutError(cause: Cause, what: string): BroodError {
  switch (cause.reason) {
    case "timeout":
      return new TimeoutError(`${what} was cut: the child was terminated after ${cause.ms} ms`);
    case "idle":
      return new TimeoutError(`${what} was cut: the child was terminated after ${cause.ms} ms without output`);
    case "aborted":
      return new AbortError(`${what} was cut: the operation was aborted`, cause.because);
    case "terminated":
    case "parent-exit":
      return new AbortError(`${what} was cut: the child was terminated`, undefined);
  }
}

/** Makes the error in which a pipe ends that others hold, where `drain` says so. */
function notDrained(what: string): BroodError {
  return new DrainError(`${what} is still held by another process, the child has exited`);
}
