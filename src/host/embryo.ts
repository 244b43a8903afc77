/**
 * Direct style: a process that has been cloned and has not exec'ed, driven from here step by step.
 *
 * "Embryo" is what xv6 and the BSDs call the state of a process between its creation and its first program.
 */

import { HostError, invalidState, outOfRange, SpawnError, wrongType, wrongValue } from "../errors.js";
import { errnoName, errnoWords } from "../kernel/errno.js";
import { EVENT, FIELD, FIELDS_PER_EVENT } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";
import { type Signal, signalNumber, signalSet } from "../kernel/signals.js";
import { LAUNCH, launchError, showText } from "../launch/failure.js";
import { discard, send, withInherited } from "../launch/host-launcher.js";
import { type Answer, HostLink, REQUEST } from "../launch/host-link.js";
import type { LaunchedPipe } from "../launch/launcher.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, readArguments, SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import { PIPES, type Prepared, prepare } from "../process/spawn.js";
import {
  compile,
  cpuSet,
  type Elsewhere,
  endWithoutExec,
  groupName,
  type Program,
  type Subject,
  stageOf,
} from "../program/compile.js";
import { planLimits } from "../program/limits.js";
import { STAGE_WORDS } from "../program/operations.js";
import type { Limit, LimitName, Namespace, PathLike, StdinEntry, StdioWord, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import { checkArray, checkInteger, checkPath, INT_MAX, UINT_MAX } from "../program/validate.js";
import { ProgramWriter, type Text } from "../program/writer.js";
import { namespacesOf } from "./namespaces.js";

const writer = new ProgramWriter();
const SIGKILL = 9;
const MOST_ID = UINT_MAX - 1;

/** prctl(2): what may be set and asked in an embryo by name; the numbers are the kernel's. */
const PRCTL = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_GET_KEEPCAPS: 7,
  PR_SET_KEEPCAPS: 8,
  PR_GET_SECCOMP: 21,
  PR_CAPBSET_READ: 23,
  PR_CAPBSET_DROP: 24,
  PR_GET_SECUREBITS: 27,
  PR_SET_SECUREBITS: 28,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  PR_SET_THP_DISABLE: 41,
  PR_GET_THP_DISABLE: 42,
  PR_CAP_AMBIENT: 47,
} as const;

/** The name of a process attribute that `prctl` takes. */
export type PrctlName = keyof typeof PRCTL;

/** What an embryo is made from. */
interface Init {
  index: number;
  pid: number;
  /** Our end of its socket. */
  pipe: number;
}

/** One step: what it is about, and its operation. */
type Emit = (w: ProgramWriter) => void;

interface StepOptions {
  /** How many slots its operations fill. */
  slots?: number;
  /** The fd numbers that they fill. */
  targets?: readonly number[];
}

/**
 * Is a live process, our child, that has not exec'ed. Made by `host.create()`; begins with a copy of all that the host has.
 *
 * Each step is done in it with the kernel's own call, and gives its result. A step that fails throws a HostError, and leaves
 * it as usable as before. Fds are its own, by its own numbers: those from 3 up that a step opens are close-on-exec. It is
 * killed at the end of its scope (`await using`), and when this process ends, unless it has exec'ed.
 */
export class Embryo implements Watcher {
  /** Its process id, which it keeps when it execs. */
  readonly pid: number;
  readonly #monitor: Monitor = monitor();
  readonly #index: number;
  readonly #link: HostLink;
  /** Fds that were put where they are, and stay for the program. */
  readonly #placed = new Set<number>();
  readonly #gone: Promise<void>;
  #setGone: () => void = () => {};
  #exit: Float64Array | undefined;
  #over = false;
  #sealed = false;

