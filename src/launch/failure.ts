/**
 * From what a launch reports to a SpawnError that says what failed, on what, and why.
 */

import { accessSync, statSync } from "node:fs";
import { SpawnError } from "../errors.js";
import { EACCES, EAGAIN, EBADF, ENOENT, ENOTTY, EPERM, errnoName, errnoWords } from "../kernel/errno.js";
import { signalName } from "../kernel/signals.js";
import { type Subject, stageOf } from "../program/compile.js";
import { STAGE_WORDS } from "../program/operations.js";
import type { Plan } from "../program/plan.js";
import type { Text } from "../program/writer.js";
import type { ParentStage, Stage } from "../stages.js";

/** `enum launch_failure` of native/launch.h. */
export const LAUNCH = { ok: 0, clone: 3, pidfd: 4, child: 6, killed: 7, watch: 8, host: 9 } as const;
const PARENT_STAGES: Record<number, ParentStage> = {
  1: "pipe",
  2: "memory",
  3: "clone",
  4: "pidfd",
  5: "report",
  8: "watch",
  9: "host",
};

/** Gives the stage of a launch that failed before the child's own steps. */
export function launchStage(failure: number): ParentStage {
  return PARENT_STAGES[failure] ?? "setup";
}

/** `enum child_step` of native/child.h: what no operation stands for. */
const CHILD_STEPS: Record<number, ParentStage> = { [-2]: "cgroup", [-3]: "idMap", [-4]: "keeper" };

/** `enum program_detail` of native/child_program.h. */
const DETAIL_FIFO = -2;

/** What `launch()` writes where it failed: see exports_launch.c. */
interface Report {
  errno: number;
  step: number;
  detail: number;
  signal: number;
  tried: number[];
}

function readReport(out: Int32Array): Report {
  const [errno = 0, step = 0, detail = 0, signal = 0, count = 0] = out;
  return { errno, step, detail, signal, tried: [...out.subarray(5, 5 + count)] };
}

/** Shows text in a message. */
export function showText(text: Text): string {
  return JSON.stringify(typeof text === "string" ? text : Buffer.from(text).toString());
}

/** Which of a child's paths are ours, too, so that we can look: all, those that are absolute, or none. */
export type Sight = "all" | "absolute" | "none";

/** Makes the error of a failed launch. `sight`: of the paths as they are where the child was started. */
export function launchError(failure: number, out: Int32Array, plan: Plan, subjects: Subject[], sight: Sight = "all"): Error {
  const report = readReport(out);
  if (failure < 0) return new TypeError(`brood: the native part refused a child program (${failure})`);
  if (failure === LAUNCH.killed) {
    const by = report.signal === 0 ? "ended" : `was killed by ${signalName(report.signal)}`;
    return spawnError(plan, "ERR_SPAWN_KILLED", "setup", 0, `the child ${by} during its set-up`);
  }
  if (failure === LAUNCH.child) return childError(report, plan, subjects, sight);
  const stage = launchStage(failure);
  const hint = stage === "clone" ? cloneHint(report.errno, plan) : "";
  return failed(plan, stage, report.errno, `cannot ${STAGE_WORDS[stage]}: ${errnoWords(report.errno)}${hint}`);
}

/** Says what stands behind the errno of a clone. */
function cloneHint(errno: number, { setup }: Plan): string {
  if (errno === EAGAIN) return ", a limit on processes (RLIMIT_NPROC, pids.max) is reached";
  if (errno === EPERM && setup.namespaces.flags !== 0)
    return ', new namespaces need privileges, or "user" among them where the system allows it';
  return "";
}

/** Makes the error for a source fd that isn't open. */
export function notOpen(plan: { file: Text }, fd: number, option: string): SpawnError {
  return failed(plan, "dup", EBADF, `${option} names fd ${fd}, which is not open`, { fd });
}

/** Makes the error for a first spawn that finds no way to watch children. */
export function notWatched(plan: { file: Text }, errno: number): SpawnError {
  return failed(plan, "watch", errno, `cannot ${STAGE_WORDS.watch}: ${errnoWords(errno)}`);
}

