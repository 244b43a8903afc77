/**
 * Direct style: a process that has been cloned and has not exec'ed, driven from here step by step.
 *
 * "Embryo" is what xv6 and the BSDs call the state of a process between its creation and its first program.
 */

import { invalidState, SpawnError, UnsupportedError } from "../errors.js";
import { EVENT, FIELD, FIELDS_PER_EVENT } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import { LAUNCH, launchError, showText } from "../launch/failure.js";
import { discard, send, withInherited } from "../launch/host-launcher.js";
import { type Answer, HostLink, REQUEST } from "../launch/host-link.js";
import type { LaunchedPipe } from "../launch/launcher.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, readArguments, SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import { PIPES, type Prepared, prepare } from "../process/spawn.js";
import { compile, type Elsewhere, type Program } from "../program/compile.js";
import type { PathLike, StdinEntry, StdioWord, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import { ProgramWriter } from "../program/writer.js";
import { checkReached, type Reached, Steps } from "./steps.js";

const writer = new ProgramWriter();
const SIGKILL = 9;

/** What an embryo is made from. */
interface Init {
  index: number;
  pid: number;
  /** Our end of its socket. */
  pipe: number;
}

/**
 * Is a live process, our child, that has not exec'ed. Made by `host.create()`; begins with a copy of all that the host has.
 *
 * Each step is done in it with the kernel's own call, and gives its result. A step that fails throws a HostError, and leaves
 * it as usable as before. Fds are its own, by its own numbers: those from 3 up that a step opens are close-on-exec. It is
 * killed at the end of its scope (`await using`), and when this process ends, unless it has exec'ed.
 */
export class Embryo extends Steps implements Watcher {
  /** Its process id, which it keeps when it execs. */
  readonly pid: number;
  readonly #monitor: Monitor = monitor();
  readonly #index: number;
  readonly #reached: Reached;
  readonly #gone: Promise<void>;
  #setGone: () => void = () => {};
  #exit: Float64Array | undefined;
  /** Settles with its exec, which is under way. */
  #executing: Promise<Child<SpawnOptions>> | undefined;
  #sealed = false;

  /** Not for users: `host.create()` makes one. */
  constructor({ index, pid, pipe }: Init) {
    const reached = { link: linkTo(index, pid, pipe), placed: new Set<number>(), executing: false, over: false };
    super(reached);
    this.#reached = reached;
    this.pid = pid;
    this.#index = index;
    this.#gone = new Promise((resolve) => {
      this.#setGone = resolve;
    });
    this.#monitor.watch(index, this);
  }

  /** Sends it a signal; but for SIGKILL and SIGSTOP it has all blocked until exec. False: it has ended. */
  kill(signal: Signal = "SIGKILL"): boolean {
    if (this.#reached.over) return false;
    return this.#monitor.native.signal(this.#index, signalNumber(signal, "signal", 0), 0) === 1;
  }

  /**
   * Executes a program in it: it is a Child from then on. Takes what `spawn` takes; the options' steps come on top of those
   * that it has taken. Its fds that `dup2` has put somewhere stay; 0 to 2 are pipes unless put, or mentioned.
   *
   * @throws SpawnError: the program could not be executed. It is as usable as before, apart from steps of the options
   * that were taken. Error ERR_INVALID_STATE: it has exec'ed, is about to, or has ended.
   */
  exec<const Options extends SpawnOptions = object>(file: PathLike, options?: Options): Promise<Child<Options>>;
  exec<const Options extends SpawnOptions = object>(
    file: PathLike,
    args: readonly TextLike[] | undefined,
    options?: Options,
  ): Promise<Child<Options>>;
  async exec(file: PathLike, args?: unknown, options?: unknown): Promise<Child<SpawnOptions>> {
    if (this.#sealed) throw invalidState("preexec must not exec: that is done for it when it returns");
    checkReached(this.#reached);
    const call = readArguments<SpawnOptions>(args, options, SPAWN_OPTION_NAMES);
    const prepared = prepare(file, call.args, call.options, this.#defaults(), DRAIN_TO_THE_END);
    checkAlone(prepared);
    return this.#exec(prepared, this.#withPlaced(prepared.planned.plan), { kept: [...this.#reached.placed] });
  }

  /** Kills it, unless it has exec'ed, and waits until it is gone. While it execs it is killed, too, whichever comes first. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#reached.over) return;
    if (this.#executing !== undefined) {
      this.#monitor.native.signal(this.#index, SIGKILL, 1);
      const child = await this.#executing.catch(() => undefined);
      await child?.exited;
      if (this.#reached.over) return;
    }
    this.#reached.over = true;
    this.#monitor.native.signal(this.#index, SIGKILL, 1);
    this.#monitor.hold();
    await this.#gone;
    this.#monitor.release();
    this.#reached.link.close();
    this.#monitor.remove(this.#index);
  }

  /**
   * @internal Takes the steps that a spawn's options ask for, and gives what finishes it: all for `preexec`, which runs
   * in between.
   */
  async setUp(prepared: Prepared, elsewhere: Elsewhere): Promise<() => Promise<Child<SpawnOptions>>> {
    checkReached(this.#reached);
    this.#sealed = true;
    const plan = withInherited(prepared.planned.plan);
    const program = compile(plan, writer, { ...elsewhere, part: "setup" });
    const { pipes, answer } = send(this.#reached.link, REQUEST.step, plan, program, {});
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
      const kept = [...this.#reached.placed];
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

  /** Until it is known what becomes of it, it takes no steps. */
  #exec(...call: [prepared: Prepared, plan: Plan, elsewhere: Elsewhere, made?: LaunchedPipe[]]): Promise<Child<SpawnOptions>> {
    const executing = this.#tryExec(...call);
    const over = (): void => {
      this.#executing = undefined;
      this.#reached.executing = false;
    };
    this.#executing = executing;
    this.#reached.executing = true;
    executing.then(over, over);
    return executing;
  }

  async #tryExec(prepared: Prepared, plan: Plan, elsewhere: Elsewhere, made?: LaunchedPipe[]): Promise<Child<SpawnOptions>> {
    const program = compile(plan, writer, elsewhere);
    let pipes = made ?? [];
    let failure: Error | undefined;
    try {
      const sent = send(this.#reached.link, REQUEST.exec, plan, program, {});
      pipes = made ?? sent.pipes;
      failure = await execFailure(sent.answer, plan, program);
    } catch (error) {
      // The end of its socket: by exec, or by its death.
      if (this.#reached.link.execed) return this.#become(prepared, pipes);
      failure = killed(plan, error);
    }
    discard(pipes);
    throw failure;
  }

  /** The process is a Child's from now on. */
  #become({ child, cleanup }: Prepared, pipes: LaunchedPipe[]): Child<SpawnOptions> {
    this.#reached.over = true;
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
      this.#reached.placed.has(0) ? "close" : (stdin ?? "pipe"),
      this.#reached.placed.has(1) ? "close" : (stdout ?? "pipe"),
      this.#reached.placed.has(2) ? "close" : (stderr ?? "pipe"),
    ];
  }

  /** Fds that were put, and that the options don't mention, are mapped to themselves. */
  #withPlaced(given: Plan): Plan {
    const plan = withInherited(given);
    const { fds } = plan.setup;
    const mentioned = new Set(fds.entries.map(({ target }) => target));
    const entries = [...fds.entries];
    for (const fd of this.#reached.placed) if (!mentioned.has(fd)) entries.push({ target: fd, source: { from: "child", fd } });
    entries.sort((a, b) => a.target - b.target);
    const closes = fds.closes.filter((fd) => !this.#reached.placed.has(fd));
    return { ...plan, setup: { ...plan.setup, common: false, fds: { ...fds, entries, closes } } };
  }
}

/** Makes the link to it. Where that can't be, nobody will ever drive it: it is ended, and its entry given back. */
function linkTo(index: number, pid: number, pipe: number): HostLink {
  try {
    return new HostLink(pipe, "copy", `process ${pid}`, () => {});
  } catch (error) {
    const events = monitor();
    const onEvent = (batch: Float64Array, base: number): void => {
      if (batch[base + FIELD.type] === EVENT.child) events.remove(index);
    };
    events.watch(index, { onEvent, onFailure: () => {} });
    events.native.signal(index, SIGKILL, 1);
    throw error;
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

/**
 * Throws for what has to be asked for when a process is created, which this one is.
 *
 * @throws UnsupportedError
 */
export function checkAlone({ life, planned }: Prepared): void {
  const { file, setup } = planned.plan;
  const what = life.contain ? "options.contain" : setup.namespaces.flags !== 0 ? "options.namespaces" : undefined;
  if (what === undefined) return;
  const why = `cannot spawn ${showText(file)}: the process is there already, and ${what} is for one that is made`;
  throw new UnsupportedError(life.contain ? "contain-embryo" : "namespaces-embryo", why);
}
