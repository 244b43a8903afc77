/**
 * Plan -> child program. Pure. The order of the steps is the kernel's logic, not taste:
 *
 *  1 signals first: nothing of the parent's dispositions may act in the child
 *  2 /proc of a new pid namespace (namespaces themselves come with the clone); session and process group, before a controlling terminal can be taken
 *  3 priorities, affinity: need the parent's privileges, affect nothing below
 *  4 files opened and the fd map, as the parent's user and in its directory; then the terminal on it, and its foreground
 *  5 root, directory, umask
 *  6 limits, after the fd map: a target beyond NOFILE would fail
 *  7 groups, gid, uid: each still needs the privileges that the next drops
 *  8 parent-death signal, which a change of credentials clears
 *  9 no_new_privs
 * 10 all other fds close-on-exec; where no fd of ours beyond the first three is used this is the first step
 *    of all, and the child never has a copy of them
 * 11 the final signal mask, exec
 */

import type { SignalSet } from "../kernel/signals.js";
import type { ChildStage } from "../stages.js";
import { type Operation, STAGE_OF } from "./operations.js";
import { INPUT, type Input, type Plan, type Setup, type Source } from "./plan.js";
import type { Beginning, ProgramWriter, Text } from "./writer.js";

/** How often ETXTBSY is tried again, after 0.1, 0.2, 0.4 ... ms: 25 ms in all. */
const BUSY_RETRIES = 8;
/** Flags of EXEC and OPEN. */
const EXTEND_ENVIRONMENT = 1;
const FIRST_CANDIDATE = 2;
const EXEC_BY_FD = 4;
const OPEN_TRUSTED = 1;
const CLOSE_RANGE_UNSHARE = 1;

/** But for SIGKILL and SIGSTOP. */
const EVERY_SIGNAL: SignalSet = [~(1 << 8) & ~(1 << 18), ~0];

/** What one operation is about, for the message of its failure. */
export interface Subject {
  operation: Operation;
  path?: Text;
  /** Fds of the child's, one for each entry of the fd map. */
  fds?: number[];
  detail?: string;
}

export interface Program {
  bytes: Uint8Array;
  inputs: Int32Array;
  subjects: Subject[];
}

/** Gives the stage of an operation. */
export function stageOf(subject: Subject): ChildStage {
  return STAGE_OF[subject.operation];
}

/** What a message calls the group that a process is to join. */
export function groupName(group: number): string {
  return group === 0 ? "0 (its own)" : String(group);
}

/** The steps up to exec, which is all of a program that does not depend on what is executed. */
interface Steps {
  beginning: Beginning;
  inputs: Int32Array;
  subjects: Subject[];
}

/** How a program is to be run by another process than a clone of ours, whose fds aren't ours. */
export interface Elsewhere {
  /** What it takes over from us besides, with our current directory. */
  callers?: Callers | undefined;
  /**
   * "setup": all steps but closing, mask and exec, whose place is held by an EXEC that can't succeed; "exec": only
   * these. Default: all.
   */
  part?: "setup" | "exec";
  /** Fds besides the plan's that are not closed. */
  kept?: readonly number[];
}

/** What is ours at the moment. */
export interface Callers {
  umask: number;
  /** The signals that we ignore, where they are others than those that the host does. */
  ignored: SignalSet | undefined;
}

/** Of set-ups that come again and again: compiled once each; and for whom the last time. */
const known = new WeakMap<Setup, Steps>();
const knownElsewhere = new WeakMap<Setup, { elsewhere: Elsewhere; steps: Steps }>();

/**
 * Compiles a plan. The bytes live in the writer until its next program. `elsewhere`: then every fd of ours is an input
 * that has to be sent along, the complement of its number in `inputs`.
 */
export function compile(plan: Plan, writer: ProgramWriter, elsewhere?: Elsewhere): Program {
  const { setup, candidates, argv, environment, firstCandidate } = plan;
  const steps = elsewhere === undefined ? stepsHere(setup, writer) : stepsElsewhere(setup, writer, elsewhere);
  const { inputs, subjects } = steps;
  writer.resume(steps.beginning);
  if (elsewhere?.part === "setup") {
    endWithoutExec(writer);
  } else {
    const files = writer.table(candidates);
    const words = writer.table(argv);
    const variables = writer.table(environment.entries);
    const flags =
      (environment.extend ? EXTEND_ENVIRONMENT : 0) |
      (firstCandidate === true ? FIRST_CANDIDATE : 0) |
      (setup.byFd === undefined ? 0 : EXEC_BY_FD);
    writer.exec(BUSY_RETRIES, words, variables, files, flags);
  }
  return { bytes: writer.finish(), inputs, subjects };
}

