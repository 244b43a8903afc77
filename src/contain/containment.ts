/**
 * What contains a command and everything that it starts: the part that all means have in common. What differs is how the
 * processes are found, how all of them are ended, and how it is known that none is left.
 */

import { EPERM, errnoName } from "../kernel/errno.js";
import { signalNumber } from "../kernel/signals.js";
import type { ContainmentVerdict, Descendant, GroupUsage, Means } from "../states.js";
import { checkOwnProc, descendantsOf, type Process, processesOf, sameProcess, signalProcess, toDescendant } from "./processes.js";

/** The command, as its containment needs it. */
export interface Contained {
  readonly pid: number;
  /** Is told of its end and its stops, where its parent is not us. */
  onEvent(events: Float64Array, base: number): void;
  /** Nothing is left, or nothing that can be ended. */
  cleared(): void;
}

const SIGKILL = 9;
const SIGSTOP = signalNumber("SIGSTOP");
const SIGCONT = signalNumber("SIGCONT");

/** A process that has got SIGKILL ends within milliseconds, unless it waits for a device. */
const KILLED_MS = 2000;
const LOOK_MS = 10;
/** A command that starts processes faster than they can be signalled is not chased for ever. */
const MOST_ROUNDS = 100;

const STOPPED = ["T", "t"];

const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

/** Signals all processes, also those that they start meanwhile. Gives how many were hit. */
function signalAll(find: () => Process[], signal: number): number {
  const seen = new Set<string>();
  let hit = 0;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const found = find().filter(({ pid, ticks }) => !seen.has(`${pid} ${ticks}`));
    if (found.length === 0) break;
    for (const process of found) {
      seen.add(`${process.pid} ${process.ticks}`);
      if (signalProcess(process, signal) === 1) hit++;
    }
  }
  return hit;
}

async function stopAll(find: () => Process[]): Promise<void> {
  const refused = new Set<number>();
  for (;;) {
    const running = find().filter(({ pid, state }) => !STOPPED.includes(state) && !refused.has(pid));
    if (running.length === 0) return;
    for (const process of running) if (signalProcess(process, SIGSTOP) < 0) refused.add(process.pid);
    await turn();
  }
}

/** A command and those below it, as far as they can be found by their parents: for one that nothing contains. */
export class Tree {
  readonly pid: number | undefined;

  /** Undefined: it has ended, and its number may be another's. Nothing is below it then. */
  constructor(pid: number | undefined) {
    this.pid = pid;
  }

  /** The command, if it lives, and all below it. */
  members(): Process[] {
    checkOwnProc("find the processes below this one", "descendants");
    return this.pid === undefined ? [] : [...processesOf([this.pid]), ...descendantsOf(this.pid)];
  }

  killTree(signal: number): number {
    return signalAll(() => this.members(), signal);
  }

  descendants(): Descendant[] {
    return this.members()
      .filter(({ pid }) => pid !== this.pid)
      .map(toDescendant);
  }

  /** Settles when all are stopped. */
  async suspend(): Promise<void> {
    await stopAll(() => this.members());
  }

  async resume(): Promise<void> {
    signalAll(() => this.members(), SIGCONT);
  }
}

/** A command that is contained. */
export abstract class Containment extends Tree {
  declare readonly pid: number;
  abstract readonly by: Means;
  protected contained: Contained | undefined;
  readonly #ended = new Map<number, string>();
  #survivors: ContainmentVerdict["survivors"] = [];
  #usage: GroupUsage | null = null;
  #suspended = false;
  #killing = false;
  #over = false;
  #look: NodeJS.Timeout | undefined;

