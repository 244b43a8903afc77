/**
 * One spawn host: its process, which is a child of ours, and the link to it.
 */

import { closeSync, openSync } from "node:fs";
import type { Containment } from "../contain/containment.js";
import { launchContained, launchContainedBy, meansOf } from "../contain/launch.js";
import { readContain } from "../contain/options.js";
import { HostError, UnsupportedError } from "../errors.js";
import { EMFILE, ENFILE, ENOMEM, errnoName, errnoWords } from "../kernel/errno.js";
import { describeState } from "../kernel/events.js";
import { monitor } from "../kernel/monitor.js";
import { launch } from "../launch/direct.js";
import { LAUNCH, notMade, type Sight } from "../launch/failure.js";
import { HostLauncher } from "../launch/host-launcher.js";
import { HostLink } from "../launch/host-link.js";
import type { Launched } from "../launch/launcher.js";
import { addon, hostPath, RUNGS } from "../native/addon.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, type SpawnOptions } from "../process/options.js";
import { type Prepared, prepare } from "../process/spawn.js";
import type { Elsewhere } from "../program/compile.js";
import { INPUT } from "../program/plan.js";
import type { OwnOptions } from "./options.js";

/** Of host.c: the fd of its socket. */
const HOST_SOCKET = 3;

/** What a host process is to be. */
export interface HostPlan {
  /** Of its own start. */
  options: OwnOptions;
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
      const { planned, cleanup } = prepared;
      const contain = containOf(plan);
      // What starts from our directory is to be found as we find it.
      const sight = sightFrom(plan, plan.elsewhere().callers === undefined ? "absolute" : "all");
      if (contain === undefined) return new HostProcess(plan, prepared, launch(planned, cleanup, undefined, true), sight);
      const { launched, containment } = launchContained(planned, cleanup, contain, true);
      return new HostProcess(plan, prepared, launched, sight, containment);
    });
  }

  /** Starts one as a child of this process by another host. */
  static async startThrough(launcher: HostLauncher, plan: HostPlan): Promise<HostProcess> {
    const { prepared, launching } = withProgram(plan, (made) => {
      const { planned, cleanup } = made;
      const contain = containOf(plan);
      const starting =
        contain === undefined
          ? launcher.launch(planned, cleanup).then((launched) => ({ launched, containment: undefined }))
          : launchContainedBy(launcher, planned, cleanup, contain);
      return { prepared: made, launching: starting };
    });
    const { launched, containment } = await launching;
    return new HostProcess(plan, prepared, launched, sightFrom(plan, launcher.sight), containment);
  }

  private constructor(plan: HostPlan, prepared: Prepared, launched: Launched, sight: Sight, containment?: Containment) {
    const { pipes } = launched;
    this.child = prepared.child({ ...launched, pipes: [] }, containment).unref();
    const [socket] = pipes;
    this.link = new HostLink(socket?.index ?? -1, launched.index, "the spawn host", () => {
      void this.launcher.close();
      this.child[Symbol.dispose]();
    });
    void this.child.exited.then(() => this.link.left());
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
    await Promise.all([this.child.closed, this.launcher.close()]);
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

/** How the host's own process is contained. Without `contain` a pid namespace makes it that one's init. */
function containOf({ options }: HostPlan): ReturnType<typeof readContain> {
  return options.contain ? readContain(options) : undefined;
}

/** What a host is told by whose parent a keeper is: its client's number, as it sees it. */
function wordsFor(plan: HostPlan): string[] {
  const contain = containOf(plan);
  const means = contain === undefined ? undefined : meansOf(contain);
  if (means === "keeper") return ["relay", "client", String(process.pid)];
  if (means === "namespace") return ["relay", "client", "0"];
  return plan.relay ? ["relay"] : [];
}

/** Prepares the start of the program, whose file is open meanwhile: it is executed by its fd. */
function withProgram<Result>(plan: HostPlan, body: (prepared: Prepared) => Result): Result {
  const path = hostPath();
  const words = [...wordsFor(plan), ...(addon().probe() === RUNGS[0] ? [] : ["clone"])];
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

/** Of these errors the next attempt may know nothing. */
const PASSING = [ENOMEM, ENFILE, EMFILE];

function openProgram(path: string): number {
  try {
    return openSync(path, "r");
  } catch (error) {
    const { errno = 0 } = error as NodeJS.ErrnoException;
    if (PASSING.includes(-errno)) throw notMade({ file: path }, "host", error as NodeJS.ErrnoException);
    const why = error instanceof Error ? error.message : String(error);
    throw new UnsupportedError("host", `cannot open brood's spawn host: ${why}`, { cause: error });
  }
}