/** Ends a program that is not to exec, and has been laid out: an EXEC, as every program, that is not meant to be done. */
export function endWithoutExec(writer: ProgramWriter): void {
  const words = writer.table([]);
  const variables = writer.table([]);
  writer.exec(0, words, variables, writer.table(["/"]));
}

function stepsHere(setup: Setup, writer: ProgramWriter): Steps {
  let steps = setup.common ? known.get(setup) : undefined;
  if (steps === undefined) {
    steps = compileSetup(setup, writer, undefined);
    if (setup.common) known.set(setup, steps);
  }
  return steps;
}

function stepsElsewhere(setup: Setup, writer: ProgramWriter, elsewhere: Elsewhere): Steps {
  if (!setup.common || elsewhere.part !== undefined || elsewhere.kept !== undefined) {
    return compileSetup(setup, writer, elsewhere);
  }
  const before = knownElsewhere.get(setup);
  if (before !== undefined && sameCallers(before.elsewhere.callers, elsewhere.callers)) return before.steps;
  const steps = compileSetup(setup, writer, elsewhere);
  knownElsewhere.set(setup, { elsewhere, steps });
  return steps;
}

function sameCallers(a: Callers | undefined, b: Callers | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.umask === b.umask && a.ignored?.[0] === b.ignored?.[0] && a.ignored?.[1] === b.ignored?.[1];
}

function compileSetup(setup: Setup, writer: ProgramWriter, elsewhere: Elsewhere | undefined): Steps {
  const subjects: Subject[] = [];
  const op = (
    subject: Subject,
    ...rest: [a?: number, b?: number, c?: number, data?: ReturnType<ProgramWriter["string"]>, flags?: number]
  ): void => {
    subjects.push(subject);
    writer.op(subject.operation, ...rest);
  };
  const set = (operation: Operation, signals: SignalSet): void => op({ operation }, 0, 0, 0, writer.words(signals, 8));
  writer.reset();
  const inputs = new Inputs(setup, elsewhere);
  // A host's table of fds is short, and what the child is given stands in it.
  const closesFirst = elsewhere === undefined && setup.closeFds && usesNoOther(setup);
  if (closesFirst) op({ operation: "CLOSE_RANGE" }, 3, 0, 0, undefined, CLOSE_RANGE_UNSHARE);
  const slots = elsewhere?.part === "exec" ? 0 : becoming(setup, inputs, writer, op, set, elsewhere?.callers);
  if (elsewhere?.part !== "setup") {
    if (setup.closeFds && !closesFirst) {
      const kept = new Set([...setup.fds.entries.map((entry) => entry.target), ...(elsewhere?.kept ?? [])]);
      const list = [...kept].filter((fd) => fd > 2).sort((a, b) => a - b);
      op({ operation: "CLOSE_RANGE" }, 3, 0, 0, writer.words(list));
    }
    set("SIGMASK", setup.signals.block);
  }
  // Exec itself, which is the last.
  subjects.push({ operation: "EXEC" });

  const targets = elsewhere?.part === "exec" ? [] : setup.fds.entries.map((entry) => entry.target);
  return { beginning: writer.layOut(slots, inputs.list.length, targets), inputs: Int32Array.from(inputs.list), subjects };
}

type SetSignals = (operation: Operation, signals: SignalSet) => void;

