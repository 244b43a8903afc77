/**
 * A child process: what is known of it, what can be done to it. Its state is kept by the monitor's
 * events alone; see docs/architecture.md, "The life of an exit".
 */

import type * as util from "node:util";
import { type Containment, type Tree, treeOf } from "../contain/containment.js";
import { processesOf } from "../contain/processes.js";
import { type BroodError, type Holder, invalidState, type Outcome, type Reason } from "../errors.js";
import { decodeExit, decodeLive, EVENT, FIELD } from "../kernel/events.js";
import { monitor, type Watcher } from "../kernel/monitor.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import type { Launched } from "../launch/launcher.js";
import { checkNames } from "../program/validate.js";
import type { ChildState, ContainmentVerdict, Descendant, ExitState } from "../states.js";
import { ChildEnd, type Told } from "./child-end.js";
import { type ChildFds, type ChildPipes, type PipeSides, pipesOf } from "./child-pipes.js";
import type { StderrOf, StdinOf, StdoutOf } from "./child-types.js";
import { ANY_CHANGE, checkSignal, readWait, type WaitOptions } from "./child-waits.js";
import { describeCommand } from "./ending.js";
import { ChildEntry } from "./entry.js";
import { LoopHold } from "./loop-hold.js";
import type { Life, SpawnOptions } from "./options.js";
import { type Collected, collectOutput, type OutputOptions } from "./output.js";
import { type WaitingProcess, waitingOf } from "./waits-for-input.js";

/** Its registered name will do: this class is made when brood is imported, and `node:util` is not to be loaded for it. */
const inspect: Pick<typeof util.inspect, "custom"> = {
  custom: Symbol.for("nodejs.util.inspect.custom") as typeof util.inspect.custom,
};

