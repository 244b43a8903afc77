/**
 * The steps that an embryo can take: each one operation of a child program, done in it.
 */

import { HostError, invalidState, wrongType, wrongValue } from "../errors.js";
import { errnoName, errnoWords } from "../kernel/errno.js";
import { type Signal, signalNumber, signalSet } from "../kernel/signals.js";
import { LAUNCH, showText } from "../launch/failure.js";
import { type Answer, type HostLink, REQUEST } from "../launch/host-link.js";
import { cpuSet, endWithoutExec, groupName, type Subject, stageOf } from "../program/compile.js";
import { planLimits } from "../program/limits.js";
import { STAGE_WORDS } from "../program/operations.js";
import type { Limit, LimitName, Namespace, PathLike } from "../program/options.js";
import type { Setup } from "../program/plan.js";
import { checkArray, checkInteger, checkMask, checkPath, INT_MAX, UINT_MAX } from "../program/validate.js";
import { ProgramWriter, type Text } from "../program/writer.js";
import { namespacesOf } from "./namespaces.js";
import { type PrctlName, prctlWords } from "./prctl.js";

const writer = new ProgramWriter();
const MOST_ID = UINT_MAX - 1;

/** One step: what it is about, and its operation. */
type Emit = (w: ProgramWriter) => void;

interface StepOptions {
  /** How many slots its operations fill. */
  slots?: number;
  /** The fd numbers that they fill. */
  targets?: readonly number[];
}

/** A process that has not exec'ed, as those who drive it share it. */
export interface Reached {
  /** Its socket. */
  readonly link: HostLink;
  readonly pid: number;
  /** Fds that were put where they are, and stay for the program. */
  readonly placed: Set<number>;
  /** It leads a session. */
  session: boolean;
  /** The process group that it has been put in; 0: its own. Undefined: that in which it was created. */
  group: number | undefined;
  /** It is executing a program; whether that succeeds is not known yet. */
  executing: boolean;
  /** It has exec'ed, or is being ended. */
  over: boolean;
}

/** Throws if it can take no steps any more. */
export function checkReached({ over, executing }: Reached): void {
  if (over) throw invalidState("this process has exec'ed, or was disposed of");
  if (executing) throw invalidState("this process is executing a program: wait for exec() first");
}

/** It has taken a step that puts it in a session, or a group. */
export function noteGroup(reached: Reached, { session, processGroup }: Pick<Setup, "session" | "processGroup">): void {
  if (session) {
    reached.session = true;
    reached.group = undefined;
  } else if (processGroup !== undefined) reached.group = processGroup === reached.pid ? 0 : processGroup;
}

/** Takes steps in a process that has not exec'ed. A step that fails throws a HostError, and changes nothing. */
export abstract class Steps {
  readonly #reached: Reached;

  constructor(reached: Reached) {
    this.#reached = reached;
  }

  /** Changes its directory. chdir(2) */
  async chdir(path: PathLike): Promise<void> {
    const checked = checkPath(path, "path");
    await this.#step({ operation: "CHDIR", path: checked }, (w) => w.op("CHDIR", 0, 0, 0, w.string(checked)));
  }

  /** Changes its directory to one that it has open. fchdir(2) */
  async fchdir(fd: number): Promise<void> {
    checkFd(fd, "fd");
    await this.#step({ operation: "FCHDIR", detail: `fd ${fd}` }, (w) => w.op("FCHDIR", fd));
  }

  /** Changes its root directory; its current one stays. chroot(2) */
  async chroot(path: PathLike): Promise<void> {
    const checked = checkPath(path, "path");
    await this.#step({ operation: "CHROOT", path: checked }, (w) => w.op("CHROOT", 0, 0, 0, w.string(checked)));
  }

  /** Sets its file mode creation mask, and gives the one before. umask(2) */
  async umask(mask: number): Promise<number> {
    checkMask(mask, "mask");
    return this.#step({ operation: "UMASK" }, (w) => w.op("UMASK", mask));
  }

  /**
   * Opens a file there, and gives the fd's number there. `flags` and `mode` are open(2)'s: numbers of `fs.constants`.
   * Default: O_RDONLY. A FIFO is refused.
   */
  async open(path: PathLike, flags = 0, mode = 0o666): Promise<number> {
    const checked = checkPath(path, "path");
    checkInteger(flags, "flags", 0, INT_MAX);
    checkInteger(mode, "mode", 0, 0o7777);
    const emit: Emit = (w) => w.op("OPEN", 0, flags, mode, w.string(checked));
    return this.#step({ operation: "OPEN", path: checked }, emit, { slots: 1 });
  }

  /** Makes `to` the same open file as `from`, and keeps it open over exec. Both are numbers there. dup2(2) */
  async dup2(from: number, to: number): Promise<void> {
    checkFd(from, "from");
    checkFd(to, "to");
    const emit: Emit = (w) => w.op("FDMAP", 0, 0, 0, w.words([to, from], 8));
    await this.#step({ operation: "FDMAP", fds: [to] }, emit, { targets: [to] });
    this.#reached.placed.add(to);
  }