  /** @internal Use `host.create()`. */
  constructor({ index, pid, pipe }: Init) {
    this.pid = pid;
    this.#index = index;
    this.#gone = new Promise((resolve) => {
      this.#setGone = resolve;
    });
    this.#monitor.watch(index, this);
    this.#link = new HostLink(pipe, true, `process ${pid}`, () => {});
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
    checkInteger(mask, "mask", 0, 0o777);
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
    this.#placed.add(to);
  }

  /** Closes an fd there. One that isn't open is no error. close(2) */
  async close(fd: number): Promise<void> {
    checkFd(fd, "fd");
    await this.#step({ operation: "CLOSE", detail: String(fd) }, (w) => w.op("CLOSE", fd));
    this.#placed.delete(fd);
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
  }

  /** Makes it the leader of a process group ("new"), or a member of one. setpgid(2) */
  async setpgid(group: "new" | number = "new"): Promise<void> {
    const id = group === "new" ? 0 : checkInteger(group, "group", 1, INT_MAX);
    await this.#step({ operation: "SETPGID", detail: groupName(id) }, (w) => w.op("SETPGID", id));
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
    if (!Object.hasOwn(PRCTL, name)) throw wrongValue("name", name, `must be one of ${Object.keys(PRCTL).join(", ")}`);
    if (rest.length > 4) throw outOfRange("the number of arguments of prctl", "at most 4 besides the name", rest.length);
    const words = [PRCTL[name], ...rest, 0, 0, 0, 0].slice(0, 5).map((value) => BigInt.asUintN(64, BigInt(value)));
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

  /** Sends it a signal; but for SIGKILL and SIGSTOP it has all blocked until exec. False: it has ended. */
  kill(signal: Signal = "SIGKILL"): boolean {
    if (this.#over) return false;
    return this.#monitor.native.signal(this.#index, signalNumber(signal, "signal", 0), 0) === 1;
  }

  /**
   * Executes a program in it: it is a Child from then on. Takes what `spawn` takes; the options' steps come on top of those
   * that it has taken. Its fds that `dup2` has put somewhere stay; 0 to 2 are pipes unless put, or mentioned.
   *
   * @throws SpawnError: the program could not be executed. It is as usable as before, apart from steps of the options
   * that were taken. Error ERR_INVALID_STATE: it has exec'ed, or has ended.
   */
  exec<const Options extends SpawnOptions = object>(file: PathLike, options?: Options): Promise<Child<Options>>;
  exec<const Options extends SpawnOptions = object>(
    file: PathLike,
    args: readonly TextLike[] | undefined,
    options?: Options,
  ): Promise<Child<Options>>;
  async exec(file: PathLike, args?: unknown, options?: unknown): Promise<Child<SpawnOptions>> {
    if (this.#sealed) throw invalidState("preexec must not exec: that is done for it when it returns");
    this.#alive();
    const call = readArguments<SpawnOptions>(args, options, SPAWN_OPTION_NAMES);
    const prepared = prepare(file, call.args, call.options, this.#defaults(), DRAIN_TO_THE_END);
    return this.#exec(prepared, this.#withPlaced(prepared.planned.plan), { kept: [...this.#placed] });
  }

  /** Kills it, unless it has exec'ed, and waits until it is gone. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    this.#monitor.native.signal(this.#index, SIGKILL, 1);
    this.#monitor.hold();
    await this.#gone;
    this.#monitor.release();
    this.#link.close();
    this.#monitor.remove(this.#index);
  }

  /**
   * @internal Takes the steps that a spawn's options ask for, and gives what finishes it: all for `preexec`, which runs
   * in between.
   */
  async setUp(prepared: Prepared, elsewhere: Elsewhere): Promise<() => Promise<Child<SpawnOptions>>> {
    this.#alive();
    this.#sealed = true;
    const plan = withInherited(prepared.planned.plan);
    const program = compile(plan, writer, { ...elsewhere, part: "setup" });
    const { pipes, answer } = send(this.#link, REQUEST.step, plan, program, {});
    try {
      const { failure, rest } = await answer;
      if (failure !== LAUNCH.ok) throw launchError(failure, rest, plan, program.subjects);
    } catch (error) {
      discard(pipes);
      throw error;
    }
    let used = false;
    this.#discardUnused = () => {
      if (!used) discard(pipes);
      used = true;
    };
    return () => {
      used = true;
      const kept = [...this.#placed];
      return this.#exec(prepared, plan, { part: "exec", kept }, pipes);
    };
  }

  /** @internal Closes what setUp() has made, if nothing came of it. */
  abandon(): Promise<void> {
    this.#discardUnused();
    return this[Symbol.asyncDispose]();
  }

  /** @internal Called by the monitor. */
  onEvent(events: Float64Array, base: number): void {
    if (events[base + FIELD.type] !== EVENT.child) return;
    this.#exit = events.slice(base, base + FIELDS_PER_EVENT);
    this.#setGone();
  }

  /** @internal Called by the monitor. */
  onFailure(): void {
    this.#setGone();
  }

  #discardUnused: () => void = () => {};

  async #exec(prepared: Prepared, plan: Plan, elsewhere: Elsewhere, made?: LaunchedPipe[]): Promise<Child<SpawnOptions>> {
    const program = compile(plan, writer, elsewhere);
    let pipes = made ?? [];
    let failure: Error | undefined;
    try {
      const sent = send(this.#link, REQUEST.exec, plan, program, {});
      pipes = made ?? sent.pipes;
      failure = await execFailure(sent.answer, plan, program);
    } catch (error) {
      // The end of its socket: by exec, or by its death.
      if (this.#link.execed) return this.#become(prepared, pipes);
      failure = killed(plan, error);
    }
    discard(pipes);
    throw failure;
  }

  /** The process is a Child's from now on. */
  #become({ child, cleanup }: Prepared, pipes: LaunchedPipe[]): Child<SpawnOptions> {
    this.#over = true;
    this.#monitor.native.becomeChild(this.#index, cleanup.signal, cleanup.grace);
    const made = child({ index: this.#index, pid: this.pid, pipes });
    const exit = this.#exit;
    // It has ended already. That is told later, as always.
    if (exit !== undefined) setImmediate(() => this.#monitor.deliver(this.#index, exit, 0));
    return made;
  }

  /** What 0 to 2 are where the options of exec don't say. */
  #defaults(): readonly [StdinEntry, StdioWord, StdioWord] {
    const [stdin, stdout, stderr] = PIPES;
    return [
      this.#placed.has(0) ? "close" : (stdin ?? "pipe"),
      this.#placed.has(1) ? "close" : (stdout ?? "pipe"),
      this.#placed.has(2) ? "close" : (stderr ?? "pipe"),
    ];
  }

  /** Fds that were put, and that the options don't mention, are mapped to themselves. */
  #withPlaced(given: Plan): Plan {
    const plan = withInherited(given);
    const { fds } = plan.setup;
    const mentioned = new Set(fds.entries.map(({ target }) => target));
    const entries = [...fds.entries];
    for (const fd of this.#placed) if (!mentioned.has(fd)) entries.push({ target: fd, source: { from: "child", fd } });
    entries.sort((a, b) => a.target - b.target);
    const closes = fds.closes.filter((fd) => !this.#placed.has(fd));
    return { ...plan, setup: { ...plan.setup, common: false, fds: { ...fds, entries, closes } } };
  }

  async #setIds(operation: "SETRESGID" | "SETRESUID", ids: readonly (number | undefined)[]): Promise<void> {
    const names = ["real", "effective", "saved"];
    const [a = -1, b = -1, c = -1] = ids.map((id, i) =>
      id === undefined ? -1 : checkInteger(id, names[i] as string, 0, MOST_ID) | 0,
    );
    const IDS_EACH = 1;
    await this.#step({ operation, detail: ids.join(",") }, (w) => w.op(operation, a, b, c, undefined, IDS_EACH));
  }

  #alive(): void {
    if (this.#over) throw invalidState("this process has exec'ed, or was disposed of");
  }

  /** Has one operation done, and gives its result. */
  async #step(subject: Subject, emit: Emit, { slots = 0, targets = [] }: StepOptions = {}): Promise<number> {
    this.#alive();
    writer.reset();
    emit(writer);
    endWithoutExec(writer);
    const { answer } = this.#link.request(REQUEST.step, writer.finish(slots, 0, targets));
    return this.#result(await answer, subject);
  }

  #request(type: number, inputs: Int32Array, argument: number): { answer: Promise<Answer> } {
    this.#alive();
    return this.#link.request(type, null, inputs, { argument });
  }

  #result({ failure, rest }: Answer, subject: Subject): number {
    if (failure === LAUNCH.ok) return rest[0] as number;
    const errno = rest[0] ?? 0;
    throw stepError(subject, failure, errno);
  }
}

async function execFailure(answer: Promise<Answer>, plan: Plan, program: Program): Promise<Error> {
  const { failure, rest } = await answer;
  // It may have moved anywhere.
  return launchError(failure, rest, plan, program.subjects, "none");
}

function killed(plan: Plan, cause: unknown): SpawnError {
  const why = `cannot spawn ${showText(plan.file)}: the process was killed before its exec (ERR_SPAWN_KILLED at setup)`;
  const file = typeof plan.file === "string" ? plan.file : Buffer.from(plan.file).toString();
  return new SpawnError(why, "ERR_SPAWN_KILLED", { stage: "setup", errno: 0, file }, { cause });
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
