/**
 * How a child comes to its end: it has exited, what is contained with it is gone, its pipes are closed. Is told of each by
 * the monitor, the containment and the pipes, tells it to the state machine behind termination.ts, and does what that
 * decides. Holds what is known of the end.
 */

import type { Containment } from "../contain/containment.js";
import type { BroodError, Holder, Outcome, Reason } from "../errors.js";
import { onAbort } from "../kernel/abort.js";
import { GROUP } from "../kernel/events.js";
import type { ExitState } from "../states.js";
import type { ChildPipes } from "./child-pipes.js";
import { ChildWaits } from "./child-waits.js";
import { describeCommand, endError, isClean, outcomeError, reasonFor } from "./ending.js";
import type { ChildEntry } from "./entry.js";
import { findHolders } from "./held-by.js";
import type { Linked } from "./linked-set.js";
import { addLive, type EndsWithUs, removeLive } from "./live-children.js";
import type { LoopHold } from "./loop-hold.js";
import type { Life } from "./options.js";
import { Settling } from "./settling.js";
import { type Cause, type Mortal, Termination } from "./termination.js";

const SIGKILL = 9;

/** Looking through /proc is a courtesy, and must not hold up an end. */
const REASONABLE_MS = 500;

/** What messages and results tell of a child. */
export interface Told {
  readonly command: string;
  readonly args: readonly string[];
  /** The directory that it was started in, if one was asked for. */
  readonly cwd: string | undefined;
}

/** What comes to its end. */
export interface ChildParts {
  readonly pid: number;
  readonly told: Told;
  readonly entry: ChildEntry;
  readonly pipes: ChildPipes;
  readonly hold: LoopHold;
  readonly life: Life;
  readonly containment: Containment | undefined;
  /** When its start began, a time of performance.now(). */
  readonly startedAt: number;
  /** Called when it has been reaped. Must not throw. */
  readonly onExit: ((exit: ExitState) => void) | undefined;
}

export class ChildEnd implements Mortal, EndsWithUs {
  readonly pid: number;
  older: Linked | undefined;
  newer: Linked | undefined;
  readonly #parts: ChildParts;
  readonly #termination: Termination;
  readonly #exited = new Settling<ExitState>();
  /** Only of one that is contained. */
  readonly #cleared: Settling<void> | undefined;
  readonly #closed = new Settling<ExitState>();
  #waits: ChildWaits | undefined;
  #exit: ExitState | undefined;
  #failure: Error | undefined;
  #closedAt: number | undefined;
  #drained = true;
  #heldBy: readonly Holder[] = [];
  #cutting: Promise<void> | undefined;

  /** Starts the clocks. */
  constructor(parts: ChildParts) {
    this.pid = parts.pid;
    this.#parts = parts;
    if (parts.containment !== undefined) this.#cleared = new Settling();
    this.#termination = new Termination(parts.life, this);
    if (parts.life.cleanup) addLive(this);
  }

  /** How it ended, undefined while it lives. */
  get exit(): ExitState | undefined {
    return this.#exit;
  }

