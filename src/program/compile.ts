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
import { type ChildStage, type Operation, STAGE_OF } from "./operations.js";
import type { Input, Plan, Setup, Source } from "./plan.js";
import type { Beginning, ProgramWriter, Text } from "./writer.js";

/** How often ETXTBSY is tried again, after 0.1, 0.2, 0.4 ... ms: 25 ms in all. */
const BUSY_RETRIES = 8;
/** Flags of EXEC and OPEN. */
const EXTEND_ENVIRONMENT = 1;
const FIRST_CANDIDATE = 2;
const OPEN_TRUSTED = 1;
const CLOSE_RANGE_UNSHARE = 1;

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

/** The steps up to exec, which is all of a program that does not depend on what is executed. */
interface Steps {
  beginning: Beginning;
  slots: number;
  targets: number[];
  inputs: Int32Array;
  subjects: Subject[];
}

/** Of set-ups that come again and again: compiled once each. */
const known = new WeakMap<Setup, Steps>();

/** Compiles a plan. The bytes live in the writer until its next program. */
export function compile({ setup, candidates, argv, environment, firstCandidate }: Plan, writer: ProgramWriter): Program {
  let steps = setup.common ? known.get(setup) : undefined;
  if (steps === undefined) {
    steps = compileSetup(setup, writer);
    if (setup.common) known.set(setup, steps);
  }
  writer.resume(steps.beginning);
  const files = writer.table(candidates);
  const words = writer.table(argv);
  const variables = writer.table(environment.entries);
  const flags = (environment.extend ? EXTEND_ENVIRONMENT : 0) | (firstCandidate === true ? FIRST_CANDIDATE : 0);
  writer.op("EXEC", BUSY_RETRIES, words.offset, variables.offset, files, flags);
  const { inputs, subjects } = steps;
  return { bytes: writer.finish(steps.slots, inputs.length, steps.targets), inputs, subjects };
}

function compileSetup(setup: Setup, writer: ProgramWriter): Steps {
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

  const closesFirst = setup.closeFds && usesNoOther(setup);
  if (closesFirst) op({ operation: "CLOSE_RANGE" }, 3, 0, 0, undefined, CLOSE_RANGE_UNSHARE);
  if (some(setup.signals.restore)) set("SIGDEFAULT", setup.signals.restore);
  if (some(setup.signals.ignore)) set("SIGIGNORE", setup.signals.ignore);

  if (setup.namespaces.mountProc) op({ operation: "MOUNT_PROC", path: "/proc" });
  if (setup.session) op({ operation: "SETSID" });
  if (setup.processGroup !== undefined) op({ operation: "SETPGID", detail: String(setup.processGroup) }, setup.processGroup);

  if (setup.oomScoreAdj !== undefined) {
    op({ operation: "OOM_SCORE_ADJ", detail: String(setup.oomScoreAdj) }, 0, 0, 0, writer.string(String(setup.oomScoreAdj)));
  }
  if (setup.nice !== undefined) op({ operation: "SETPRIORITY", detail: String(setup.nice) }, setup.nice);
  if (setup.cpuAffinity !== undefined) {
    op({ operation: "SCHED_SETAFFINITY", detail: setup.cpuAffinity.join(",") }, 0, 0, 0, writer.longs(cpuSet(setup.cpuAffinity)));
  }

  const slots = fdSteps(setup, writer, op);
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

  if (setup.closeFds && !closesFirst) {
    const kept = setup.fds.entries.map((entry) => entry.target).filter((fd) => fd > 2);
    op({ operation: "CLOSE_RANGE" }, 3, 0, 0, writer.words(kept));
  }

  set("SIGMASK", setup.signals.block);
  // Exec itself, which is the last.
  subjects.push({ operation: "EXEC" });

  const targets = setup.fds.entries.map((entry) => entry.target);
  const inputs = Int32Array.from(setup.fds.inputs, inputWord);
  return { beginning: writer.keep(), slots: slots.count, targets, inputs, subjects };
}

type Emit = (
  subject: Subject,
  a?: number,
  b?: number,
  c?: number,
  data?: ReturnType<ProgramWriter["string"]>,
  flags?: number,
) => void;

/** The steps that give the child its fds. Slots: the inputs, then the opened files, then the directory. */
function fdSteps(setup: Setup, writer: ProgramWriter, op: Emit): { count: number; directory: number } {
  const { inputs, opens, entries, closes } = setup.fds;
  let count = inputs.length;
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
    directory = setup.cwd;
    if (entries.some((entry) => entry.target === setup.cwd) || closes.includes(setup.cwd)) {
      // The fd map would overwrite it, or the step after it close it.
      op({ operation: "PARK", fds: [setup.cwd] }, count, setup.cwd);
      directory = ~count++;
    }
  }
  if (entries.length > 0) {
    const map: number[] = [];
    for (const { target, source } of entries) map.push(target, numberOf(source, firstOpen));
    op({ operation: "FDMAP", fds: entries.map((entry) => entry.target) }, 0, 0, 0, writer.words(map, 8));
  }
  for (const fd of setup.fds.blocking ?? []) op({ operation: "BLOCKING", fds: [fd], detail: String(fd) }, fd);
  for (const fd of closes) op({ operation: "CLOSE", fds: [fd], detail: String(fd) }, fd);
  return { count, directory };
}

/** An input as the launcher takes it: kind, and size in units of 4 KiB. */
function inputWord({ kind, size = 0 }: Input): number {
  return kind | (Math.ceil(size / 4096) << 2);
}

/** Whether no fd of ours from 3 up is needed, also not by the name of a file such as /dev/fd/5. */
function usesNoOther({ fds, cwd }: Setup): boolean {
  return (
    typeof cwd !== "number" &&
    fds.opens.every(({ trusted }) => trusted) &&
    fds.entries.every(({ source }) => source.from === "open" || (source.from === "parent" && source.fd < 3))
  );
}

/** A source as the program names it: an fd, or the complement of a slot. */
function numberOf(source: Source, firstOpen: number): number {
  switch (source.from) {
    case "parent":
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

function cpuSet(cpus: readonly number[]): bigint[] {
  const words = new Array<bigint>(Math.floor(Math.max(...cpus) / 64) + 1).fill(0n);
  for (const cpu of cpus) {
    const word = Math.floor(cpu / 64);
    words[word] = (words[word] as bigint) | (1n << BigInt(cpu % 64));
  }
  return words;
}