  /** Closes an fd there. One that isn't open is no error. close(2) */
  async close(fd: number): Promise<void> {
    checkFd(fd, "fd");
    await this.#step({ operation: "CLOSE", detail: String(fd) }, (w) => w.op("CLOSE", fd));
    this.#reached.placed.delete(fd);
  }

  /** Gives it a copy of an fd of ours, and gives its number there. */
  async give(fd: number): Promise<number> {
    checkFd(fd, "fd");
    const { answer } = this.#request(REQUEST.give, Int32Array.of(~fd), 0);
    return this.#result(await answer, { operation: "PARK", detail: String(fd) });
  }

  /** Takes a copy of an fd of its, and gives its number here: close-on-exec, and yours to close. */
  async take(fd: number): Promise<number> {
    checkFd(fd, "fd");
    const { answer } = this.#request(REQUEST.take, new Int32Array(0), fd);
    return this.#result(await answer, { operation: "PARK", detail: String(fd) });
  }

  /** Sets a resource limit. setrlimit(2) */
  async setrlimit(name: LimitName, limit: Limit): Promise<void> {
    const [plan] = planLimits({ rlimits: { [name]: limit } });
    if (plan === undefined) throw wrongType("limit", "a limit", limit);
    const emit: Emit = (w) => w.op("SETRLIMIT", plan.resource, 0, 0, w.longs([plan.soft, plan.hard]));
    await this.#step({ operation: "SETRLIMIT", detail: name }, emit);
  }

  /** Sets its supplementary groups. setgroups(2) */
  async setgroups(groups: readonly number[]): Promise<void> {
    const list = checkArray(groups, "groups").map((group, i) => checkInteger(group, `groups[${i}]`, 0, MOST_ID));
    await this.#step({ operation: "SETGROUPS", detail: list.join(",") }, (w) => w.op("SETGROUPS", 0, 0, 0, w.words(list)));
  }

  /** Sets its group ids: real, effective, saved; each defaults to the first, undefined leaves it. setresgid(2) */
  setresgid(real: number | undefined, effective = real, saved = real): Promise<void> {
    return this.#setIds("SETRESGID", [real, effective, saved]);
  }

  /** Sets its user ids: real, effective, saved; each defaults to the first, undefined leaves it. setresuid(2) */
  setresuid(real: number | undefined, effective = real, saved = real): Promise<void> {
    return this.#setIds("SETRESUID", [real, effective, saved]);
  }

