/**
 * How a child that is waited for comes to its end: the state machine of life-cycle.ts, with deadlines that are
 * looked at between two waits in place of timers. Termination's counterpart where no event loop runs.
 */

import type { Holder } from "../errors.js";
import { SYNC, type SyncChild } from "../launch/sync.js";
import { INPUT } from "../program/plan.js";
import type { ExitState } from "../states.js";
import { findHoldersSync } from "./held-by.js";
import { LIFE, type LifeAction, type LifeEvent, type LifeState } from "./life-cycle.js";
import type { Life } from "./options.js";
import type { Cause } from "./termination.js";
import { waitsForInput } from "./waits-for-input.js";

const SIGKILL = 9;
/** Looking through /proc is a courtesy, and must not hold up an end. */
const REASONABLE_MS = 500;

/** Something to be done at a time of performance.now(). */
interface Clock {
  at: number;
  ring(): void;
}

type ClockName = "timeout" | "idle" | "grace" | "drain" | "drainIdle";

export class SyncEnding {
  readonly #child: SyncChild;
  readonly #life: Life;
  readonly #clocks = new Map<ClockName, Clock>();
  #state: LifeState = "running";
  #cause: Cause | undefined;
  #exit: ExitState | undefined;
  #heldBy: readonly Holder[] = [];
  #drained = true;

  readonly #actions: Record<LifeAction, () => void> = {
    signal: () => this.#signal(),
    kill: () => void this.#child.signal(SIGKILL),
    // Nothing is contained.
    outlive: () => {},
    clear: () => {},
    drain: () => this.#startDraining(),
    cut: () => this.#cut(),
    giveUp: () => this.#cut(),
    close: () => this.#clocks.clear(),
  };

  /** Starts the clocks. */
  constructor(child: SyncChild, life: Life) {
    this.#child = child;
    this.#life = life;
    const { timeout, idleTimeout } = life;
    if (timeout > 0) this.#set("timeout", timeout, () => this.#begin({ reason: "timeout", ms: timeout }));
    if (idleTimeout > 0) this.#setIdle("idle", idleTimeout, () => this.#onIdle(idleTimeout));
  }

  get cause(): Cause | undefined {
    return this.#cause;
  }

  /** Whether every pipe came to its end by itself. */
  get drained(): boolean {
    return this.#drained;
  }

  get heldBy(): readonly Holder[] {
    return this.#heldBy;
  }

  /**
   * Waits until it has been reaped and no pipe is open.
   *
   * @param most how many bytes may be held before `collect` is called to take them.
   */
  wait(most: number, collect: () => void): ExitState {
    for (;;) {
      const state = this.#child.wait(this.#untilNext(), most);
      if (state & SYNC.full) collect();
      if (state & SYNC.exited && this.#exit === undefined) {
        this.#exit = this.#child.exit();
        this.#closeWriters();
        this.#dispatch("exited");
      }
      this.#ring();
      if (this.#exit !== undefined && this.#open().length === 0) {
        this.#dispatch("ended");
        return this.#exit;
      }
    }
  }

  #dispatch(event: LifeEvent): void {
    const { to, action } = LIFE[this.#state][event];
    this.#state = to;
    if (action !== undefined) this.#actions[action]();
  }

  #begin(cause: Cause): void {
    if (this.#cause !== undefined || this.#state === "cutting") return;
    this.#cause = cause;
    this.#dispatch("asked");
  }

  #signal(): void {
    const { killSignal, forceKillAfterDelay } = this.#life;
    // EPERM, if it has changed its user: then its own end is waited for.
    this.#child.signal(killSignal);
    if (killSignal === SIGKILL || forceKillAfterDelay === false) return;
    this.#set("grace", forceKillAfterDelay, () => this.#dispatch("graceOver"));
  }

  #onIdle(ms: number): void {
    // Looked at before the signal changes what it does. The pid of one that has been reaped may be another's.
    const waitsFor = this.#state === "running" ? waitsForInput(this.#child.pid) : undefined;
    this.#begin({ reason: "idle", ms, waitsFor });
  }

  #startDraining(): void {
    const { timeout, idle, then } = this.#life.drain;
    if (then === "wait") return;
    const over = (): void => this.#dispatch("drainOver");
    if (timeout !== undefined) this.#set("drain", timeout, over);
    if (idle !== undefined) this.#setIdle("drainIdle", idle, over);
  }

  #cut(): void {
    const open = this.#open();
    if (open.length === 0) return;
    const links = new Map(open.map((pipe) => [this.#child.link(pipe), pipe.target]));
    this.#heldBy = findHoldersSync(links, this.#child.pid, REASONABLE_MS);
    for (const pipe of open) this.#child.close(pipe);
    this.#drained = false;
  }

  #closeWriters(): void {
    for (const pipe of this.#child.pipes) if (pipe.kind === INPUT.weWrite) this.#child.close(pipe);
  }

  #open(): SyncChild["pipes"] {
    return this.#child.pipes.filter((pipe) => this.#child.isOpen(pipe));
  }

  #set(name: ClockName, ms: number, ring: () => void): void {
    this.#clocks.set(name, { at: performance.now() + ms, ring });
  }

  /** A clock that runs out when no byte has moved for so long, from now at the earliest. */
  #setIdle(name: "idle" | "drainIdle", ms: number, over: () => void): void {
    const since = performance.now();
    const ring = (): void => {
      const quiet = Math.min(this.#child.quiet, performance.now() - since);
      if (quiet >= ms) over();
      else this.#clocks.set(name, { at: performance.now() + ms - quiet, ring });
    };
    this.#clocks.set(name, { at: since + ms, ring });
  }

  /** Milliseconds until the next clock; -1: there is none. */
  #untilNext(): number {
    if (this.#clocks.size === 0) return -1;
    return Math.max(0, Math.min(...[...this.#clocks.values()].map(({ at }) => at)) - performance.now());
  }

  #ring(): void {
    if (this.#clocks.size === 0) return;
    const now = performance.now();
    for (const [name, { at, ring }] of [...this.#clocks]) {
      if (at > now) continue;
      this.#clocks.delete(name);
      ring();
    }
  }
}