/** Makes the error for a pipe that could not be made. */
export function noPipe(plan: { file: Text }, errno: number): SpawnError {
  return failed(plan, "pipe", errno, `cannot ${STAGE_WORDS.pipe}: ${errnoWords(errno)}`);
}

/** Makes the error for something that had to be made for this child, of Node's error of a system call. */
export function notMade(plan: { file: Text }, stage: "cgroup" | "keeper" | "host", cause: NodeJS.ErrnoException): SpawnError {
  const errno = Math.abs(cause.errno ?? 0);
  const where = cause.path === undefined ? "" : ` (${cause.syscall} ${cause.path})`;
  return failed(plan, stage, errno, `cannot ${STAGE_WORDS[stage]}: ${errnoWords(errno)}${where}`);
}

/** Makes the error for an account that could not be looked up. */
export function noAccount(plan: { file: Text }, account: string | number, errno: number): SpawnError {
  return failed(plan, "setup", errno, `cannot look up the account ${JSON.stringify(account)}: ${errnoWords(errno)}`);
}

/** Makes the error for a file that no entry of the search path could hold. */
export function nowhereToSearch(plan: { file: Text }): SpawnError {
  return failed(plan, "exec", ENOENT, "the search path has no absolute entry");
}

/** Makes the error of a spawn whose host has ended. */
export function hostEnded(plan: { file: Text }, cause: Error): SpawnError {
  const message = `cannot spawn ${showText(plan.file)}: the spawn host has ended (ERR_HOST_ENDED at host)`;
  return new SpawnError(message, "ERR_HOST_ENDED", { stage: "host", errno: 0, file: asString(plan.file) }, { cause });
}

/** Makes the error of a spawn whose host could not be started, of the error of that. */
export function hostNotStarted(plan: { file: Text }, cause: SpawnError): SpawnError {
  const { stage, errno, code } = cause;
  const why = cause.message.replace(/^cannot spawn "[^"]*": /, "");
  const message = `cannot spawn ${showText(plan.file)}: ${why}`;
  return new SpawnError(message, code, { stage, errno, file: asString(plan.file) }, { cause });
}

function childError(report: Report, plan: Plan, subjects: Subject[], sight: Sight): Error {
  const own = CHILD_STEPS[report.step];
  if (own !== undefined) return failed(plan, own, report.errno, `cannot ${STAGE_WORDS[own]}: ${errnoWords(report.errno)}`);
  const subject = subjects[report.step];
  if (subject === undefined) return failed(plan, "setup", report.errno, errnoWords(report.errno));
  const stage = stageOf(subject);
  if (subject.operation === "EXEC") return execError(report, plan, sight);
  const path = subject.path;
  if (report.detail === DETAIL_FIFO && path !== undefined) {
    const why = `${showText(path)} is a FIFO, whose opening could block the caller; open it yourself and pass the fd`;
    return failed(plan, stage, report.errno, why, { path });
  }
  const fd = subject.fds?.[Math.max(0, report.detail)];
  if (path !== undefined && report.errno === ENOENT) {
    const what = stage === "open" ? "file" : "directory";
    return failed(plan, stage, ENOENT, `no such ${what} ${showText(path)}`, { path });
  }
  const about =
    path !== undefined ? ` ${showText(path)}` : fd !== undefined ? ` ${fd}` : subject.detail ? ` ${subject.detail}` : "";
  return failed(
    plan,
    stage,
    report.errno,
    `cannot ${STAGE_WORDS[stage]}${about}: ${errnoWords(report.errno)}${stepHint(stage, report.errno)}`,
    {
      path,
      fd,
    },
  );
}

function stepHint(stage: Stage, errno: number): string {
  // dup3(2) says the same of both.
  if (stage === "dup" && errno === EBADF) return ", it is above the limit on open files (nofile), or its source not open";
  return errno === ENOTTY ? ", that fd is no terminal" : "";
}