  /** Makes it the leader of a new session. setsid(2) */
  async setsid(): Promise<void> {
    await this.#step({ operation: "SETSID" }, (w) => w.op("SETSID"));
    noteGroup(this.#reached, { session: true, processGroup: undefined });
  }

  /** Makes it the leader of a process group ("new"), or a member of one. setpgid(2) */
  async setpgid(group: "new" | number = "new"): Promise<void> {
    const id = group === "new" ? 0 : checkInteger(group, "group", 1, INT_MAX);
    await this.#step({ operation: "SETPGID", detail: groupName(id) }, (w) => w.op("SETPGID", id));
    noteGroup(this.#reached, { session: false, processGroup: id });
  }

  /** Sets its nice value. setpriority(2) */
  async setpriority(nice: number): Promise<void> {
    checkInteger(nice, "nice", -20, 19);
    await this.#step({ operation: "SETPRIORITY", detail: String(nice) }, (w) => w.op("SETPRIORITY", nice));
  }

  /** Sets the CPUs that it may run on. sched_setaffinity(2) */
  async setaffinity(cpus: readonly number[]): Promise<void> {
    const list = checkArray(cpus, "cpus").map((cpu, i) => checkInteger(cpu, `cpus[${i}]`, 0, 8191));
    if (list.length === 0) throw wrongValue("cpus", list, "must name at least one CPU");
    const emit: Emit = (w) => w.op("SCHED_SETAFFINITY", 0, 0, 0, w.longs(cpuSet(list)));
    await this.#step({ operation: "SCHED_SETAFFINITY", detail: list.join(",") }, emit);
  }

  /** Sets its OOM score adjustment. proc(5) */
  async setOomScoreAdj(value: number): Promise<void> {
    const text = String(checkInteger(value, "value", -1000, 1000));
    await this.#step({ operation: "OOM_SCORE_ADJ", detail: text }, (w) => w.op("OOM_SCORE_ADJ", 0, 0, 0, w.string(text)));
  }

  /** Makes these signals default. sigaction(2) */
  async defaultSignals(signals: readonly Signal[]): Promise<void> {
    const set = setOf(signals);
    await this.#step({ operation: "SIGDEFAULT" }, (w) => w.op("SIGDEFAULT", 0, 0, 0, w.words(set, 8)));
  }

  /** Has these signals ignored, where they are default. sigaction(2) */
  async ignoreSignals(signals: readonly Signal[]): Promise<void> {
    const set = setOf(signals);
    await this.#step({ operation: "SIGIGNORE" }, (w) => w.op("SIGIGNORE", 0, 0, 0, w.words(set, 8)));
  }

  /** Makes the terminal on one of its fds the controlling one of its session. ioctl_tty(2) */
  async setControllingTerminal(fd: number): Promise<void> {
    checkFd(fd, "fd");
    await this.#step({ operation: "TIOCSCTTY", detail: String(fd) }, (w) => w.op("TIOCSCTTY", fd));
  }

  /** Moves it into new namespaces (a "pid" one is for its children). unshare(2) */
  async unshare(namespaces: readonly Namespace[]): Promise<void> {
    const flags = namespacesOf(namespaces, "namespaces");
    await this.#step({ operation: "UNSHARE", detail: namespaces.join(",") }, (w) => w.op("UNSHARE", flags));
  }

  /** Moves it into the namespace that it has open as `fd`, of that kind (default: any). setns(2) */
  async setns(fd: number, kind?: Namespace): Promise<void> {
    checkFd(fd, "fd");
    const flags = kind === undefined ? 0 : namespacesOf([kind], "kind");
    await this.#step({ operation: "SETNS", detail: `fd ${fd}` }, (w) => w.op("SETNS", fd, flags));
  }

  /** Sets or asks one of its attributes, and gives what the kernel gives. prctl(2) */
  async prctl(name: PrctlName, ...rest: (number | bigint)[]): Promise<number> {
    const words = prctlWords(name, rest);
    return this.#step({ operation: "PRCTL", detail: name }, (w) => w.op("PRCTL", 0, 0, 0, w.longs(words)));
  }

  /** Makes sure that exec can never grant it more privileges. prctl(2), PR_SET_NO_NEW_PRIVS */
  async setNoNewPrivs(): Promise<void> {
    await this.#step({ operation: "NO_NEW_PRIVS" }, (w) => w.op("NO_NEW_PRIVS"));
  }

  /** Sets the signal that it gets when our process dies; a change of its ids clears it. prctl(2) */
  async setParentDeathSignal(signal: Signal): Promise<void> {
    const number = signalNumber(signal, "signal");
    await this.#step({ operation: "PDEATHSIG" }, (w) => w.op("PDEATHSIG", number));
  }

  async #setIds(operation: "SETRESGID" | "SETRESUID", ids: readonly (number | undefined)[]): Promise<void> {
    const names = ["real", "effective", "saved"];
    const [a = -1, b = -1, c = -1] = ids.map((id, i) =>
      id === undefined ? -1 : checkInteger(id, names[i] as string, 0, MOST_ID) | 0,
    );
    const IDS_EACH = 1;
    await this.#step({ operation, detail: ids.join(",") }, (w) => w.op(operation, a, b, c, undefined, IDS_EACH));
  }

  /** Has one operation done, and gives its result. */
  async #step(subject: Subject, emit: Emit, { slots = 0, targets = [] }: StepOptions = {}): Promise<number> {
    checkReached(this.#reached);
    writer.reset();
    emit(writer);
    writer.layOut(slots, 0, targets);
    endWithoutExec(writer);
    const { answer } = this.#reached.link.request(REQUEST.step, writer.finish());
    return this.#result(await answer, subject);
  }

  #request(type: number, inputs: Int32Array, argument: number): { answer: Promise<Answer> } {
    checkReached(this.#reached);
    return this.#reached.link.request(type, null, inputs, { argument });
  }

  #result({ failure, rest }: Answer, subject: Subject): number {
    if (failure === LAUNCH.ok) return rest[0] as number;
    const errno = rest[0] ?? 0;
    throw stepError(subject, failure, errno);
  }
}

function stepError(subject: Subject, failure: number, errno: number): HostError {
  const code = errnoName(errno);
  if (failure !== LAUNCH.child)
    return new HostError(`cannot reach the process: ${errnoWords(errno)}`, code, { stage: "host", errno });
  const stage = stageOf(subject);
  const about = subject.path !== undefined ? ` ${showText(subject.path)}` : subject.detail ? ` ${subject.detail}` : "";
  const path = subject.path === undefined ? undefined : asString(subject.path);
  return new HostError(`cannot ${STAGE_WORDS[stage]}${about}: ${errnoWords(errno)} (${code})`, code, { stage, errno, path });
}

function asString(text: Text): string {
  return typeof text === "string" ? text : Buffer.from(text).toString();
}

function checkFd(fd: unknown, name: string): number {
  return checkInteger(fd, name, 0, INT_MAX);
}

function setOf(signals: readonly Signal[]): readonly [number, number] {
  return signalSet(checkArray(signals, "signals").map((signal, i) => signalNumber(signal, `signals[${i}]`)));
}
