/**
 * Plan -> child program. Pure. The order of the steps is the kernel's logic, not taste:
 *
 *  1 signals first: nothing of the parent's dispositions may act in the child
 *  2 session and process group, before a controlling terminal can be taken
 *  3 priorities, affinity: need the parent's privileges, affect nothing below
 *  4 files opened and the fd map, as the parent's user and in its directory; then the terminal on it, and its foreground
 *  5 root, directory, umask
 *  6 limits, after the fd map: a target beyond NOFILE would fail
 *  7 groups, gid, uid: each still needs the privileges that the next drops
 *  8 parent-death signal, which a change of credentials clears
 *  9 no_new_privs
 * 10 all other fds close-on-exec
 * 11 the final signal mask, exec
 */

import type { SignalSet } from "../kernel/signals.js";
import { type ChildStage, type Operation, STAGE_OF } from "./operations.js";
import type { Plan, Source } from "./plan.js";
import type { ProgramWriter, Text } from "./writer.js";

/** How often ETXTBSY is tried again, after 0.1, 0.2, 0.4 ... ms: 25 ms in all. */
const BUSY_RETRIES = 8;
/** Flags of EXEC and OPEN. */
const EXTEND_ENVIRONMENT = 1;
const OPEN_TRUSTED = 1;

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

/** Compiles a plan. The bytes live in the writer until its next reset. */
export function compile(plan: Plan, writer: ProgramWriter): Program {
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

  if (some(plan.signals.restore)) set("SIGDEFAULT", plan.signals.restore);
  if (some(plan.signals.ignore)) set("SIGIGNORE", plan.signals.ignore);

  if (plan.session) op({ operation: "SETSID" });
  if (plan.processGroup !== undefined) op({ operation: "SETPGID", detail: String(plan.processGroup) }, plan.processGroup);

  if (plan.oomScoreAdj !== undefined) {
    op({ operation: "OOM_SCORE_ADJ", detail: String(plan.oomScoreAdj) }, 0, 0, 0, writer.string(String(plan.oomScoreAdj)));
  }
  if (plan.nice !== undefined) op({ operation: "SETPRIORITY", detail: String(plan.nice) }, plan.nice);
  if (plan.cpuAffinity !== undefined) {
    op({ operation: "SCHED_SETAFFINITY", detail: plan.cpuAffinity.join(",") }, 0, 0, 0, writer.longs(cpuSet(plan.cpuAffinity)));
  }

  const slots = fdSteps(plan, writer, op);
  if (plan.controllingTerminal !== undefined) {
    op(
      { operation: "TIOCSCTTY", detail: String(plan.controllingTerminal), fds: [plan.controllingTerminal] },
      plan.controllingTerminal,
    );
  }
  if (plan.foreground !== undefined) {
    op({ operation: "TIOCSPGRP", detail: String(plan.foreground), fds: [plan.foreground] }, plan.foreground);
  }

  if (plan.chroot !== undefined) {
    op({ operation: "CHROOT", path: plan.chroot }, 0, 0, 0, writer.string(plan.chroot));
    // Or the old directory, outside of the new root, would still be the current one.
    op({ operation: "CHDIR", path: "/" }, 0, 0, 0, writer.string("/"));
  }
  if (typeof plan.cwd === "number") {
    op({ operation: "FCHDIR", detail: `fd ${plan.cwd}`, fds: [plan.cwd] }, slots.directory);
  } else if (plan.cwd !== undefined) {
    op({ operation: "CHDIR", path: plan.cwd }, 0, 0, 0, writer.string(plan.cwd));
  }
  if (plan.umask !== undefined) op({ operation: "UMASK" }, plan.umask);

  for (const limit of plan.rlimits) {
    op({ operation: "SETRLIMIT", detail: limit.name }, limit.resource, 0, 0, writer.longs([limit.soft, limit.hard]));
  }

  if (plan.groups !== undefined) {
    op({ operation: "SETGROUPS", detail: plan.groups.join(",") }, 0, 0, 0, writer.words(plan.groups));
  }
  if (plan.gid !== undefined) op({ operation: "SETRESGID", detail: String(plan.gid) }, plan.gid | 0);
  if (plan.uid !== undefined) op({ operation: "SETRESUID", detail: String(plan.uid) }, plan.uid | 0);

  if (plan.parentDeathSignal !== undefined) op({ operation: "PDEATHSIG" }, plan.parentDeathSignal);
  if (plan.noNewPrivs) op({ operation: "NO_NEW_PRIVS" });

  if (plan.closeFds) {
    const kept = plan.fds.entries.map((entry) => entry.target).filter((fd) => fd > 2);
    op({ operation: "CLOSE_RANGE" }, 3, 0, 0, writer.words(kept));
  }

  set("SIGMASK", plan.signals.block);
  const candidates = writer.table(plan.candidates);
  const argv = writer.table(plan.argv);
  const envp = writer.table(plan.environment.entries);
  op({ operation: "EXEC" }, BUSY_RETRIES, argv.offset, envp.offset, candidates, plan.environment.extend ? EXTEND_ENVIRONMENT : 0);

  const targets = plan.fds.entries.map((entry) => entry.target);
  const inputs = Int32Array.from(plan.fds.inputs, (input) => input.kind);
  return { bytes: writer.finish(slots.count, inputs.length, targets), inputs, subjects };
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
function fdSteps(plan: Plan, writer: ProgramWriter, op: Emit): { count: number; directory: number } {
  const { inputs, opens, entries, closes } = plan.fds;
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
  if (typeof plan.cwd === "number") {
    directory = plan.cwd;
    if (entries.some((entry) => entry.target === plan.cwd) || closes.includes(plan.cwd)) {
      // The fd map would overwrite it, or the step after it close it.
      op({ operation: "PARK", fds: [plan.cwd] }, count, plan.cwd);
      directory = ~count++;
    }
  }
  if (entries.length > 0) {
    const map: number[] = [];
    for (const { target, source } of entries) map.push(target, numberOf(source, firstOpen));
    op({ operation: "FDMAP", fds: entries.map((entry) => entry.target) }, 0, 0, 0, writer.words(map, 8));
  }
  for (const fd of closes) op({ operation: "CLOSE", fds: [fd], detail: String(fd) }, fd);
  return { count, directory };
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
