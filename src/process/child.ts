/**
 * A child process: what is known of it, what can be done to it. Its state is kept by the monitor's
 * events alone; see docs/architecture.md, "The life of an exit".
 */

import { inspect } from "node:util";
import { type Containment, Tree } from "../contain/containment.js";
import {
  AbortError,
  type BroodError,
  type Holder,
  invalidState,
  type Outcome,
  type Reason,
  wrongType,
  wrongValue,
} from "../errors.js";
import { decodeExit, decodeLive, EVENT, FIELD, GROUP } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import type { Launched } from "../launch/launcher.js";
import { checkNames } from "../program/validate.js";
import type { ChildState, ContainmentVerdict, Descendant, ExitState } from "../states.js";
import { ChildPipes, type PipeSides } from "./child-pipes.js";
import type { ChildStream, StderrOf, StdinOf, StdoutOf } from "./child-types.js";
import { describeCommand, endError, isClean, outcomeError, reasonFor } from "./ending.js";
import { ChildEntry } from "./entry.js";
import { findHolders } from "./held-by.js";
import type { Life, SpawnOptions } from "./options.js";
import { type Collected, collectOutput, type OutputOptions } from "./output.js";
import { Settling } from "./settling.js";
import { StateWaiters, type WaitKind } from "./state-waiters.js";
import { Termination } from "./termination.js";

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

/** The streams of a child's fds by number. A stream is made when it is first got. */
export interface ChildFds {
  /** The stream over our end of that fd, undefined if we have none. */
  get(fd: number): ChildStream | undefined;
  has(fd: number): boolean;
  keys(): IterableIterator<number>;
}

/** What a child is made from. */
export interface ChildInit {
  launched: Launched;
  command: string;
  args: string[];
  /** The directory that it was started in, if one was asked for. */
  cwd: string | undefined;
  life: Life;
  data: Uint8Array | undefined;
  /** Called when it has been reaped. Must not throw. */
  onExit?: (exit: ExitState) => void;
  /** What holds all that it starts. */
  containment?: Containment | undefined;
}

/** The children that are to end with us. */
const live = new Set<ChildWith<unknown, unknown, unknown>>();

/** @internal The children that live and are to be cleaned up. */
export function liveChildren(): readonly { terminateWithUs(): Promise<ExitState>; killWithUs(): void }[] {
  return [...live];
}

/** Looking through /proc is a courtesy, and must not hold up an end. */
const REASONABLE_MS = 500;

const SIGKILL = 9;

const ANY_CHANGE: WaitOptions = { stopped: true, continued: true, exited: true };
const WAIT_KINDS = ["stopped", "continued", "exited"] as const satisfies WaitKind[];

/**
 * Is a child process. Made by `spawn`; never an EventEmitter: what happens to it is told by promises and
 * streams.
 */
class ChildWith<Stdin, Stdout, Stderr> implements Watcher {
  /** Its process id; stays after its end. To signal it use `kill`, which can't hit a stranger. */
  readonly pid: number;
  /** The executable, as it was asked for. */
  readonly command: string;
  /** Its arguments, without `argv[0]`. */
  readonly args: readonly string[];
  /**
   * Our ends of any of its fds, by number. An own property that holds functions: so a child can't be cloned or
   * posted (DataCloneError), where its fields alone would pass for one.
   */
  readonly fds: ChildFds;

  readonly #monitor: Monitor;
  readonly #entry: ChildEntry;
  readonly #pipes: ChildPipes;
  readonly #life: Life;
  readonly #cwd: string | undefined;
  readonly #termination: Termination;
  #waiters: StateWaiters | undefined;
  readonly #exited = new Settling<ExitState>();
  readonly #closed = new Settling<ExitState>();
  readonly #containment: Containment | undefined;
  readonly #cleared = new Settling<void>();
  readonly #startedAt = performance.now();
  readonly #tellExit: ((exit: ExitState) => void) | undefined;
  #closedAt: number | undefined;
  #exit: ExitState | undefined;
  #failure: Error | undefined;
  #collected = false;
  #held = true;
  #refed = true;
  #heldBy: readonly Holder[] = [];
  #drained = true;
  #cutting: Promise<void> | undefined;

