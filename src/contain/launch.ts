/**
 * Starts a contained command by the means that was asked for, or the strongest at hand.
 */

import { accessSync, closeSync, constants, openSync } from "node:fs";
import { type SpawnError, UnsupportedError } from "../errors.js";
import { EPERM } from "../kernel/errno.js";
import { launch } from "../launch/direct.js";
import { facts } from "../launch/facts.js";
import type { Cleanup, Launched } from "../launch/launcher.js";
import { keeperPath } from "../native/addon.js";
import type { Planned } from "../program/make-plan.js";
import { mapIds, NAMESPACES } from "../program/namespaces.js";
import type { Means } from "../states.js";
import { CgroupContainment } from "./cgroup.js";
import { cgroupBase } from "./cgroup-base.js";
import { type Controller, NoPlace, removeTree } from "./cgroup-place.js";
import type { Containment } from "./containment.js";
import { GroupContainment } from "./group.js";
import { KeptContainment } from "./keeper.js";
import type { ContainPlan } from "./options.js";
import { checkOwnProc } from "./processes.js";

export interface Started {
  launched: Launched;
  containment: Containment;
}

type Start = (planned: Planned, cleanup: Cleanup, plan: ContainPlan) => Started;

const START: Record<Means, Start> = {
  cgroup(planned, cleanup, { limits, controllers }) {
    const leaf = cgroup(controllers).leaf(limits);
    try {
      const fd = openSync(leaf, constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        const launched = launch(planned, cleanup, { cgroup: fd });
        return { launched, containment: new CgroupContainment(launched.pid, leaf) };
      } finally {
        closeSync(fd);
      }
    } catch (error) {
      removeTree(leaf);
      throw error;
    }
  },
  keeper(planned, cleanup) {
    ownProc();
    const launched = launch(planned, cleanup, { keeper: { path: keeper(), role: "keep" } });
    return kept("keeper", launched);
  },
  namespace(planned, cleanup) {
    const role = { path: keeper(), role: "init" } as const;
    const { flags, maps } = planned.plan.setup.namespaces;
    const namespaces = flags | NAMESPACES.pid;
    const attempt = (user: boolean): Launched =>
      launch(planned, cleanup, {
        keeper: role,
        namespaces: user ? namespaces | NAMESPACES.user : namespaces,
        maps: maps ?? (user ? mapIds(undefined, undefined, facts) : undefined),
      });
    const privileged = facts.identity().uid === 0;
    try {
      return kept("namespace", attempt(!privileged || maps !== undefined));
    } catch (error) {
      if (!isRefused(error)) throw error;
      // root of a container, say, without the privilege for the one, may have that for the other.
      if (!privileged) throw noNamespace(error);
      try {
        return kept("namespace", attempt(true));
      } catch (again) {
        throw isRefused(again) ? noNamespace(again) : again;
      }
    }
  },
  group(given, cleanup) {
    const planned = inOwnGroup(given);
    const launched = launch(planned, cleanup);
    return { launched, containment: new GroupContainment(launched.pid, planned.plan.setup.session) };
  },
};

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

/**
 * Starts a command contained.
 *
 * @throws UnsupportedError: that means is not to be had here; says what is missing. SpawnError.
 */
export function launchContained(planned: Planned, cleanup: Cleanup, plan: ContainPlan): Started {
  return START[plan.means === "auto" ? strongest() : plan.means](planned, cleanup, plan);
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
