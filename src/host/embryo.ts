/**
 * Direct style: a process that has been cloned and has not exec'ed, driven from here step by step.
 *
 * "Embryo" is what xv6 and the BSDs call the state of a process between its creation and its first program.
 */

import type { Containment } from "../contain/containment.js";
import type { ContainPlan } from "../contain/options.js";
import { HostError, invalidState, SpawnError, UnsupportedError } from "../errors.js";
import { type Signal, signalNumber } from "../kernel/signals.js";
import { LAUNCH, launchError, showText } from "../launch/failure.js";
import { type Answer, HostLink, REQUEST } from "../launch/host-link.js";
import { discard, enter, send, withInherited } from "../launch/host-requests.js";
import type { Launched, LaunchedPipe } from "../launch/launcher.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, readArguments, SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import { PIPES, type Prepared, prepare, unlessAborted } from "../process/spawn.js";
import { compile, type Elsewhere, type Program } from "../program/compile.js";
import type { Planned } from "../program/make-plan.js";
import type { PathLike, StdinEntry, StdioWord, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import { ProgramWriter } from "../program/writer.js";
import { asCreated, containAtExec } from "./embryo-contain.js";
import { EmbryoEntry } from "./embryo-entry.js";
import { checkReached, noteGroup, type Reached, Steps } from "./steps.js";

const writer = new ProgramWriter();
const SIGKILL = 9;

/** An exec; `made`: its pipes, where they are there already. */
type ExecCall = [
  prepared: Prepared,
  planned: Planned,
  contain: ContainPlan | undefined,
  elsewhere: Elsewhere,
  made?: LaunchedPipe[],
];

/** What an embryo is made from. */
interface Init {
  /** Its one pipe is our end of its socket. */
  launched: Launched;
  /** What contains it, unless that is its group, which is its affair until it execs. */
  containment?: Containment | undefined;
  /** How it, and what it starts, is contained, by a means that has been found. */
  contain?: ContainPlan | undefined;
}

/**
 * Is a live process, our child, that has not exec'ed. Made by `host.create()`; begins with a copy of all that the host has.
 *
 * Each step is done in it with the kernel's own call, and gives its result. A step that fails throws a HostError, and leaves
 * it as usable as before. Fds are its own, by its own numbers: those from 3 up that a step opens are close-on-exec. It is
 * killed at the end of its scope (`await using`), and when this process ends, unless it has exec'ed. It starts no process
 * before that.
 */
export class Embryo extends Steps {
  /** Its process id, which it keeps when it execs. */
  readonly pid: number;
  readonly #entry: EmbryoEntry;
  readonly #reached: Reached;
  #contain: ContainPlan | undefined;
  /** Settles with its exec, which is under way. */
  #executing: Promise<Child<SpawnOptions>> | undefined;
  #sealed = false;

  /** Not for users: `host.create()` makes one. In the very turn in which the process was told of. */
  constructor({ launched: { index, pid, pipes }, containment, contain }: Init) {
    const entry = new EmbryoEntry(index, pid, containment);
    const link = linkTo(entry, (pipes[0] as LaunchedPipe).index);
    const reached = { link, pid, placed: new Set<number>(), session: false, group: undefined, executing: false, over: false };
    super(reached);
    this.#reached = reached;
    this.pid = pid;
    this.#entry = entry;
    this.#contain = contain;
  }

  /** Sends it a signal; but for SIGKILL and SIGSTOP it has all blocked until exec. False: it has ended. */
  kill(signal: Signal = "SIGKILL"): boolean {
    return !this.#reached.over && this.#entry.signal(signalNumber(signal, "signal", 0), false);
  }

  /**
   * Executes a program in it: it is a Child from then on. Takes what `spawn` takes; the options' steps come on top of those
   * that it has taken. Its fds that `dup2` has put somewhere stay; 0 to 2 are pipes unless put, or mentioned.
   *
   * `contain` is as it was created with, and need not be said again. One that was created without takes "cgroup", "group", and of
   * "auto" what of these two can be had; it stays in its cgroup where the program could not be executed. Aborted by `signal`
   * meanwhile: nothing of the command is left.
   *
   * @throws SpawnError: the program could not be executed. It is as usable as before, apart from steps of the options
   * that were taken. UnsupportedError: "keeper", "namespace" and `namespaces` are for `host.create`. TypeError
   * ERR_OPTION_CONFLICT: it is contained by another means. AbortError. Error ERR_INVALID_STATE: it has exec'ed, is about
   * to, or has ended.
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
    const wanted = asCreated(this.#contain, call.options);
    const prepared = prepare(file, call.args, wanted, this.#defaults(), DRAIN_TO_THE_END);
    checkAlone(prepared);
    const planned = { ...prepared.planned, plan: this.#withPlaced(prepared.planned.plan) };
    const elsewhere = { kept: [...this.#reached.placed] };
    return unlessAborted(prepared, await this.#exec(prepared, planned, prepared.life.contain, elsewhere));
  }

  /**
   * Kills it, unless it has exec'ed, and waits until it is gone, with what contains it. While it execs it is killed, too,
   * whichever comes first.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#reached.over) return;
    if (this.#executing !== undefined) {
      this.#entry.signal(SIGKILL, true);
      const child = await this.#executing.catch(() => undefined);
      if (child?.containment) child[Symbol.dispose]();
      await (child?.containment ? child.closed : child?.exited);
      if (this.#reached.over) return;
    }
    this.#reached.over = true;
    await this.#entry.end();
    this.#reached.link.close();
  }

  /**
   * @internal Waits until it has entered what it was created in. If it could not it is ended.
   *
   * @throws SpawnError
   */
  async entered(plan: Plan): Promise<void> {
    try {
      await enter(this.#reached.link, plan, {});
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error instanceof HostError ? killed(plan, error) : error;
    }
  }

  /**
   * @internal Takes the steps that a spawn's options ask for, and gives what finishes it: all for `preexec`, which runs
   * in between.
   */
  async setUp(prepared: Prepared, planned: Planned, elsewhere: Elsewhere): Promise<() => Promise<Child<SpawnOptions>>> {
    checkReached(this.#reached);
    this.#sealed = true;
    const plan = withInherited(planned.plan);
    const program = compile(plan, writer, { ...elsewhere, part: "setup" });
    const { pipes, answer } = send(this.#reached.link, REQUEST.step, plan, program, {});
    try {
      const { failure, rest } = await answer;
      if (failure !== LAUNCH.ok) throw launchError(failure, rest, plan, program.subjects);
    } catch (error) {
      discard(pipes);
      throw error instanceof HostError ? killed(plan, error) : error;
    }
    noteGroup(this.#reached, plan.setup);
    let used = false;
    this.#discardUnused = () => {
      if (!used) discard(pipes);
      used = true;
    };
    // What has been done is not to be done again.
    const rest = { ...plan, setup: { ...plan.setup, session: false, processGroup: undefined } };
    return () => {
      used = true;
      const kept = [...this.#reached.placed];
      return this.#exec(prepared, { ...planned, plan: rest }, this.#contain, { part: "exec", kept }, pipes);
    };
  }

  /** @internal Closes what setUp() has made, if nothing came of it. */
  abandon(): Promise<void> {
    this.#discardUnused();
    return this[Symbol.asyncDispose]();
  }

  #discardUnused: () => void = () => {};

  /** Until it is known what becomes of it, it takes no steps. */
  #exec(...call: ExecCall): Promise<Child<SpawnOptions>> {
    this.#reached.executing = true;
    this.#entry.executes();
    const executing = this.#tryExec(...call);
    const over = (): void => {
      this.#executing = undefined;
      this.#reached.executing = false;
    };
    this.#executing = executing;
    executing.then(over, over);
    return executing;
  }

  async #tryExec(...[prepared, planned, contain, elsewhere, made]: ExecCall): Promise<Child<SpawnOptions>> {
    const { link } = this.#reached;
    let { plan } = planned;
    let pipes = made ?? [];
    let containment: Containment | undefined;
    let failure: unknown;
    try {
      if (contain !== undefined) {
        const held = await containAtExec(this.#entry, this.#reached, planned, prepared.cleanup, contain);
        ({ plan, containment } = held);
        this.#contain = held.contain ?? this.#contain;
        prepared.checkAborted();
      }
      const program = compile(plan, writer, elsewhere);
      const sent = send(link, REQUEST.exec, plan, program, {});
      pipes = made ?? sent.pipes;
      failure = await execFailure(sent.answer, plan, program);
    } catch (error) {
      // The end of its socket: by exec, or by its death.
      if (link.execed) return this.#become(prepared, pipes, containment);
      failure = link.ended ? killed(plan, error) : error;
    }
    this.#entry.stays();
    discard(pipes);
    throw failure;
  }

  /** The process is a Child's from now on. */
  #become({ child, cleanup }: Prepared, pipes: LaunchedPipe[], containment: Containment | undefined): Child<SpawnOptions> {
    this.#reached.over = true;
    const { index, pid } = this.#entry;
    return this.#entry.becomeChild(cleanup.signal, cleanup.grace, () => child({ index, pid, pipes }, containment));
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
function linkTo(entry: EmbryoEntry, pipe: number): HostLink {
  try {
    return new HostLink(pipe, "copy", `process ${entry.pid}`, () => {});
  } catch (error) {
    void entry.end();
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
function checkAlone({ planned: { plan } }: Prepared): void {
  if (plan.setup.namespaces.flags === 0) return;
  const why = "the process is there already, and options.namespaces is for one that is made: it is an option of host.create()";
  throw new UnsupportedError("namespaces-embryo", `cannot spawn ${showText(plan.file)}: ${why}`);
}