  /** @internal Use `spawn`. */
  constructor({ launched, command, args, cwd, life, data, onExit, containment }: ChildInit) {
    this.#tellExit = onExit;
    this.pid = launched.pid;
    this.command = command;
    this.args = args;
    this.#monitor = monitor();
    this.#entry = new ChildEntry(this.#monitor, launched.index, this);
    this.#monitor.hold();
    const pipes = new ChildPipes(this.#monitor, launched.pipes, () => this.#termination.ended());
    this.#pipes = pipes;
    this.fds = {
      get: (fd) => pipes.stream(fd) ?? undefined,
      has: (fd) => pipes.has(fd),
      keys: () => pipes.targets(),
    };
    this.#life = life;
    this.#cwd = cwd;
    if (life.idleTimeout > 0) pipes.watch();
    this.#containment = containment;
    this.#termination = new Termination(life, {
      pid: this.pid,
      send: (signal) => {
        containment?.resumeIfSuspended();
        this.#signal(signal, true);
      },
      kill: () => {
        containment?.kill();
        this.#signal(SIGKILL, true);
      },
      signalLeft: (signal) => containment?.signalLeft(signal),
      held: () => pipes.open > 0,
      lastActivity: () => pipes.lastActivity(),
      cut: (makeError) => {
        this.#cutting = this.#cut(makeError);
      },
      close: () => this.#close(),
    });
    containment?.attach({
      pid: this.pid,
      onEvent: (events, base) => this.onEvent(events, base),
      cleared: () => {
        this.#cleared.settle();
        this.#termination.cleared();
        if (this.#exit !== undefined) live.delete(this);
        if (this.#pipes.open === 0) this.#termination.ended();
      },
    });
    if (life.cleanup) live.add(this);
    if (life.detached) this.unref();
    if (data !== undefined) this.#pipes.feed(data);
  }

  /** Our end of fd 0, null if we have none. */
  get stdin(): Stdin {
    return this.#pipes.stream(0) as Stdin;
  }

  /** Our end of fd 1, null if we have none. */
  get stdout(): Stdout {
    return this.#pipes.stream(1) as Stdout;
  }

  /** Our end of fd 2, null if we have none. */
  get stderr(): Stderr {
    return this.#pipes.stream(2) as Stderr;
  }

  /** How it ended, null while it lives (or its end has not been seen yet). */
  get exit(): ExitState | null {
    return this.#exit ?? null;
  }

  /** Why it ended, null while it lives. An end in time whose pipes were held beyond it becomes "timeout" or "aborted". */
  get reason(): Reason | null {
    return this.#exit === undefined ? null : reasonFor(this.#exit, this.#termination.cause, this.#containment?.oomKilled());
  }

  /** Whether every pipe of ours came to its end by itself; null before `closed`. */
  get drained(): boolean | null {
    return this.#closedAt === undefined ? null : this.#drained;
  }

  /** The processes that held a pipe of ours when we gave it up, those that we may see. */
  get heldBy(): readonly Holder[] {
    return this.#heldBy;
  }

  /**
   * What became of all that it started: what was ended, and what lives on and why. Complete at `closed`. Null where it is
   * not contained.
   */
  get containment(): ContainmentVerdict | null {
    return this.#containment?.verdict ?? null;
  }

  /** Settles when it has been reaped. Never rejects. */
  get exited(): Promise<ExitState> {
    return this.#exited.promise;
  }

  /**
   * Settles when it has exited and every pipe of ours is at its end, or closed. Never rejects. While
   * someone else holds a pipe it waits, as long as `drain` says: `util.inspect(child)` shows for which fd.
   */
  get closed(): Promise<ExitState> {
    return this.#closed.promise;
  }

  /**
   * Sends a signal. Default: SIGTERM. Signal 0 only probes.
   *
   * @returns true: sent to the live child; false: it has exited (also if not reaped yet).
   * @throws Error with code EPERM if it has changed its user; TypeError ERR_UNKNOWN_SIGNAL.
   */
  kill(signal: Signal = "SIGTERM"): boolean {
    const number = signalNumber(signal, "signal", 0);
    return this.#signal(number, false);
  }

  /**
   * Sends a signal to the process group that it leads, also after its end, when the group has members left.
   *
   * @returns true: sent; false: nobody is left in it.
   * @throws TypeError if it leads none. UnsupportedError if it has ended and the kernel is older than 6.9.
   * Error with code EPERM.
   */
  killGroup(signal: Signal = "SIGTERM"): boolean {
    const number = signalNumber(signal, "signal", 0);
    return this.#entry.signalGroup(number, this.pid);
  }

  /**
   * Sends a signal to it and to everything below it: all that is contained with it; where nothing contains it, those that
   * are its descendants by their parents, which misses one whose own parent has ended. What is started meanwhile gets the
   * signal, too. Default: SIGTERM.
   *
   * @returns how many processes were signalled. Those of other users are passed over.
   * @throws TypeError ERR_UNKNOWN_SIGNAL.
   */
  killTree(signal: Signal = "SIGTERM"): number {
    return this.#tree.killTree(signalNumber(signal, "signal", 0));
  }

  /** Gives the processes below it, as they are now: found as for `killTree`, without itself, without zombies. */
  descendants(): Descendant[] {
    return this.#tree.descendants();
  }

  /**
   * Stops it and everything below it, found as for `killTree`: a cgroup is frozen, which nobody notices; else by SIGSTOP.
   * Settles when all stand still.
   */
  suspend(): Promise<void> {
    return this.#tree.suspend();
  }

  /** Continues what `suspend` has stopped. */
  resume(): Promise<void> {
    return this.#tree.resume();
  }

  /**
   * Waits for the next change of state that was asked for; without options for any. Any number may wait; each gets
   * its own.
   *
   * @throws ExitError (with `exit`) when it has ended and the end was not asked for. AbortError: the wait
   * was aborted; the child is not touched. TypeError: nothing was asked for.
   */
  async wait(options: WaitOptions = ANY_CHANGE): Promise<ChildState> {
    const { signal, ...rest } = checkNames(options, "options", [...WAIT_KINDS, "signal"]) as WaitOptions;
    const kinds = new Set(WAIT_KINDS.filter((kind) => rest[kind] === true));
    if (kinds.size === 0) throw wrongValue("options", options, "must ask for stopped, continued or exited");
    checkSignal(signal);
    if (signal?.aborted) throw new AbortError("the wait was aborted", signal.reason);
    if (kinds.has("stopped") || kinds.has("continued")) this.#entry.watchStops();
    const { promise, cancel } = this.#waiting().wait(kinds);
    if (signal === undefined) return promise;
    const onAbort = (): void => cancel(new AbortError("the wait was aborted", signal.reason));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      return await promise;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /**
   * Waits for its end, and takes only exit code 0 for success.
   *
   * @throws ExitError, TimeoutError, AbortError. Aborted by `signal`: it is terminated first.
   */
  async check(options: { signal?: AbortSignal | undefined } = {}): Promise<ExitState> {
    const { signal } = checkNames(options, "options", ["signal"]) as { signal?: AbortSignal };
    checkSignal(signal);
    const abort = (): void => {
      if (this.#exit === undefined) this.#termination.begin({ reason: "aborted", because: signal?.reason });
    };
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
    const exit = await this.exited;
    signal?.removeEventListener("abort", abort);
    if (isClean(exit, this.#termination.cause)) return exit;
    throw endError(this.#told, exit, this.#termination.cause);
  }

  /**
   * Ends it: killSignal, then, after forceKillAfterDelay, SIGKILL. Pipes that others still hold then are
   * cut. If it is contained, killSignal goes to it alone; what it leaves behind when it ends gets killSignal then; SIGKILL
   * goes to everything. Safe to call at any time, also twice.
   *
   * @returns how it ended, when nothing that is contained with it is left either.
   */
  terminate(): Promise<ExitState> {
    return this.#terminate({ reason: "terminated" });
  }

  /** @internal Ends it at once, with all that is contained with it. */
  killWithUs(): void {
    if (this.#containment === undefined) this.kill("SIGKILL");
    else this.#termination.force({ reason: "parent-exit" });
  }

  /** @internal As `terminate`, because our process is about to end. */
  terminateWithUs(): Promise<ExitState> {
    return this.#terminate({ reason: "parent-exit" });
  }

  /**
   * Collects what is piped, and waits for `closed`. Once only, and not when a stream of it has been read already.
   *
   * @throws Error ERR_INVALID_STATE the second time, or if a stream has given bytes already.
   */
  async output<Encoding extends "utf8" | "buffer" = "utf8">(
    options: OutputOptions<Encoding> = {},
  ): Promise<Collected<Encoding, Stdout, Stderr>> {
    if (this.#collected) throw invalidState("output() has been called already");
    this.#collected = true;
    return (await collectOutput(this, this.#pipes, this.#life.maxOutput, options)) as Collected<Encoding, Stdout, Stderr>;
  }

  /** Holds the event loop again. */
  ref(): this {
    this.#refed = true;
    this.#hold();
    return this;
  }

  /** Lets the event loop end, whatever becomes of the child and its pipes. */
  unref(): this {
    this.#refed = false;
    this.#hold();
    return this;
  }

  /** Terminates it, closes its pipes, and waits until nothing is left: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.terminate();
    this.#termination.giveUp();
    await this.#cutting;
    this.#pipes.destroy();
    await this.closed;
    this.#entry.forget();
  }

  /** Kills it by SIGKILL and closes its pipes; it is reaped in the background: for `using`. */
  [Symbol.dispose](): void {
    if (this.#lives) this.#termination.force({ reason: "terminated" });
    if (this.#pipes.open > 0) this.#drained = false;
    this.#pipes.destroy();
    this.unref();
    if (this.#exit !== undefined) this.#entry.forget();
  }

  /** @internal Gives our ends to somebody who moves the bytes himself; there are no streams from now on. */
  claimPipes(): Map<number, PipeSides> {
    return this.#pipes.claim();
  }

  /** @internal Milliseconds from the spawn to `closed`, or to now. */
  get durationMs(): number {
    return (this.#closedAt ?? performance.now()) - this.#startedAt;
  }

  /** @internal The error for an end that was not clean; undefined for a clean one. */
  endError(outcome: Outcome): BroodError | undefined {
    return outcomeError(this.#told, outcome, this.#termination.cause, this.#life.drain.then);
  }

  /** @internal Called by the monitor. */
  onEvent(events: Float64Array, base: number): void {
    if (events[base + FIELD.type] === EVENT.state) {
      this.#waiting().change(decodeLive(events, base, this.pid));
      return;
    }
    const exit = decodeExit(events, base, this.pid);
    const group = events[base + FIELD.group] as number;
    const { context } = this.#pipes;
    if (context === undefined) this.#onExit(exit, group);
    else context.runInAsyncScope(this.#onExit, this, exit, group);
  }

  /** @internal Called by the monitor. It may live on: that is no longer seen from here. */
  onFailure(error: NodeJS.ErrnoException): void {
    this.#entry.failed(error);
    this.#failure = error;
    this.#waiters?.fail(error);
    const exit: ExitState = { kind: "unknown", cause: "unwatched", pid: this.pid, uid: null, usage: null };
    const { context } = this.#pipes;
    if (context === undefined) this.#onEnd(exit);
    else context.runInAsyncScope(this.#onEnd, this, exit);
  }

  /** JSON of what is known of it. */
  toJSON(): { command: string; args: readonly string[]; pid: number; exit: ExitState | null } {
    return { command: this.command, args: this.args, pid: this.pid, exit: this.exit };
  }

  [inspect.custom](): string {
    const held = this.#pipes.openTargets();
    const state =
      this.#exit === undefined ? "running" : this.#exit.kind === "exited" ? `exited ${this.#exit.code}` : this.#exit.kind;
    const waits =
      this.#exit !== undefined && held.length > 0 ? ", still held by another process: " : held.length > 0 ? ", pipes: " : "";
    return `Child { ${describeCommand(this)}, pid ${this.pid}, ${state}${waits}${held.map((fd) => `fd ${fd}`).join(" ")} }`;
  }

  /** Whether it, or something that is contained with it, lives. */
  get #lives(): boolean {
    return this.#exit === undefined || (this.#containment !== undefined && !this.#containment.over);
  }

  get #tree(): Tree {
    return this.#containment ?? new Tree(this.#exit === undefined ? this.pid : undefined);
  }

  async #terminate(cause: { reason: "terminated" } | { reason: "parent-exit" }): Promise<ExitState> {
    if (this.#lives) this.#termination.begin(cause);
    const exit = await this.exited;
    if (this.#containment?.over === false) await this.#cleared.promise;
    return exit;
  }

  /** What messages tell of it. */
  get #told(): { command: string; args: readonly string[]; cwd: string | undefined } {
    return { command: this.command, args: this.args, cwd: this.#cwd };
  }

  #signal(signal: number, ends: boolean): boolean {
    return this.#entry.signal(signal, () => `${describeCommand(this)} (pid ${this.pid})`, ends);
  }

  /** Made when somebody waits for the first time. */
  #waiting(): StateWaiters {
    if (this.#waiters === undefined) {
      this.#waiters = new StateWaiters((exit) => endError(this.#told, exit, this.#termination.cause));
      if (this.#failure !== undefined) this.#waiters.fail(this.#failure);
      else if (this.#exit !== undefined) this.#waiters.end(this.#exit);
    }
    return this.#waiters;
  }

  #onExit(exit: ExitState, group: number): void {
    this.#entry.exited(group);
    this.#onEnd(exit, group);
  }

  #onEnd(exit: ExitState, group: number = GROUP.lost): void {
    this.#exit = exit;
    const left = this.#leavesBehind(group);
    if (!left) live.delete(this);
    this.#exited.settle(exit);
    this.#waiters?.end(exit);
    this.#pipes.settle();
    this.#termination.exited(left);
    if (this.#pipes.open === 0) this.#termination.ended();
    this.#tellExit?.(exit);
  }

  /** Whether something that is contained with it lives, and is not to be left alone. */
  #leavesBehind(group: number): boolean {
    const containment = this.#containment;
    if (containment === undefined || !containment.commandEnded(group)) return false;
    if (this.#termination.wantsLeft) return true;
    containment.leave();
    return false;
  }

  /** Closes what others hold, when it is known who they are: closing may end them. */
  async #cut(makeError: ((what: string) => Error) | undefined): Promise<void> {
    if (this.#pipes.open === 0) return;
    const holders = await findHolders(this.#pipes.links(), REASONABLE_MS);
    // Meanwhile they may have come to their ends by themselves, or do so now.
    const held = this.#pipes.cut(makeError && ((fd) => makeError(`fd ${fd} of ${describeCommand(this)}`)));
    if (held.length === 0) return;
    this.#drained = false;
    this.#heldBy = holders
      .map((holder) => ({ ...holder, fds: holder.fds.filter((fd) => held.includes(fd)) }))
      .filter(({ fds }) => fds.length > 0);
  }

  #close(): void {
    this.#closedAt = performance.now();
    this.#hold();
    this.#closed.settle(this.#exit as ExitState);
    this.#pipes.context?.emitDestroy();
  }

  /** The event loop is held until `closed`, unless unref'ed. */
  #hold(): void {
    const hold = this.#refed && this.#closedAt === undefined;
    if (hold === this.#held) return;
    this.#held = hold;
    if (hold) this.#monitor.hold();
    else this.#monitor.release();
  }
}

/** A child that was spawned with these options, whose streams it has. */
export type Child<Options = SpawnOptions> = ChildWith<StdinOf<Options>, StdoutOf<Options>, StderrOf<Options>>;
export const Child = ChildWith;

function checkSignal(signal: unknown): void {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType("options.signal", "an AbortSignal", signal);
}
