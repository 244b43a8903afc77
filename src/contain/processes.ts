/**
 * Processes as /proc shows them: who there is, whose children they are, and signals that can't hit a recycled pid.
 * proc(5); no ps(1), which slim images lack. Without an fd to look by they throw, as kernel-files.ts does.
 */

import { accessSync, readlinkSync } from "node:fs";
import { UnsupportedError } from "../errors.js";
import { addon } from "../native/addon.js";
import type { Descendant } from "../states.js";
import { entriesOf, read } from "./kernel-files.js";

/** A process, known well enough to be told from a later one with its number. */
export interface Process extends Descendant {
  /** When it was started, in clock ticks since the boot. */
  ticks: number;
  group: number;
  session: number;
}

interface Stat {
  pid: number;
  ppid: number;
  group: number;
  session: number;
  state: string;
  threads: number;
  ticks: number;
  name: string;
}

const LONGEST = 200;

/** Reads the line of /proc/PID/stat. The name in it may hold anything, also brackets. */
export function parseStat(text: string): Stat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < 0) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const at = (field: number): number => Number(fields[field - 3]);
  return {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    state: fields[0] as string,
    ppid: at(4),
    group: at(5),
    session: at(6),
    threads: at(20),
    ticks: at(22),
  };
}

const hasEnded = ({ state }: Stat): boolean => state === "Z" || state === "X";

function statOf(pid: number | string): Stat | undefined {
  const stat = parseStat(read(`/proc/${pid}/stat`));
  if (stat === undefined || !hasEnded(stat)) return stat;
  // A zombie has ended: nothing can be done to it any more. But where others of its threads live that one has, and not the
  // process: pthread_exit(3) in main().
  const thread = stat.threads > 1 ? livingThread(stat.pid) : undefined;
  return thread && { ...stat, state: thread.state };
}

function livingThread(pid: number): Stat | undefined {
  const threads = numbersIn(`/proc/${pid}/task`).map((thread) => parseStat(read(`/proc/${pid}/task/${thread}/stat`)));
  return threads.find((stat) => stat !== undefined && !hasEnded(stat));
}

function numbersIn(directory: string): string[] {
  return entriesOf(directory).filter((name) => /^\d/.test(name));
}

let epoch: number | undefined;
let ticksPerSecond: number | undefined;

/** Milliseconds since 1970 of a time in ticks since the boot. */
function timeOf(ticks: number): number {
  epoch ??= Number(/^btime (\d+)$/m.exec(read("/proc/stat"))?.[1] ?? 0) * 1000;
  ticksPerSecond ??= addon().clockTicks();
  return epoch + (ticks * 1000) / ticksPerSecond;
}

function describe(stat: Stat): Process {
  const line = read(`/proc/${stat.pid}/cmdline`).replaceAll("\0", " ").trim();
  const shown = line === "" ? `[${stat.name}]` : line.length > LONGEST ? `${line.slice(0, LONGEST - 3)}...` : line;
  const { name: _, threads: __, ...rest } = stat;
  return { ...rest, command: shown, startTime: timeOf(stat.ticks) };
}

/** Gives those of these processes that live. */
export function processesOf(pids: Iterable<number>): Process[] {
  return [...pids].flatMap((pid) => {
    const stat = statOf(pid);
    return stat === undefined ? [] : [describe(stat)];
  });
}

/** Gives a process, if it lives and is still the one that was started at that time. */
export function sameProcess({ pid, ticks }: { pid: number; ticks: number }): Process | undefined {
  const [process] = processesOf([pid]);
  return process?.ticks === ticks ? process : undefined;
}

const isDenied = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === "ERR_ACCESS_DENIED";

/**
 * Throws where Node's permission model keeps /proc from us: nobody would be found there, and nothing ended.
 *
 * @throws Error ERR_ACCESS_DENIED, Node's own: it says which flag allows it.
 */
export function checkReadableProc(): void {
  if (!("permission" in process)) return;
  try {
    // Of any process, and not of ourselves: that may be all that is allowed.
    accessSync("/proc/1/stat");
  } catch (error) {
    if (isDenied(error)) throw error;
  }
}

/**
 * Throws where /proc is that of another pid namespace: its numbers are not those that signals take, and who is found by
 * them is a stranger. `what` can't be done then.
 *
 * @throws UnsupportedError `feature`. Error ERR_ACCESS_DENIED.
 */
export function checkOwnProc(what: string, feature: string): void {
  checkReadableProc();
  let self = "nothing";
  try {
    self = readlinkSync("/proc/self");
  } catch {
    // Not mounted.
  }
  if (self === String(process.pid)) return;
  const why = `/proc is not that of this pid namespace (/proc/self is ${self}, not ${process.pid}); mount it again`;
  throw new UnsupportedError(feature, `cannot ${what}: ${why}`);
}

function allStats(): Stat[] {
  return numbersIn("/proc").flatMap((name) => statOf(name) ?? []);
}

/** Gives the processes for which the test holds. */
export function findProcesses(wanted: (stat: { group: number; session: number }) => boolean): Process[] {
  return allStats().filter(wanted).map(describe);
}

/**
 * Gives all that are below a process by their parents, and not that itself. Below the first process is everything: that
 * is never what is meant, and would be deadly where it is to be signalled.
 */
export function descendantsOf(pid: number): Process[] {
  if (!(pid > 1)) throw new RangeError(`there are no descendants of process ${pid}`);
  const children = new Map<number, Stat[]>();
  for (const stat of allStats()) {
    const siblings = children.get(stat.ppid);
    if (siblings === undefined) children.set(stat.ppid, [stat]);
    else siblings.push(stat);
  }
  const found = [...(children.get(pid) ?? [])];
  // It grows while it is gone through.
  for (const stat of found) found.push(...(children.get(stat.pid) ?? []));
  return found.map(describe);
}

/** Signals a process. 1: sent; 0: it is gone, and nobody else was hit; else a negated errno. */
export function signalProcess({ pid, ticks }: Process, signal: number): number {
  return addon().signalStarted(pid, ticks, signal);
}

/** Gives what the user sees of a process. */
export function toDescendant({ pid, ppid, command, startTime, state }: Process): Descendant {
  return { pid, ppid, command, startTime, state };
}
