/**
 * What contains a command and everything that it starts: the part that all means have in common. What differs is how the
 * processes are found, how all of them are ended, and how it is known that none is left.
 */

import { EPERM, errnoName } from "../kernel/errno.js";
import type { ContainmentVerdict, Descendant, GroupUsage, Means } from "../states.js";
import { unlessPassing } from "./kernel-files.js";
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
const SIGCONT = 18;
const SIGSTOP = 19;

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

/** Settles when none of them runs any more, and those that can't be stopped are known. */
async function stopAll(find: () => Process[]): Promise<void> {
  const refused = new Set<number>();
  const asked = new Set<string>();
  const isStill = ({ pid, ticks, state }: Process): boolean =>
    STOPPED.includes(state) ||
    refused.has(pid) ||
    // In the kernel, until what it waits for has come (of vfork(2): a child that is stopped itself); it stops before it runs.
    (state === "D" && asked.has(`${pid} ${ticks}`));
  for (;;) {
    const running = find().filter((process) => !isStill(process));
    if (running.length === 0) return;
    for (const process of running) {
      asked.add(`${process.pid} ${process.ticks}`);
      if (signalProcess(process, SIGSTOP) < 0) refused.add(process.pid);
    }
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

/** Gives the tree of a command that nothing contains. */
export function treeOf(pid: number | undefined): Tree {
  return new Tree(pid);
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
    const left = unlessPassing(() => this.members(), []);
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
    // Who can't be found now gets SIGKILL, when their time is over.
    unlessPassing(() => this.killTree(signal), 0);
  }

  /** Ends everything, again and again until nothing is left. */
  kill(): void {
    if (this.#over) return;
    this.#remember();
    this.#endAllFound();
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

  #remember(members = unlessPassing(() => this.members(), [])): void {
    for (const { pid, command } of members) if (pid !== this.pid) this.#ended.set(pid, command);
  }

  /** It is done again until nothing is left. */
  #endAllFound(): void {
    unlessPassing(() => this.endAll(), undefined);
  }

  #await(deadline: number): void {
    this.#look = setTimeout(() => {
      this.look();
      if (this.#over) return;
      const left = unlessPassing(() => this.members(), undefined);
      const late = performance.now() > deadline;
      const survivors = unlessPassing(() => left?.flatMap((process) => this.#survivor(process, late)), undefined);
      // Unknown, as long as there is no fd to look by.
      if (left === undefined || survivors === undefined) this.#endAllFound();
      else if (left.length > 0 && survivors.length === left.length) {
        this.#survivors = survivors;
        this.release();
        this.finish();
      } else if (left.length > 0) {
        this.#remember(left);
        this.#endAllFound();
      } else if (late) this.finish();
      if (!this.#over) this.#await(deadline);
    }, LOOK_MS).unref();
  }

  /** What is told of one that can't be ended; nothing of one that is to be waited for. */
  #survivor(process: Process, late: boolean): ContainmentVerdict["survivors"] {
    const reason = this.#whyAlive(process, late);
    return reason === undefined ? [] : [{ pid: process.pid, command: process.command, reason }];
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