  /** Why its end is not seen any more. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Why it ended, null while it lives. */
  get reason(): Reason | null {
    if (this.#exit === undefined) return null;
    return reasonFor(this.#exit, this.#termination.cause, this.#parts.containment?.oomKilled());
  }

  /** Settles when it has been reaped. */
  get exited(): Promise<ExitState> {
    return this.#exited.promise;
  }

  /** Settles when it has exited and has no open pipe. */
  get closed(): Promise<ExitState> {
    return this.#closed.promise;
  }

  /** Whether every pipe came to its end by itself; null before `closed`. */
  get drained(): boolean | null {
    return this.#termination.state === "closed" ? this.#drained : null;
  }

  /** Who held the pipes that were cut. */
  get heldBy(): readonly Holder[] {
    return this.#heldBy;
  }

  /** Milliseconds from the spawn to `closed`, or to now. */
  get durationMs(): number {
    return (this.#closedAt ?? performance.now()) - this.#parts.startedAt;
  }

  /** The waits for its changes of state. */
  get waits(): ChildWaits {
    this.#waits ??= new ChildWaits(this.#parts.entry, this);
    return this.#waits;
  }

  /** The error of a wait that its end has made pointless. */
  errorOf(exit: ExitState): BroodError {
    return endError(this.#parts.told, exit, this.#termination.cause);
  }

  /** The error for an end that was not clean; undefined for a clean one. */
  outcomeError(outcome: Outcome): BroodError | undefined {
    return outcomeError(this.#parts.told, outcome, this.#termination.cause, this.#parts.life.drain.then);
  }

  // What is wanted of it.

  /** Waits for its end, and takes only exit code 0 for success. Aborted by `signal`: it is terminated first. */
  async check(signal: AbortSignal | undefined): Promise<ExitState> {
    const abort = (): void => {
      if (this.#exit === undefined) this.#termination.begin({ reason: "aborted", because: signal?.reason });
    };
    let unlisten: (() => void) | undefined;
    if (signal?.aborted) abort();
    else if (signal !== undefined) unlisten = onAbort(signal, abort);
    const exit = await this.exited;
    unlisten?.();
    if (isClean(exit, this.#termination.cause)) return exit;
    throw this.errorOf(exit);
  }

  /** Ends it; settles when nothing that is contained with it is left either. */
  terminate(): Promise<ExitState> {
    return this.#terminate({ reason: "terminated" });
  }

  /** As `terminate`, because our process is about to end. */
  terminateWithUs(): Promise<ExitState> {
    return this.#terminate({ reason: "parent-exit" });
  }

  killWithUs(): void {
    if (this.#parts.containment === undefined) this.signal(SIGKILL, false);
    else this.#termination.force({ reason: "parent-exit" });
  }

  /** Terminates it, gives its pipes up, and waits until nothing is left. */
  async dispose(): Promise<void> {
    const { pipes, entry } = this.#parts;
    await this.terminate();
    this.#termination.giveUp();
    await this.#cutting;
    pipes.destroy();
    await this.closed;
    entry.forget();
  }

  /** Kills it and closes its pipes; it is reaped in the background. */
  abandon(): void {
    const { pipes, entry, hold } = this.#parts;
    if (this.#lives) this.#termination.force({ reason: "terminated" });
    if (pipes.open > 0) this.#drained = false;
    pipes.destroy();
    hold.unref();
    if (this.#exit !== undefined) entry.forget();
  }

  /** Sends a signal to it alone. False: it has exited. `ends`: as part of its termination. */
  signal(signal: number, ends: boolean): boolean {
    const { entry, told } = this.#parts;
    return entry.signal(signal, () => `${describeCommand(told)} (pid ${this.pid})`, ends);
  }

  // What has happened to it.

  /** It has been reaped. `group`: what is left of the group that it led, one of GROUP. */
  reaped(exit: ExitState, group: number): void {
    this.#parts.entry.exited(group, this);
    this.#inContext(exit, group);
  }

  /** It is not watched any more: it may live on, which is no longer seen from here. */
  lost(error: NodeJS.ErrnoException): void {
    this.#parts.entry.failed(error);
    this.#failure = error;
    this.#inContext({ kind: "unknown", cause: "unwatched", pid: this.pid, uid: null, usage: null }, GROUP.lost);
  }

  /** Nothing that is contained with it lives any more, or nothing that can be ended. */
  cleared(): void {
    this.#cleared?.settle();
    this.#termination.cleared();
    if (this.#exit !== undefined) removeLive(this);
    if (this.#parts.pipes.open === 0) this.#termination.ended();
  }

  /** Its last pipe has been closed. */
  pipesClosed(): void {
    this.#termination.ended();
  }

  #inContext(exit: ExitState, group: number): void {
    const { context } = this.#parts.pipes;
    if (context === undefined) this.#onEnd(exit, group);
    else context.runInAsyncScope(this.#onEnd, this, exit, group);
  }

  #onEnd(exit: ExitState, group: number): void {
    const { pipes, onExit } = this.#parts;
    this.#exit = exit;
    const left = this.#leavesBehind(group);
    if (!left) removeLive(this);
    this.#exited.settle(exit);
    this.#waits?.ended(this);
    pipes.settle();
    this.#termination.exited(left);
    if (pipes.open === 0) this.#termination.ended();
    onExit?.(exit);
  }

  /** Whether something that is contained with it lives, and is not to be left alone. */
  #leavesBehind(group: number): boolean {
    const { containment } = this.#parts;
    if (containment === undefined || !containment.commandEnded(group)) return false;
    if (this.#termination.wantsLeft) return true;
    containment.leave();
    return false;
  }

  async #terminate(cause: Cause): Promise<ExitState> {
    if (this.#lives) this.#termination.begin(cause);
    const exit = await this.exited;
    if (this.#parts.containment?.over === false) await this.#cleared?.promise;
    return exit;
  }

  /** Whether it, or something that is contained with it, lives. */
  get #lives(): boolean {
    return this.#exit === undefined || this.#parts.containment?.over === false;
  }

  // What the state machine decides.

  send(signal: number): void {
    this.#parts.containment?.resumeIfSuspended();
    this.signal(signal, true);
  }

  kill(): void {
    this.#parts.containment?.kill();
    this.signal(SIGKILL, true);
  }

  signalLeft(signal: number): void {
    this.#parts.containment?.signalLeft(signal);
  }

  held(): boolean {
    return this.#parts.pipes.open > 0;
  }

  lastActivity(): number {
    return this.#parts.pipes.lastActivity();
  }

  cut(makeError: ((what: string) => Error) | undefined): void {
    this.#cutting = this.#cut(makeError);
  }

  /** Closes what others hold, when it is known who they are: closing may end them. */
  async #cut(makeError: ((what: string) => Error) | undefined): Promise<void> {
    const { pipes, told } = this.#parts;
    if (pipes.open === 0) return;
    const holders = await findHolders(pipes.links(), this.pid, REASONABLE_MS);
    // Meanwhile they may have come to their ends by themselves, or do so now.
    const held = pipes.cut(makeError && ((fd) => makeError(`fd ${fd} of ${describeCommand(told)}`)));
    if (held.length === 0) return;
    // In the same turn as the cut: the last pipe's end settles `closed`, and whoever waits for that looks at these.
    this.#drained = false;
    this.#heldBy = holders
      .map((holder) => ({ ...holder, fds: holder.fds.filter((fd) => held.includes(fd)) }))
      .filter(({ fds }) => fds.length > 0);
  }

  close(): void {
    const { pipes, hold } = this.#parts;
    this.#closedAt = performance.now();
    hold.end();
    this.#closed.settle(this.#exit as ExitState);
    pipes.context?.emitDestroy();
  }
}
