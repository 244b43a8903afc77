/**
 * Starts a contained command by the means that was asked for, or the strongest at hand.
 */

import { accessSync, closeSync, constants, openSync } from "node:fs";
import { BroodError, type SpawnError, UnsupportedError } from "../errors.js";
import { EPERM, EXDEV } from "../kernel/errno.js";
import { launch } from "../launch/direct.js";
import { facts } from "../launch/facts.js";
import { notMade } from "../launch/failure.js";
import type { Cleanup, Enclosure, Launched, Launcher } from "../launch/launcher.js";
import { keeperPath } from "../native/addon.js";
import type { Planned } from "../program/make-plan.js";
import { mapIds, NAMESPACES } from "../program/namespaces.js";
import type { Means } from "../states.js";
import { CgroupContainment, discardLeaf } from "./cgroup.js";
import { cgroupBase } from "./cgroup-base.js";
import { type Controller, NoPlace } from "./cgroup-place.js";
import type { Containment } from "./containment.js";
import { GroupContainment } from "./group.js";
import { KeptContainment } from "./keeper.js";
import type { ContainPlan } from "./options.js";
import { checkOwnProc, checkReadableProc } from "./processes.js";

export interface Started {
  launched: Launched;
  containment: Containment;
}

/** Where a command is launched from: here, or a spawn host. */
type From = "here" | "host";

/** What is to be launched, one after the other, until one is; a launch that fails is thrown into it. */
type Steps = Generator<{ planned: Planned; enclosure?: Enclosure }, Started, Launched>;

type Begin = (planned: Planned, plan: ContainPlan, from: From) => Steps;

const BEGIN: Record<Means, Begin> = {
  *cgroup(planned, { limits, controllers }, from) {
    const made = <Made>(make: () => Made): Made => orNotMade(planned, make);
    const leaf = made(() => cgroup(controllers).leaf(limits));
    const fds: number[] = [];
    const open = (path: string, flags: number): number => {
      const fd = made(() => openSync(path, flags));
      fds.push(fd);
      return fd;
    };
    try {
      const directory = open(leaf, constants.O_RDONLY | constants.O_DIRECTORY);
      // A host of another user may not move processes there, but by what we have opened.
      const procs = from === "host" ? open(`${leaf}/cgroup.procs`, constants.O_WRONLY) : undefined;
      const launched = yield { planned, enclosure: { cgroup: directory, procs } };
      return { launched, containment: new CgroupContainment(launched.pid, leaf) };
    } catch (error) {
      discardLeaf(leaf);
      throw error;
    } finally {
      for (const fd of fds) closeSync(fd);
    }
  },
  *keeper(planned, _plan, from) {
    ownProc();
    try {
      return kept("keeper", yield { planned, enclosure: { keeper: { path: programOf(from), role: "keep" } } });
    } catch (error) {
      const { stage, errno } = error as Partial<SpawnError>;
      if (stage !== "keeper" || errno !== EXDEV) throw error;
      const why = "cannot contain by a keeper: the spawn host is in a pid namespace of which there is no /proc";
      throw new UnsupportedError("keeper", why, { cause: error });
    }
  },
  *namespace(planned, _plan, from) {
    const keeper = { path: programOf(from), role: "init" } as const;
    const { flags, maps } = planned.plan.setup.namespaces;
    const pid = flags | NAMESPACES.pid;
    // root of a container, say, without the privilege for the one, may have that for the other. Of a host it isn't known.
    const without = maps === undefined && (from === "host" || facts.identity().uid === 0);
    let refused: unknown;
    for (const user of without ? [false, true] : [true]) {
      const own = user ? (maps ?? mapIds(undefined, undefined, facts)) : undefined;
      try {
        return kept(
          "namespace",
          yield { planned, enclosure: { keeper, namespaces: user ? pid | NAMESPACES.user : pid, maps: own } },
        );
      } catch (error) {
        if (!isRefused(error)) throw error;
        refused = error;
      }
    }
    throw noNamespace(refused);
  },
  *group(given) {
    const planned = inOwnGroup(given);
    const launched = yield { planned };
    return { launched, containment: new GroupContainment(launched.pid, planned.plan.setup.session) };
  },
};

/** Makes something of a cgroup. A system call that fails is an error of the spawn. */
function orNotMade<Made>({ plan }: Planned, make: () => Made): Made {
  try {
    return make();
  } catch (error) {
    if (error instanceof BroodError || (error as NodeJS.ErrnoException).syscall === undefined) throw error;
    throw notMade(plan, "cgroup", error as NodeJS.ErrnoException);
  }
}

