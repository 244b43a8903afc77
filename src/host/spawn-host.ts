/**
 * Spawn hosts: small processes from which children are started, that are children of this process all the same.
 */

import { inspect } from "node:util";
import { launchContainedBy } from "../contain/launch.js";
import type { ContainPlan } from "../contain/options.js";
import { HostError, invalidState, SpawnError, UnsupportedError, wrongType } from "../errors.js";
import { monitor } from "../kernel/monitor.js";
import { plan } from "../launch/direct.js";
import { hostEnded, hostNotStarted } from "../launch/failure.js";
import type { Launcher } from "../launch/launcher.js";
import { hostPath } from "../native/addon.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, type RunOptions, readArguments, SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import { type RunResult, runBy } from "../process/run.js";
import { PIPES, type Prepared, prepare, startBy } from "../process/spawn.js";
import type { Elsewhere } from "../program/compile.js";
import type { Planned } from "../program/make-plan.js";
import { NO_NAMESPACES } from "../program/namespaces.js";
import type { PathLike, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import { Embryo } from "./embryo.js";
import { type HostPlan, HostProcess } from "./host-process.js";
import { namespacesOf } from "./namespaces.js";
import { type CreateOptions, type HostOptions, readCreateOptions, readHostOptions } from "./options.js";

/** Where a child starts from what its host has. */
const ITS_OWN: Elsewhere = {};

/** The end of life of what has not exec'ed is ours to decide: without a scope it ends with us. */
const ENDS_WITH_US = { signal: 9, grace: -1 };

interface Created {
  embryo: Embryo;
  planned: Planned;
}

/**
 * Is a process of ours that starts children for us. Made by `SpawnHost.start`.
 *
 * A child starts from what the host has: user, directory, umask, limits, namespaces; its environment and the fds that it
 * is given are ours. It is our child: `Child` is the same as `spawn` gives. A spawn through a host never blocks the event
 * loop, and costs the same whatever the size of this process.
 */
export class SpawnHost {
  readonly #plan: HostPlan;
  readonly #restart: boolean;
  readonly #through: SpawnHost | undefined;
  #process: HostProcess | undefined;
  #starting: Promise<HostProcess> | undefined;
  #started = false;
  #disposed = false;

  /** Not for users: `SpawnHost.start` makes one. The process is started by the first request. */
  constructor(plan: HostPlan, restart = true, through?: SpawnHost) {
    if (plan === undefined) throw wrongType("a SpawnHost", "made by SpawnHost.start()", plan);
    this.#plan = plan;
    this.#restart = restart;
    this.#through = through;
  }

  /**
   * Starts a host.
   *
   * @throws SpawnError: its process could not be started, with the stage. HostError: it did not come up. UnsupportedError:
   * `through` names a relay, whose children aren't ours. TypeError, RangeError: the call is wrong.
   */
  static async start(options?: HostOptions): Promise<SpawnHost> {
    const { own, through, relay, restart } = readHostOptions(options);
    if (through !== undefined && !(through instanceof SpawnHost)) throw wrongType("options.through", "a SpawnHost", through);
    namespacesOf(own.namespaces, "options.namespaces");
    const plan = { options: own, relay, elsewhere: () => ITS_OWN };
    const host = new SpawnHost(plan, restart, through);
    await (await host.#serving()).ready;
    return host;
  }

  /** The host's process id; null while there is none. */
  get pid(): number | null {
    return this.#process === undefined || this.#process.ended ? null : this.#process.child.pid;
  }

  /** Whether the host itself is the parent of what it starts, because it was asked to be or is a pid namespace's init. */
  get relay(): boolean {
    return this.#process?.relayed ?? this.#plan.relay;
  }

  /**
   * Starts a child through the host. Takes what `spawn` takes; what it is given is copied, and the environment read,
   * before this returns.
   *
   * @throws SpawnError: with stage "host" and code ERR_HOST_ENDED if the host ended meanwhile. The rest as `spawn`.
   */
  spawn<const Options extends SpawnOptions = object>(file: PathLike, options?: Options): Promise<Child<Options>>;
  spawn<const Options extends SpawnOptions = object>(
    file: PathLike,
    args: readonly TextLike[] | undefined,
    options?: Options,
  ): Promise<Child<Options>>;
  spawn(file: PathLike, args?: unknown, options?: unknown): Promise<Child<SpawnOptions>> {
    // Not an async function: see startBy(). It fails by rejection all the same.
    try {
      const call = readArguments<SpawnOptions>(args, options, SPAWN_OPTION_NAMES);
      return this.#start(file, call.args, call.options, PIPES, DRAIN_TO_THE_END);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Runs a command through the host. As `run`. */
  run<const Options extends RunOptions = object>(file: PathLike, options?: Options): Promise<RunResult<Options>>;
  run<const Options extends RunOptions = object>(
    file: PathLike,
    args: readonly TextLike[] | undefined,
    options?: Options,
  ): Promise<RunResult<Options>>;
  async run(file: PathLike, args?: unknown, options?: unknown): Promise<unknown> {
    return runBy((...call) => this.#start(...call), file, args, options);
  }

  /**
   * Creates a process that has not exec'ed: a copy of the host, which takes steps one at a time, as it is told. With `contain`
   * it is contained from its creation on, and with it all that it starts when it has exec'ed.
   *
   * @throws HostError: the host has ended (ERR_HOST_ENDED), or no process could be created (stage "clone", "cgroup", "keeper").
   * UnsupportedError: that means of containing is not to be had.
   */
  async create(options: CreateOptions = {}): Promise<Embryo> {
    const { contain, flags } = readCreateOptions(options);
    try {
      const { embryo } = await this.#create(withoutProgram(flags), contain);
      return embryo;
    } catch (error) {
      throw notCreated(error);
    }
  }

  /** JSON of what is known of it. */
  toJSON(): { pid: number | null; relay: boolean } {
    return { pid: this.pid, relay: this.relay };
  }

  /** What `util.inspect` shows of it, on one line. */
  [inspect.custom](): string {
    return `SpawnHost { ${this.pid === null ? "not running" : `pid ${this.pid}`}${this.relay ? ", relay" : ""} }`;
  }

  /** @internal Starts a child whose call is checked already. */
  launch(prepared: Prepared): Promise<Child<SpawnOptions>> {
    const fail = (error: unknown): never => {
      throw notServed(prepared.planned.plan, error);
    };
    let serving: HostProcess | Promise<HostProcess>;
    try {
      serving = this.#serving();
    } catch (error) {
      return fail(error);
    }
    if (serving instanceof HostProcess) return startBy(serving.launcher, prepared);
    return serving.then(({ launcher }) => startBy(launcher, prepared), fail);
  }

  /** @internal Creates a process for a spawn; gives what is planned of that: to be contained may have changed it. */
  async createFor({ planned, life }: Prepared): Promise<Created> {
    try {
      return await this.#create(planned, life.contain);
    } catch (error) {
      throw notServed(planned.plan, error);
    }
  }

  /** Ends the host. What is under way fails; children that live go on, and stay ours. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#disposed = true;
    const starting = this.#starting;
    if (starting !== undefined) await starting.catch(() => {});
    const process = this.#process;
    if (process === undefined) return;
    monitor().hold();
    await process.end();
    monitor().release();
  }

  /** @internal Ends the host when it has served what is under way. */
  retire(): void {
    this.#disposed = true;
    this.#process?.link.retire();
  }

  /** Ends the host; it is reaped in the background. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#process?.link.close();
  }

  #start(...[file, args, options, defaults, drain]: Parameters<typeof prepare>): Promise<Child<SpawnOptions>> {
    return this.launch(prepare(file, args, options, defaults, drain));
  }

  async #create(planned: Planned, contain: ContainPlan | undefined): Promise<Created> {
    const serving = this.#serving();
    const { launcher } = serving instanceof HostProcess ? serving : await serving;
    const { maps } = planned.plan.setup.namespaces;
    if (contain === undefined) {
      const embryo = new Embryo({ launched: await launcher.create(planned, ENDS_WITH_US) });
      if (maps !== undefined) await embryo.entered(planned.plan);
      return { embryo, planned };
    }
    let made = planned;
    const creator: Launcher = {
      launch(given, cleanup, enclosure) {
        made = given;
        return launcher.create(given, cleanup, enclosure);
      },
    };
    const { launched, containment } = await launchContainedBy(creator, planned, ENDS_WITH_US, contain);
    const { by } = containment;
    // Its group is its own affair until it execs.
    const held = by === "group" ? undefined : containment;
    const embryo = new Embryo({ launched, containment: held, contain: { ...contain, means: by } });
    // A keeper has done it for both.
    if (by === "cgroup" || (by === "group" && maps !== undefined)) await embryo.entered(planned.plan);
    return { embryo, planned: made };
  }

  /** The host that serves now; synchronous where it can be, so that a request is sent in the turn of its call. */
  #serving(): HostProcess | Promise<HostProcess> {
    if (this.#disposed) throw disposedOf();
    if (this.#process !== undefined && !this.#process.ended) return this.#process;
    if (this.#starting !== undefined) return this.#starting;
    if (this.#started && !this.#restart) {
      throw new HostError("the spawn host has ended, and may not be started again (restart: false)", "ERR_HOST_ENDED", {
        stage: "host",
        errno: 0,
      });
    }
    this.#started = true;
    if (this.#through === undefined) {
      this.#process = HostProcess.start(this.#plan);
      return this.#process;
    }
    this.#starting = this.#startThrough(this.#through).finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #startThrough(through: SpawnHost): Promise<HostProcess> {
    const serving = through.#serving();
    const other = serving instanceof HostProcess ? serving : await serving;
    await other.ready;
    if (other.relayed) {
      throw new UnsupportedError(
        "host-through-relay",
        "cannot start a spawn host through a relay: what it starts would not be children of this process",
      );
    }
    this.#process = await HostProcess.startThrough(other.launcher, this.#plan);
    if (this.#disposed) {
      this.#process.link.close();
      throw disposedOf();
    }
    return this.#process;
  }
}

function disposedOf(): Error {
  return invalidState("the spawn host was disposed of");
}

/** Makes the error of a spawn that no host serves; one that is about that spawn already stays as it is. */
function notServed(plan: Plan, error: unknown): unknown {
  if (error instanceof HostError && error.code === "ERR_HOST_ENDED") return hostEnded(plan, error);
  return error instanceof SpawnError && error.file !== plan.file ? hostNotStarted(plan, error) : error;
}

let unprogrammed: Planned | undefined;

/** Gives what is planned of a process that is to execute nothing yet. Its id maps are left to whoever creates it. */
function withoutProgram(flags: number): Planned {
  unprogrammed ??= plan(hostPath(), [], {}, PIPES);
  if (flags === 0) return unprogrammed;
  const setup = { ...unprogrammed.plan.setup, namespaces: { ...NO_NAMESPACES, flags } };
  return { ...unprogrammed, plan: { ...unprogrammed.plan, setup } };
}

/** Makes the error of a process that is to be created of that of a spawn. */
function notCreated(error: unknown): unknown {
  if (!(error instanceof SpawnError)) return error;
  if (error.cause instanceof HostError && error.code === "ERR_HOST_ENDED") return error.cause;
  const { stage, errno, code } = error;
  const why = error.message.replace(/^cannot spawn "[^"]*": /, "");
  return new HostError(`cannot create a process: ${why}`, code, { stage, errno }, { cause: error });
}