/** What a child is made from. */
export interface ChildInit {
  launched: Launched;
  /** What messages and results tell of it. */
  told: Told;
  life: Life;
  data: Uint8Array | undefined;
  /** When its start began, a time of performance.now(): it may have run for a while when this is made. Default: now. */
  startedAt?: number;
  /** Called when it has been reaped. Must not throw. */
  onExit?: ((exit: ExitState) => void) | undefined;
  /** What holds all that it starts. */
  containment?: Containment | undefined;
}

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

  readonly #entry: ChildEntry;
  readonly #pipes: ChildPipes;
  readonly #hold: LoopHold;
  readonly #end: ChildEnd;
  readonly #containment: Containment | undefined;
  readonly #maxOutput: Life["maxOutput"];
  #collected = false;

  /** Not for users: `spawn` makes one. */
  constructor({ launched, told, life, data, onExit, containment, startedAt = performance.now() }: ChildInit) {
    const { pid } = launched;
    const events = monitor();
    this.pid = pid;
    this.command = told.command;
    this.args = told.args;
    const entry = new ChildEntry(events, launched.index, this);
    const hold = new LoopHold(events);
    const pipes = pipesOf(events, launched.pipes);
    this.#entry = entry;
    this.#hold = hold;
    this.#pipes = pipes;
    this.#containment = containment;
    this.#maxOutput = life.maxOutput;
    this.fds = pipes.fds;
    if (life.idleTimeout > 0) pipes.watch();
    const end = new ChildEnd({ pid, told, entry, pipes, hold, life, containment, onExit, startedAt });
    this.#end = end;
    pipes.owner = end;
    // No closure here: each spawn would pay for what only a contained one needs.
    if (containment !== undefined) this.#attach(containment);
    if (life.detached) hold.unref();
    if (data !== undefined) pipes.feed(data);
  }

  #attach(containment: Containment): void {
    containment.attach({
      pid: this.pid,
      onEvent: (events, base) => this.onEvent(events, base),
      cleared: () => this.#end.cleared(),
    });
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
    return this.#end.exit ?? null;
  }

  /** Why it ended, null while it lives. An end in time whose pipes were held beyond it becomes "timeout" or "aborted". */
  get reason(): Reason | null {
    return this.#end.reason;
  }

  /** Whether every pipe of ours came to its end by itself; null before `closed`. */
  get drained(): boolean | null {
    return this.#end.drained;
  }

  /** The processes that held a pipe of ours when we gave it up, those that we may see. */
  get heldBy(): readonly Holder[] {
    return this.#end.heldBy;
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
    return this.#end.exited;
  }

  /**
   * Settles when it has exited and every pipe of ours is at its end, or closed. Never rejects. While
   * someone else holds a pipe it waits, as long as `drain` says: `util.inspect(child)` shows for which fd.
   */
  get closed(): Promise<ExitState> {
    return this.#end.closed;
  }

  /**
   * Sends a signal. Default: SIGTERM. Signal 0 only probes.
   *
   * @returns true: sent to the live child; false: it has exited (also if not reaped yet).
   * @throws Error with code EPERM if it has changed its user; TypeError ERR_UNKNOWN_SIGNAL.
   */
  kill(signal: Signal = "SIGTERM"): boolean {
    return this.#end.signal(signalNumber(signal, "signal", 0), false);
  }

  /**
   * Sends a signal to the process group that it leads, also after its end, when the group has members left.
   *
   * @returns true: sent; false: nobody is left in it.
   * @throws TypeError if it leads none. UnsupportedError if it has ended and the kernel is older than 6.9.
   * Error with code EPERM.
   */
  killGroup(signal: Signal = "SIGTERM"): boolean {
    return this.#entry.signalGroup(signalNumber(signal, "signal", 0), this.pid);
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
   * Gives those of it and the processes below it that can be seen to wait for input: blocked in a read of a terminal, or of a pipe that
   * we write. One that polls before it reads, as an editor of lines does, is not seen, nor one of another user (sudo), nor
   * what a second thread does. A pause between two lines looks the same as the end of a question: look again.
   */
  waitingForInput(): WaitingProcess[] {
    const pids = this.descendants().map(({ pid }) => pid);
    if (this.exit === null) pids.unshift(this.pid);
    const commandOf = (pid: number) => (pid === this.pid ? describeCommand(this) : processesOf([pid])[0]?.command);
    return waitingOf(pids, this.#pipes.links(), commandOf);
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
   * @throws ExitError (TimeoutError, AbortError, where that is why it ended), with `exit`, when it has ended and the end was not
   * asked for. AbortError: the wait was aborted; the child is not touched. TypeError: nothing was asked for.
   */
  async wait(options: WaitOptions = ANY_CHANGE): Promise<ChildState> {
    const wait = readWait(options);
    return this.#end.waits.wait(wait);
  }

  /**
   * Waits for its exit (its pipes may be open still, see `closed`), and takes only exit code 0 for success.
   *
   * @throws ExitError; TimeoutError, AbortError where its `timeout`, `idleTimeout` or `signal` has ended it. Aborted by the
   * `signal` of this call: it is terminated first, and has exited when this rejects.
   */
  async check(options: { signal?: AbortSignal | undefined } = {}): Promise<ExitState> {
    const { signal } = checkNames(options, "options", ["signal"]) as { signal?: AbortSignal };
    checkSignal(signal);
    return this.#end.check(signal);
  }

  /**
   * Ends it: killSignal, then, after forceKillAfterDelay, SIGKILL. Pipes that others still hold then are
   * cut. If it is contained, killSignal goes to it alone; what it leaves behind when it ends gets killSignal then; SIGKILL
   * goes to everything. Safe to call at any time, also twice.
   *
   * @returns how it ended, when nothing that is contained with it is left either.
   */
  terminate(): Promise<ExitState> {
    return this.#end.terminate();
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
    return (await collectOutput(this, this.#pipes, this.#maxOutput, options)) as Collected<Encoding, Stdout, Stderr>;
  }

  /** Holds the event loop again. */
  ref(): this {
    this.#hold.ref();
    return this;
  }

  /** Lets the event loop end, whatever becomes of the child and its pipes. */
  unref(): this {
    this.#hold.unref();
    return this;
  }

  /** Terminates it, closes its pipes, and waits until nothing is left: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end.dispose();
  }

  /** Kills it by SIGKILL and closes its pipes; it is reaped in the background: for `using`. */
  [Symbol.dispose](): void {
    this.#end.abandon();
  }

  /** @internal Gives our ends to somebody who moves the bytes himself; there are no streams from now on. */
  claimPipes(): Map<number, PipeSides> {
    return this.#pipes.claim();
  }

  /** @internal Milliseconds from the spawn to `closed`, or to now. */
  get durationMs(): number {
    return this.#end.durationMs;
  }

  /** @internal The error for an end that was not clean; undefined for a clean one. */
  endError(outcome: Outcome): BroodError | undefined {
    return this.#end.outcomeError(outcome);
  }

  /** @internal Called by the monitor. */
  onEvent(events: Float64Array, base: number): void {
    if (events[base + FIELD.type] === EVENT.state) this.#end.waits.changed(decodeLive(events, base, this.pid));
    else this.#end.reaped(decodeExit(events, base, this.pid), events[base + FIELD.group] as number);
  }

  /** @internal Called by the monitor. It may live on: that is no longer seen from here. */
  onFailure(error: NodeJS.ErrnoException): void {
    this.#end.lost(error);
  }

  /** JSON of what is known of it. */
  toJSON(): { command: string; args: readonly string[]; pid: number; exit: ExitState | null } {
    return { command: this.command, args: this.args, pid: this.pid, exit: this.exit };
  }

  /** What `util.inspect` shows of it, on one line. */
  [inspect.custom](): string {
    return describeChild(this, this.#pipes.openTargets());
  }

  get #tree(): Tree {
    return this.#containment ?? treeOf(this.exit === null ? this.pid : undefined);
  }
}

/** A child that was spawned with these options, whose streams it has. */
export type Child<Options = SpawnOptions> = ChildWith<StdinOf<Options>, StdoutOf<Options>, StderrOf<Options>>;
export const Child = ChildWith;

/** Gives what `util.inspect` shows; `held`: the fds whose pipes are open. */
function describeChild(child: ChildWith<unknown, unknown, unknown>, held: readonly number[]): string {
  const { exit, pid } = child;
  const state = exit === null ? "running" : exit.kind === "exited" ? `exited ${exit.code}` : exit.kind;
  const waits = held.length === 0 ? "" : exit === null ? ", pipes: " : ", still held by another process: ";
  return `Child { ${describeCommand(child)}, pid ${pid}, ${state}${waits}${held.map((fd) => `fd ${fd}`).join(" ")} }`;
}