/** What is held by a group leads one; the leader of a session leads its group. */
function inOwnGroup(planned: Planned): Planned {
  checkOwnProc("contain by a process group", "group");
  const { setup } = planned.plan;
  if (setup.session || setup.processGroup === 0) return planned;
  if (setup.processGroup !== undefined) {
    const why = "only a process group could hold what it starts here, and it is to join the group of another";
    throw new UnsupportedError("contain", `cannot contain ${JSON.stringify(planned.plan.file)}: ${why}`);
  }
  return { ...planned, plan: { ...planned.plan, setup: { ...setup, common: false, processGroup: 0 } } };
}

/** Gives the means that a plan takes. */
export function meansOf({ means }: ContainPlan): Means {
  return means === "auto" ? strongest() : means;
}

function* begin(planned: Planned, plan: ContainPlan, from: From): Steps {
  checkReadableProc();
  const means = meansOf(plan);
  try {
    return yield* BEGIN[means](planned, plan, from);
  } catch (error) {
    // "auto" takes what can be had where the host is, too.
    if (plan.means !== "auto" || means === "group" || !(error instanceof UnsupportedError)) throw error;
    return yield* BEGIN.group(planned, plan, from);
  }
}

/**
 * Starts a command contained.
 *
 * @throws UnsupportedError: that means is not to be had here; says what is missing. SpawnError. Error ERR_ACCESS_DENIED: Node's
 * permission model keeps /proc from us.
 */
export function launchContained(planned: Planned, cleanup: Cleanup, plan: ContainPlan, lasting = false): Started {
  const steps = begin(planned, plan, "here");
  let step = steps.next();
  while (!step.done) {
    let launched: Launched;
    try {
      launched = launch(step.value.planned, cleanup, step.value.enclosure, lasting);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(launched);
  }
  return step.value;
}

/** The same by a launcher that does not block. It must be watched in the very turn in which this settles. */
export async function launchContainedBy(
  launcher: Launcher,
  planned: Planned,
  cleanup: Cleanup,
  plan: ContainPlan,
): Promise<Started> {
  const steps = begin(planned, plan, "host");
  let step = steps.next();
  while (!step.done) {
    let launched: Launched;
    try {
      launched = await launcher.launch(step.value.planned, cleanup, step.value.enclosure);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(launched);
  }
  return step.value;
}

let best: Means | undefined;

/** Whether each can be had is found once: by making what it needs. "namespace" changes what the command sees. */
function strongest(): Means {
  best ??= (["cgroup", "keeper"] as const).find((means) => {
    try {
      if (means === "cgroup") cgroup([]);
      else {
        ownProc();
        keeper();
      }
      return true;
    } catch (error) {
      if (error instanceof UnsupportedError) return false;
      throw error;
    }
  });
  return best ?? "group";
}

function cgroup(controllers: readonly Controller[]): ReturnType<typeof cgroupBase> {
  keeper(); // its watcher is the same program
  try {
    return cgroupBase(controllers);
  } catch (error) {
    if (!(error instanceof NoPlace)) throw error;
    throw new UnsupportedError("cgroup", `cannot contain by a cgroup: ${error.message}`, { cause: error });
  }
}

/** A keeper finds what it keeps in /proc. */
function ownProc(): void {
  checkOwnProc("contain by a keeper", "keeper");
}

function keeper(): string {
  const path = keeperPath();
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    throw new UnsupportedError("keeper", `cannot contain: brood's keeper ${path} can't be executed`, { cause: error });
  }
  return path;
}

/** A host's own program is a keeper's, too. */
function programOf(from: From): string {
  return from === "host" ? "" : keeper();
}

function kept(by: "keeper" | "namespace", launched: Launched): Started {
  const { keeper: entry } = launched;
  if (entry === undefined) throw new Error("a keeper was asked for");
  return { launched, containment: new KeptContainment(by, launched, entry) };
}

function isRefused(error: unknown): boolean {
  const { stage, errno } = error as Partial<SpawnError>;
  return (stage === "clone" || stage === "idMap") && errno === EPERM;
}

function noNamespace(error: unknown): UnsupportedError {
  const why = "cannot contain by a pid namespace: this needs privileges (CAP_SYS_ADMIN), or user namespaces, which are refused";
  return new UnsupportedError("pid-namespace", why, { cause: error });
}