/** Steps 1 to 9. Gives the number of slots. */
function becoming(
  setup: Setup,
  inputs: Inputs,
  writer: ProgramWriter,
  op: Emit,
  set: SetSignals,
  callers: Callers | undefined,
): number {
  if (callers !== undefined) {
    op({ operation: "FCHDIR", detail: "that of this process" }, inputs.directory());
    op({ operation: "UMASK" }, callers.umask);
    if (callers.ignored !== undefined) {
      set("SIGDEFAULT", EVERY_SIGNAL);
      set("SIGIGNORE", callers.ignored);
    }
  }
  if (some(setup.signals.restore)) set("SIGDEFAULT", setup.signals.restore);
  if (some(setup.signals.ignore)) set("SIGIGNORE", setup.signals.ignore);

  if (setup.namespaces.mountProc) op({ operation: "MOUNT_PROC", path: "/proc" });
  if (setup.session) op({ operation: "SETSID" });
  if (setup.processGroup !== undefined) op({ operation: "SETPGID", detail: groupName(setup.processGroup) }, setup.processGroup);

  if (setup.oomScoreAdj !== undefined) {
    op({ operation: "OOM_SCORE_ADJ", detail: String(setup.oomScoreAdj) }, 0, 0, 0, writer.string(String(setup.oomScoreAdj)));
  }
  if (setup.nice !== undefined) op({ operation: "SETPRIORITY", detail: String(setup.nice) }, setup.nice);
  if (setup.cpuAffinity !== undefined) {
    op({ operation: "SCHED_SETAFFINITY", detail: setup.cpuAffinity.join(",") }, 0, 0, 0, writer.longs(cpuSet(setup.cpuAffinity)));
  }

  const slots = fdSteps(setup, inputs, writer, op);
  if (setup.controllingTerminal !== undefined) {
    op(
      { operation: "TIOCSCTTY", detail: String(setup.controllingTerminal), fds: [setup.controllingTerminal] },
      setup.controllingTerminal,
    );
  }
  if (setup.foreground !== undefined) {
    op({ operation: "TIOCSPGRP", detail: String(setup.foreground), fds: [setup.foreground] }, setup.foreground);
  }

  if (setup.chroot !== undefined) {
    op({ operation: "CHROOT", path: setup.chroot }, 0, 0, 0, writer.string(setup.chroot));
    // Or the old directory, outside of the new root, would still be the current one.
    op({ operation: "CHDIR", path: "/" }, 0, 0, 0, writer.string("/"));
  }
  if (typeof setup.cwd === "number") {
    op({ operation: "FCHDIR", detail: `fd ${setup.cwd}`, fds: [setup.cwd] }, slots.directory);
  } else if (setup.cwd !== undefined) {
    op({ operation: "CHDIR", path: setup.cwd }, 0, 0, 0, writer.string(setup.cwd));
  }
  if (setup.umask !== undefined) op({ operation: "UMASK" }, setup.umask);

  for (const limit of setup.rlimits) {
    op({ operation: "SETRLIMIT", detail: limit.name }, limit.resource, 0, 0, writer.longs([limit.soft, limit.hard]));
  }

  if (setup.effectiveUid !== undefined) op({ operation: "SETEUID", detail: "0" }, 0);
  if (setup.groups !== undefined) {
    op({ operation: "SETGROUPS", detail: setup.groups.join(",") }, 0, 0, 0, writer.words(setup.groups));
  }
  if (setup.gid !== undefined) op({ operation: "SETRESGID", detail: String(setup.gid) }, setup.gid | 0);
  if (setup.uid !== undefined) op({ operation: "SETRESUID", detail: String(setup.uid) }, setup.uid | 0);
  else if (setup.effectiveUid !== undefined)
    op({ operation: "SETEUID", detail: String(setup.effectiveUid) }, setup.effectiveUid | 0);

  if (setup.parentDeathSignal !== undefined) op({ operation: "PDEATHSIG" }, setup.parentDeathSignal);
  if (setup.noNewPrivs) op({ operation: "NO_NEW_PRIVS" });
  return slots.count;
}

type Emit = (
  subject: Subject,
  a?: number,
  b?: number,
  c?: number,
  data?: ReturnType<ProgramWriter["string"]>,
  flags?: number,
) => void;

/** The first slots: what the launcher creates, then, elsewhere, the fds of ours. */
class Inputs {
  /** A kind of input, or the complement of an fd of ours. */
  readonly list: number[];
  readonly #slots = new Map<number, number>();

  constructor({ fds, cwd, byFd }: Setup, elsewhere: Elsewhere | undefined) {
    this.list = elsewhere?.part === "exec" ? [] : fds.inputs.map(inputWord);
    if (elsewhere === undefined || elsewhere.part === "exec") return;
    if (elsewhere.callers !== undefined) this.list.push(INPUT.directory);
    const parents = fds.entries.flatMap(({ source }) => (source.from === "parent" ? [source.fd] : []));
    if (typeof cwd === "number") parents.push(cwd);
    if (byFd !== undefined) parents.push(byFd);
    for (const fd of new Set(parents)) this.#slots.set(fd, this.list.push(~fd) - 1);
  }

