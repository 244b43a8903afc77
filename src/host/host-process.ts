/**
 * One spawn host: its process, which is a child of ours, and the link to it.
 */

import { closeSync, openSync } from "node:fs";
import { HostError, UnsupportedError } from "../errors.js";
import { errnoName, errnoWords } from "../kernel/errno.js";
import { describeState } from "../kernel/events.js";
import { monitor } from "../kernel/monitor.js";
import { launch } from "../launch/direct.js";
import { LAUNCH, type Sight } from "../launch/failure.js";
import { HostLauncher } from "../launch/host-launcher.js";
import { HostLink } from "../launch/host-link.js";
import type { Launched } from "../launch/launcher.js";
import { addon, hostPath, RUNGS } from "../native/addon.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, type SpawnOptions } from "../process/options.js";
import { type Prepared, prepare } from "../process/spawn.js";
import type { Elsewhere } from "../program/compile.js";
import type { ProgramOptions } from "../program/options.js";
import { INPUT } from "../program/plan.js";

/** Of host.c: the fd of its socket. */
const HOST_SOCKET = 3;

/** What a host process is to be. */
export interface HostPlan {
  /** Of its own start. */
  options: ProgramOptions;
  /** It is itself the parent of what it starts. */
  relay: boolean;
  /** What each of its children takes over from us. */
  elsewhere: () => Elsewhere;
}

export class HostProcess {
  readonly launcher: HostLauncher;
  readonly link: HostLink;
  readonly child: Child<SpawnOptions>;
  /** Settles when it has answered the greeting, or can't any more. It serves already. */
  readonly ready: Promise<void>;
  /** Whether what it starts are its own children. Known when it is ready. */
  relayed = false;

  /** Starts one as a child of this process, at once. */
  static start(plan: HostPlan): HostProcess {
    return withProgram(plan, (prepared) => {
      const launched = launch(prepared.planned, prepared.cleanup, undefined, true);
      // What starts from our directory is to be found as we find it.
      const sight = plan.elsewhere().callers === undefined ? "absolute" : "all";
      return new HostProcess(plan, prepared, launched, sightFrom(plan, sight));
    });
  }

  /** Starts one as a child of this process by another host. */
  static async startThrough(launcher: HostLauncher, plan: HostPlan): Promise<HostProcess> {
    const { prepared, launching } = withProgram(plan, (made) => ({
      prepared: made,
      launching: launcher.launch(made.planned, made.cleanup),
    }));
    return new HostProcess(plan, prepared, await launching, sightFrom(plan, launcher.sight));
  }

  private constructor(plan: HostPlan, prepared: Prepared, { index, pid, pipes }: Launched, sight: Sight) {
    this.child = prepared.child({ index, pid, pipes: [] }).unref();
    const [socket] = pipes;
    this.link = new HostLink(socket?.index ?? -1, false, "the spawn host", () => this.child[Symbol.dispose]());
    this.launcher = new HostLauncher(this.link, plan.elsewhere, sight);
    this.ready = this.#greet();
    this.ready.catch(() => {});
  }

  get ended(): boolean {
    return this.link.ended;
  }

  /** Ends it. What is under way fails; its children go on. */
  async end(): Promise<void> {
    this.link.close();
    await this.child.closed;
  }

  async #greet(): Promise<void> {
    try {
      const { failure, rest } = await this.link.greeted();
      const errno = rest[0] ?? 0;
      if (failure !== LAUNCH.ok) {
        throw new HostError(`cannot start a spawn host: ${errnoWords(errno)}`, errnoName(errno), { stage: "host", errno });
      }
      this.relayed = rest[2] === 1;
    } catch (error) {
      this.link.close();
      if (!(error instanceof HostError) || error.code !== "ERR_HOST_ENDED") throw error;
      // The child does not hold the event loop, and somebody waits for this.
      monitor().hold();
      const exit = await this.child.exited;
      monitor().release();
      const message = `cannot start a spawn host: ${hostPath()} ${describeState(exit)}`;
      throw new HostError(message, "ERR_HOST_ENDED", { stage: "host", errno: 0 }, { cause: error });
    }
  }
}

/** Which paths of a host's children are ours, too. Its directory is its own; in a mount namespace others may be mounted. */
function sightFrom({ options: { chroot, namespaces } }: HostPlan, from: Sight): Sight {
  return chroot === undefined && namespaces?.includes("mount") !== true ? from : "none";
}

/** Prepares the start of the program, whose file is open meanwhile: it is executed by its fd. */
function withProgram<Result>(plan: HostPlan, body: (prepared: Prepared) => Result): Result {
  const path = hostPath();
  const words = [...(plan.relay ? ["relay"] : []), ...(addon().probe() === RUNGS[0] ? [] : ["clone"])];
  const prepared = prepare(
    path,
    words,
    {
      // What we ignore the children find ignored, as if they were cloned from here.
      restoreSignals: false,
      ...plan.options,
      argv0: "brood-host",
      env: {},
      extendEnv: false,
      // It lives as long as its socket, and every polite signal is blocked in it.
      killSignal: "SIGKILL",
      forceKillAfterDelay: false,
    },
    ["ignore", "ignore", "ignore"],
    DRAIN_TO_THE_END,
  );
  const { plan: made } = prepared.planned;
  const { inputs, entries } = made.setup.fds;
  const fds = {
    ...made.setup.fds,
    inputs: [...inputs, { kind: INPUT.packets, target: HOST_SOCKET }],
    entries: [...entries, { target: HOST_SOCKET, source: { from: "input" as const, input: inputs.length } }],
  };
  const file = openProgram(path);
  try {
    const setup = { ...made.setup, common: false, byFd: file, fds };
    return body({ ...prepared, planned: { ...prepared.planned, plan: { ...made, setup } } });
  } finally {
    closeSync(file);
  }
}

function openProgram(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new UnsupportedError("host", `cannot open brood's spawn host: ${why}`, { cause: error });
  }
}