  /**
   * Whether anything is left, asked when the command has been reaped. From then on its end is looked for. `group`: what is
   * left of the group that it led, one of GROUP.
   */
  protected abstract left(group: number): boolean;
  /** Sends SIGKILL to everything, once. */
  protected abstract endAll(): void;
  /** Lets everything live on, uncontained. */
  protected abstract release(): void;
  /** Gives up what the containment itself holds. */
  protected abstract close(): void;
  /** Whether a killed process of it may have been killed for want of memory. */
  oomKilled(): boolean {
    return false;
  }
  protected readUsage(): GroupUsage | null {
    return null;
  }
  /** Looks for itself whether nothing is left, where nobody tells. */
  protected look(): void {}

  attach(contained: Contained): void {
    this.contained = contained;
  }

  /** The command has been reaped. Gives whether it has left anything behind. */
  commandEnded(group: number): boolean {
    if (this.#over) return false;
    const left = this.left(group);
    if (!left) this.finish();
    return left;
  }

  /** Lets what is left live on: it is contained no longer. */
  leave(): void {
    const left = this.members();
    this.#survivors = left.map(({ pid, command }) => ({ pid, command, reason: 'descendants: "leave"' }));
    this.release();
    this.finish();
  }

  /** Whether nothing is left of it, or nothing that can be ended. */
  get over(): boolean {
    return this.#over;
  }

  get verdict(): ContainmentVerdict {
    const ended = [...this.#ended].filter(([pid]) => !this.#survivors.some((survivor) => survivor.pid === pid));
    return {
      by: this.by,
      ended: ended.map(([pid, command]) => ({ pid, command })),
      survivors: this.#survivors,
      usage: this.#usage,
    };
  }

  override async suspend(): Promise<void> {
    this.#suspended = true;
    await this.stop();
  }

  override async resume(): Promise<void> {
    this.#suspended = false;
    this.continue();
  }

  protected stop(): Promise<void> {
    return super.suspend();
  }

  protected continue(): void {
    void super.resume();
  }

  /** A stopped process gets no signal but SIGKILL. */
  resumeIfSuspended(): void {
    if (!this.#suspended) return;
    this.#suspended = false;
    this.continue();
  }

  /** Sends all that the command has left behind a signal that they may take as they like. */
  signalLeft(signal: number): void {
    this.resumeIfSuspended();
    this.#remember();
    this.killTree(signal);
  }

  /** Ends everything, again and again until nothing is left. */
  kill(): void {
    if (this.#over) return;
    this.#remember();
    this.endAll();
    if (this.#killing) return;
    this.#killing = true;
    this.#await(performance.now() + KILLED_MS);
  }

  /** A process has been ended that was not seen before. */
  protected noteEnded(pid: number): void {
    if (!this.#ended.has(pid) && pid !== this.pid) this.#ended.set(pid, "?");
  }

  /** Nothing is left. */
  protected finish(): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#look);
    this.#usage = this.readUsage();
    this.close();
    this.contained?.cleared();
  }

  #remember(): void {
    for (const { pid, command } of this.members()) if (pid !== this.pid) this.#ended.set(pid, command);
  }

  #await(deadline: number): void {
    this.#look = setTimeout(() => {
      this.look();
      if (this.#over) return;
      const left = this.members();
      const survivors = left.flatMap((process) => {
        const reason = this.#whyAlive(process, performance.now() > deadline);
        return reason === undefined ? [] : [{ pid: process.pid, command: process.command, reason }];
      });
      if (left.length > 0 && survivors.length === left.length) {
        this.#survivors = survivors;
        this.release();
        this.finish();
        return;
      }
      if (left.length > 0) this.endAll();
      else if (performance.now() > deadline) this.finish();
      this.#await(deadline);
    }, LOOK_MS).unref();
  }

  /** Why a process that has got SIGKILL lives; undefined if it is to be waited for. */
  #whyAlive(process: Process, late: boolean): string | undefined {
    const result = signalProcess(process, SIGKILL);
    if (result === -EPERM) return "EPERM: it belongs to another user";
    if (result < 0) return errnoName(-result);
    if (!late || sameProcess(process) === undefined) return undefined;
    return process.state === "D" ? "it waits for a device, and can't be killed meanwhile" : "it has not ended yet";
  }
}
