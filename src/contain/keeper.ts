/**
 * "keeper" and "namespace": the command's parent is a process of ours (native/keeper.c), which everything that loses its
 * own parent comes to, and which ends it all when it is told to, or when we are gone. It tells how the command fares, so
 * that this looks like a child of ours. native/keeper.h has what is said.
 */

import { FIELD, FIELDS_PER_EVENT, unknownByKeeper } from "../kernel/events.js";
import { type Monitor, monitor } from "../kernel/monitor.js";
import type { Launched, LaunchedKeeper } from "../launch/launcher.js";
import { Containment } from "./containment.js";
import { unlessPassing } from "./kernel-files.js";
import { descendantsOf, findProcesses, type Process, processesOf, sameProcess, signalProcess } from "./processes.js";

/** `enum keeper_note_type` and `enum keeper_order` of native/keeper.h. */
const NOTE = { state: 1, exit: 2, ended: 3, empty: 4 } as const;
const ORDER = { kill: "K".charCodeAt(0), release: "R".charCodeAt(0) } as const;
/** What a note tells: its type, the pid, whether anything else is left. */
const told = new Int32Array(3);
const CLD_EXITED = 1;
const SIGKILL = 9;
const LOOK_MS = 20;

export class KeptContainment extends Containment {
  readonly by: "keeper" | "namespace";
  readonly #monitor: Monitor;
  readonly #command: number;
  readonly #keeper: LaunchedKeeper;
  /** Everything that was ever seen below the keeper: what can be looked for when that is gone. */
  readonly #seen = new Map<number, number>();
  #looking: NodeJS.Timeout | undefined;
  #left = false;
  /** It has told that nothing is left. */
  #empty = false;
  #returned = false;
  #commandEnded = false;
  #keeperEnded = false;

  constructor(by: "keeper" | "namespace", launched: Launched, keeper: LaunchedKeeper) {
    super(launched.pid);
    this.by = by;
    this.#monitor = monitor();
    this.#command = launched.index;
    this.#keeper = keeper;
    // The command, whose watcher is told the same, sees to it that everything comes to an end.
    const onFailure = (): void => {};
    if (keeper.lent !== undefined) {
      keeper.lent.borrow({ onNotes: () => this.#hear(), onEnd: (events, base) => this.#onKeeperEnd(events, base) });
      return;
    }
    this.#monitor.watch(keeper.index, { onEvent: (events, base) => this.#onKeeperEnd(events, base), onFailure });
    this.#monitor.watch(keeper.socket, { onEvent: () => this.#hear(), onFailure });
    // Where the epoll set takes no more what it says is looked for: it must not be waited for for ever.
    if (this.#monitor.native.arm(keeper.socket) < 0) this.#looking = setInterval(() => this.#hear(), LOOK_MS).unref();
  }

  override members(): Process[] {
    const found = this.#keeperEnded ? this.#formerMembers() : descendantsOf(this.#keeper.pid);
    for (const { pid, ticks } of found) this.#seen.set(pid, ticks);
    return found;
  }

  protected left(): boolean {
    return this.#keeperEnded ? !this.#isEmpty() : this.#left;
  }

  protected endAll(): void {
    if (!this.#keeperEnded) this.#order(ORDER.kill);
    else for (const process of this.members()) signalProcess(process, SIGKILL);
  }

  protected release(): void {
    if (!this.#keeperEnded) this.#order(ORDER.release);
  }

  protected override look(): void {
    if (this.#keeperEnded && this.#isEmpty()) this.finish();
  }

  /** Until that can be seen it is not. */
  #isEmpty(): boolean {
    return unlessPassing(() => this.members().length === 0, false);
  }

  protected close(): void {
    this.#returnKeeper();
  }

  /** One that was lent goes back when its command has been heard of to the end. */
  #returnKeeper(): void {
    if (this.#returned || !this.over || !this.#commandEnded || this.#keeperEnded) return;
    this.#returned = true;
    if (this.#empty) this.#keeper.lent?.giveBack();
    // It was told to leave, or goes on to end what can't be waited for.
    else void this.#keeper.lent?.end();
  }

  #order(order: number): void {
    this.#monitor.native.keptOrder(this.#keeper.socket, order);
  }

  /** Without the keeper: what is still below the command, or in its own group, or was seen before. */
  #formerMembers(): Process[] {
    const found = new Map<number, Process>();
    const own = findProcesses(({ group, session }) => group === this.pid || session === this.pid);
    const seen = [...this.#seen].flatMap(([pid, ticks]) => sameProcess({ pid, ticks }) ?? []);
    for (const process of [...own, ...seen]) found.set(process.pid, process);
    for (const { pid } of [...found.values()]) for (const below of descendantsOf(pid)) found.set(below.pid, below);
    return [...found.values()];
  }

  #hear(): void {
    while (!this.#returned && (!this.#keeperEnded || !this.#commandEnded)) {
      const event = new Float64Array(FIELDS_PER_EVENT);
      if (this.#monitor.native.keptHear(this.#keeper.socket, told, event) !== 1) return;
      const [type, pid = 0, left] = told;
      if (type === NOTE.exit) this.#left = left === 1;
      if (type === NOTE.empty || (type === NOTE.exit && left === 0)) this.#empty = true;
      if (type === NOTE.empty) this.finish();
      else if (type !== NOTE.ended) this.#tell(event, type === NOTE.exit);
      // In a namespace the numbers are its own.
      else if (this.by === "keeper" && !this.#keeper.foreign) this.noteEnded(pid);
      this.#returnKeeper();
    }
  }

  #tell(event: Float64Array, exit: boolean): void {
    event[FIELD.index] = this.#command;
    if (exit) {
      this.#commandEnded = true;
      // As for a child of ours: it shared our memory, or a host's, until its exec, and starts with that peak as its own.
      if ((event[FIELD.maxrss] as number) <= (this.#keeper.peak ?? process.resourceUsage().maxRSS)) event[FIELD.maxrss] = -1;
      event[FIELD.group] = this.#monitor.native.keptEnded(this.#command);
    }
    this.contained?.onEvent(event, 0);
  }

  #onKeeperEnd(events: Float64Array, base: number): void {
    const byItself = events[base + FIELD.code] === CLD_EXITED;
    this.#hear();
    // Those below it that have not been seen yet are found by the command while that lives.
    if (!byItself) unlessPassing(() => this.#seeBelowCommand(), undefined);
    this.#keeperEnded = true;
    clearInterval(this.#looking);
    if (this.#keeper.lent === undefined) {
      this.#monitor.remove(this.#keeper.index);
      this.#monitor.remove(this.#keeper.socket);
    }
    if (!this.#commandEnded) {
      this.#commandEnded = true;
      this.kill();
      this.#monitor.native.signal(this.#command, SIGKILL, 0);
      const event = unknownByKeeper(this.#command);
      event[FIELD.group] = this.#monitor.native.keptEnded(this.#command);
      this.contained?.onEvent(event, 0);
    } else if (byItself || this.#isEmpty()) this.finish();
    else this.kill();
  }

  #seeBelowCommand(): void {
    for (const { pid, ticks } of [...processesOf([this.pid]), ...descendantsOf(this.pid)]) this.#seen.set(pid, ticks);
  }
}
