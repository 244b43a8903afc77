/**
 * How a process that has not exec'ed is contained: as it was created, or from its exec on, by what can still be had then. It starts
 * nothing before that, so that its group, and a cgroup that it goes to, hold as much as those that it would have been born in;
 * a keeper would have to be its parent.
 */

import type { Containment } from "../contain/containment.js";
import { launchContainedBy } from "../contain/launch.js";
import { type ContainPlan, readContain } from "../contain/options.js";
import { conflict, UnsupportedError } from "../errors.js";
import { showText } from "../launch/failure.js";
import { enter } from "../launch/host-requests.js";
import type { Cleanup, Launched, Launcher } from "../launch/launcher.js";
import type { SpawnOptions } from "../process/options.js";
import type { Planned } from "../program/make-plan.js";
import type { Plan } from "../program/plan.js";
import type { EmbryoEntry } from "./embryo-entry.js";
import type { Reached } from "./steps.js";

/**
 * Gives the options of an exec of what is contained already: the same means, and what becomes of descendants where they don't say.
 *
 * @throws TypeError ERR_OPTION_CONFLICT: they ask for other means, or limits.
 */
export function asCreated(created: ContainPlan | undefined, options: SpawnOptions): SpawnOptions {
  if (created === undefined) return options;
  const { contain = created.means, descendants = created.descendants } = options;
  const asked = readContain({ ...options, contain, descendants });
  if (asked === undefined || (asked.means !== "auto" && asked.means !== created.means))
    throw conflict(
      `this process is contained by "${created.means}": options.contain can't be ${JSON.stringify(contain)} any more`,
    );
  for (const [file, value] of asked.limits) {
    if (created.limits.get(file) !== value) throw conflict(`this process is contained already: its ${file} can't be another`);
  }
  return { ...options, contain: created.means, descendants };
}

/** How a process is contained from its exec on, whose plan this is. */
interface Held {
  plan: Plan;
  containment: Containment;
  /** How it is contained from now on, also if it does not exec. */
  contain?: ContainPlan;
}

/**
 * Contains a process that is about to exec.
 *
 * @throws UnsupportedError: by that means it would have to be created; SpawnError. It is where it was, then.
 */
export async function containAtExec(
  entry: EmbryoEntry,
  { link, session, group }: Reached,
  planned: Planned,
  cleanup: Cleanup,
  contain: ContainPlan,
): Promise<Held> {
  const { plan } = planned;
  const { setup } = plan;
  if (entry.containment !== undefined) return { plan, containment: entry.containment };
  let changed = false;
  const asItIs = {
    ...planned,
    plan: { ...plan, setup: { ...setup, session: setup.session || session, processGroup: setup.processGroup ?? group } },
  };
  const launcher: Launcher = {
    async launch(given, _cleanup, enclosure): Promise<Launched> {
      if (enclosure?.keeper !== undefined) throw hasItsParent(plan, enclosure.keeper.role);
      if (enclosure !== undefined) await enter(link, plan, enclosure);
      changed = given !== asItIs;
      return { index: entry.index, pid: entry.pid, pipes: [] };
    },
  };
  const { containment } = await launchContainedBy(launcher, asItIs, cleanup, contain);
  // Until then it may still be put in another.
  if (containment.by === "group") return { plan: changed ? leadingOne(plan) : plan, containment };
  entry.contain(containment);
  return { plan, containment, contain: { ...contain, means: containment.by } };
}

function leadingOne(plan: Plan): Plan {
  return { ...plan, setup: { ...plan.setup, common: false, processGroup: 0 } };
}

function hasItsParent({ file }: Plan, role: "keep" | "init"): UnsupportedError {
  const means = role === "init" ? "a pid namespace" : "a keeper";
  const why = `the process is there already, and ${means} has to be there first: options.contain is one of host.create(), too`;
  return new UnsupportedError("contain-embryo", `cannot contain ${showText(file)} by ${means}: ${why}`);
}