  /** Our current directory, as a source. */
  directory(): number {
    return ~this.list.indexOf(INPUT.directory);
  }

  /** An fd of ours, as a source: itself where it is inherited. */
  parent(fd: number): number {
    const slot = this.#slots.get(fd);
    return slot === undefined ? fd : ~slot;
  }
}

/** The steps that give the child its fds. Slots: the inputs, then the opened files, the directory, the executable. */
function fdSteps(setup: Setup, inputs: Inputs, writer: ProgramWriter, op: Emit): { count: number; directory: number } {
  const { opens, entries, closes } = setup.fds;
  let count = inputs.list.length;
  const firstOpen = count;
  for (const file of opens) {
    op(
      { operation: "OPEN", path: file.path },
      count++,
      file.flags,
      file.mode,
      writer.string(file.path),
      file.trusted ? OPEN_TRUSTED : 0,
    );
  }
  let directory = 0;
  if (typeof setup.cwd === "number") {
    directory = inputs.parent(setup.cwd);
    if (directory < 0 || entries.some((entry) => entry.target === setup.cwd) || closes.includes(setup.cwd)) {
      // The fd map would overwrite it, or the step after it close it.
      op({ operation: "PARK", fds: [setup.cwd] }, count, directory);
      directory = ~count++;
    }
  }
  // The last slot: out of the way of the fd map.
  if (setup.byFd !== undefined) op({ operation: "PARK", fds: [setup.byFd] }, count++, inputs.parent(setup.byFd));
  if (entries.length > 0) {
    const map: number[] = [];
    for (const { target, source } of entries) map.push(target, numberOf(source, inputs, firstOpen));
    op({ operation: "FDMAP", fds: entries.map((entry) => entry.target) }, 0, 0, 0, writer.words(map, 8));
  }
  for (const fd of setup.fds.blocking ?? []) op({ operation: "BLOCKING", fds: [fd], detail: String(fd) }, fd);
  for (const fd of closes) op({ operation: "CLOSE", fds: [fd], detail: String(fd) }, fd);
  return { count, directory };
}

/**
 * How much a child can write to a socket before we have read, in bytes, as far as net.core.wmem_max of socket(7) allows: the more,
 * the less often the two change places on a CPU. With the default of that limit it is twice as much as a socket holds anyway.
 */
const SOCKET_SIZE = 1 << 20;

/** An input as the launcher takes it: kind, and size in units of 4 KiB. */
function inputWord({ kind, size = kind === INPUT.socket ? SOCKET_SIZE : 0 }: Input): number {
  return kind | (Math.ceil(size / 4096) << 3);
}

/** Whether no fd of ours from 3 up is needed, also not by the name of a file such as /dev/fd/5. */
function usesNoOther({ fds, cwd, byFd }: Setup): boolean {
  return (
    byFd === undefined &&
    typeof cwd !== "number" &&
    fds.opens.every(({ trusted }) => trusted) &&
    fds.entries.every(({ source }) => source.from === "open" || (source.from === "parent" && source.fd < 3))
  );
}

/** A source as the program names it: an fd, or the complement of a slot. */
function numberOf(source: Source, inputs: Inputs, firstOpen: number): number {
  switch (source.from) {
    case "parent":
      return inputs.parent(source.fd);
    case "child":
      return source.fd;
    case "input":
      return ~source.input;
    case "open":
      return ~(firstOpen + source.open);
  }
}

function some(set: SignalSet): boolean {
  return (set[0] | set[1]) !== 0;
}

/** Gives the bit set of CPUs, as sched_setaffinity(2) takes it. */
export function cpuSet(cpus: readonly number[]): bigint[] {
  const words = new Array<bigint>(Math.floor(Math.max(...cpus) / 64) + 1).fill(0n);
  for (const cpu of cpus) {
    const word = Math.floor(cpu / 64);
    words[word] = (words[word] as bigint) | (1n << BigInt(cpu % 64));
  }
  return words;
}