function execError(report: Report, plan: Plan, sight: Sight): Error {
  // The report has room for so many; a search that ends at the first file that is there has tried no more.
  const tried = report.tried.map((errno, i) => ({ path: asString(plan.candidates[i] as Text), code: errnoName(errno) }));
  const path = plan.candidates[report.detail] ?? plan.file;
  if (report.errno !== ENOENT) {
    const hint = report.errno === EACCES ? accessHint(path, plan, sight) : "";
    const why = `cannot execute ${showText(path)}: ${errnoWords(report.errno)}${hint}`;
    return failed(plan, "exec", report.errno, why, { path, candidates: tried });
  }
  const only = plan.candidates.length === 1 ? path : undefined;
  // The kernel says the same for a missing interpreter.
  const there = plan.candidates.find((candidate) => exists(candidate, plan, sight) === true);
  const about = { path: there ?? only, candidates: tried };
  if (there !== undefined)
    return failed(plan, "exec", ENOENT, `${showText(there)} exists, but the interpreter or loader that it names does not`, about);
  return failed(plan, "exec", ENOENT, `${whatIsMissing(plan, only, sight)}${commandLineHint(plan)}`, about);
}

function whatIsMissing(plan: Plan, only: Text | undefined, sight: Sight): string {
  if (only === undefined) {
    const n = plan.candidates.length;
    // What was sought has no directory, so none of the places is the file itself.
    return plan.candidates[0] !== plan.file ? `not found in ${n} directories of the search path` : `none of ${n} files is there`;
  }
  const unseen = exists(only, plan, sight) === undefined ? ", or no interpreter that it names" : "";
  return `no such file ${showText(only)}${unseen}`;
}

/** A whole command line was given for the file. */
function commandLineHint(plan: Plan): string {
  return plan.argv.length === 1 && asString(plan.file).includes(" ")
    ? "; arguments are given apart, no shell takes a command line to pieces"
    : "";
}

/** A path of the child's as we can look at it; undefined where we can't. */
function visible(path: Text, { setup }: Plan, sight: Sight): string | Buffer | undefined {
  if (setup.chroot !== undefined || sight === "none") return undefined;
  const { cwd } = setup;
  let full: string | Buffer = asPath(path);
  if (asString(path)[0] !== "/" && cwd !== undefined) {
    // As bytes: a directory's name need not be text.
    full = Buffer.concat([
      Buffer.from(typeof cwd === "number" ? `/proc/self/fd/${cwd}` : cwd),
      Buffer.from("/"),
      Buffer.from(path),
    ]);
  }
  return sight === "absolute" && full[0] !== "/" && full[0] !== SLASH ? undefined : full;
}

/** Whether a path of the child's is there, as far as we can see; undefined where we can't look. */
function exists(path: Text, plan: Plan, sight: Sight): boolean | undefined {
  const full = visible(path, plan, sight);
  if (full === undefined) return undefined;
  try {
    accessSync(full);
    return true;
  } catch (error) {
    // Node's permission model keeps it from us.
    return (error as NodeJS.ErrnoException).code === "ERR_ACCESS_DENIED" ? undefined : false;
  }
}

/** What stands behind EACCES, as far as we can see. */
function accessHint(path: Text, plan: Plan, sight: Sight): string {
  const full = visible(path, plan, sight);
  if (full === undefined) return "";
  try {
    const stats = statSync(full);
    if (stats.isDirectory()) return ", it is a directory";
    return stats.isFile() && (stats.mode & 0o111) === 0 ? ", nobody may execute it (chmod +x)" : "";
  } catch {
    return "";
  }
}

const SLASH = 0x2f;

function asString(text: Text): string {
  return typeof text === "string" ? text : Buffer.from(text).toString();
}

function asPath(text: Text): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}

interface About {
  path?: Text | undefined;
  fd?: number | undefined;
  candidates?: { path: string; code: string }[];
}

function failed(plan: { file: Text }, stage: Stage, errno: number, why: string, about: About = {}): SpawnError {
  return spawnError(plan, errnoName(errno), stage, errno, why, about);
}

function spawnError(plan: { file: Text }, code: string, stage: Stage, errno: number, why: string, about: About = {}): SpawnError {
  const message = `cannot spawn ${showText(plan.file)}: ${why} (${code} at ${stage})`;
  const path = about.path === undefined ? undefined : asString(about.path);
  return new SpawnError(message, code, {
    stage,
    errno,
    path,
    fd: about.fd,
    file: asString(plan.file),
    candidates: about.candidates,
  });
}
