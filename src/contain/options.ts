/**
 * The options that say how a command is contained, and their checks.
 */

import { conflict, outOfRange, wrongType, wrongValue } from "../errors.js";
import { checkInteger } from "../program/validate.js";
import type { Means } from "../states.js";
import type { Controller } from "./cgroup-place.js";

/** Options about what a command starts. */
export interface ContainOptions {
  /**
   * What is to hold everything that the command starts, so that nothing of it is left: "auto" takes the strongest means at
   * hand ("cgroup", then "keeper", then "group"), or one is asked for by name. Default false: nothing.
   */
  contain?: "auto" | Means | false | undefined;
  /**
   * What becomes of those that outlive a contained command that has ended by itself: "kill" (default) ends them, after 500
   * ms in which they may end by themselves; "wait" waits for them, and `closed` with it; "leave" lets them live on.
   */
  descendants?: "kill" | "wait" | "leave" | undefined;
  /** The most memory that the command and all it starts may use together, in bytes. Needs a cgroup. memory.max */
  memoryMax?: number | undefined;
  /** The most processes and threads of all of it at a time. Needs a cgroup. pids.max */
  pidsMax?: number | undefined;
  /** The most CPUs that all of it may use together; 0.5 is half of one. Needs a cgroup. cpu.max */
  cpuMax?: number | undefined;
}

export const CONTAIN_OPTION_NAMES = Object.keys({
  contain: 0,
  descendants: 0,
  memoryMax: 0,
  pidsMax: 0,
  cpuMax: 0,
} satisfies Record<keyof ContainOptions, 0>);

/** How a command is to be contained. */
export interface ContainPlan {
  means: "auto" | Means;
  descendants: "kill" | "wait" | "leave";
  /** By the names of files in a cgroup. */
  limits: ReadonlyMap<string, string>;
  controllers: readonly Controller[];
}

const MEANS: readonly unknown[] = ["auto", "cgroup", "keeper", "namespace", "group"] satisfies ("auto" | Means)[];
const POLICIES: readonly unknown[] = ["kill", "wait", "leave"];

/** The part of the other options that containing has to do with. */
interface Others {
  detached?: boolean | undefined;
  cleanup?: boolean | undefined;
  processGroup?: "new" | number | undefined;
  namespaces?: readonly string[] | undefined;
}

/** Checks these options. Undefined: nothing is contained. */
export function readContain(options: ContainOptions & Others): ContainPlan | undefined {
  const { contain, descendants, detached, cleanup, processGroup } = options;
  if (asksNothing(options)) return undefined;
  const known = contain === undefined || contain === false || MEANS.includes(contain);
  if (!known) throw wrongValue("options.contain", contain, `must be false or one of ${MEANS.join(", ")}`);
  if (descendants !== undefined && !POLICIES.includes(descendants))
    throw wrongValue("options.descendants", descendants, `must be one of ${POLICIES.join(", ")}`);
  const { limits, controllers } = readLimits(options);
  // An init that is not ours ignores polite signals, and reaps nobody.
  const pid = Array.isArray(options.namespaces) && options.namespaces.includes("pid");
  const means = contain === undefined || contain === false ? undefined : contain;
  if (pid && means !== undefined && means !== "namespace")
    throw conflict('a pid namespace in options.namespaces needs options.contain to be "namespace", or left out');
  if (pid && contain === false) throw conflict('a pid namespace in options.namespaces excludes "contain: false"');
  const taken = pid ? "namespace" : means;
  if (taken === undefined) {
    if (descendants !== undefined) throw conflict("options.descendants needs options.contain");
    if (limits.size > 0) throw conflict('options.memoryMax, pidsMax and cpuMax need options.contain, "auto" or "cgroup"');
    return undefined;
  }
  if (limits.size > 0 && taken !== "auto" && taken !== "cgroup")
    throw conflict(`options.memoryMax, pidsMax and cpuMax need a cgroup, not "${taken}"`);
  if (detached === true) throw conflict("options.contain ends with us, and options.detached does not");
  if (cleanup === false) throw conflict("options.contain ends with us: cleanup can't be false");
  if (taken === "namespace" && descendants === "leave")
    throw conflict('nothing outlives a pid namespace: options.descendants can\'t be "leave"');
  if (taken === "group" && typeof processGroup === "number")
    throw conflict('options.contain "group" needs a group of the command\'s own, not one to join');
  // Ids of groups are those of the pid namespace: the same number is another group in there.
  if (taken === "namespace" && typeof processGroup === "number")
    throw conflict("a command in a new pid namespace can't join a process group of ours: options.processGroup can't be an id");
  return { means: limits.size > 0 ? "cgroup" : taken, descendants: descendants ?? "kill", limits, controllers };
}

/** As most do. */
function asksNothing({ contain, descendants, memoryMax, pidsMax, cpuMax, namespaces }: ContainOptions & Others): boolean {
  return (
    contain === undefined &&
    descendants === undefined &&
    memoryMax === undefined &&
    pidsMax === undefined &&
    cpuMax === undefined &&
    namespaces === undefined
  );
}

const PERIOD_US = 100_000;

function readLimits({ memoryMax, pidsMax, cpuMax }: ContainOptions): Pick<ContainPlan, "limits" | "controllers"> {
  const limits = new Map<string, string>();
  const controllers: Controller[] = [];
  const set = (controller: Controller, value: string): void => {
    limits.set(`${controller}.max`, value);
    controllers.push(controller);
  };
  if (memoryMax !== undefined) set("memory", String(checkInteger(memoryMax, "options.memoryMax", 0, Number.MAX_SAFE_INTEGER)));
  if (pidsMax !== undefined) set("pids", String(checkInteger(pidsMax, "options.pidsMax", 1, 4194304)));
  if (cpuMax !== undefined) {
    if (typeof cpuMax !== "number") throw wrongType("options.cpuMax", "a number of CPUs", cpuMax);
    // The kernel's least quota is a millisecond in a period.
    if (!(cpuMax >= 0.01 && cpuMax <= 8192)) throw outOfRange("options.cpuMax", "from 0.01 to 8192 CPUs", cpuMax);
    set("cpu", `${Math.round(cpuMax * PERIOD_US)} ${PERIOD_US}`);
  }
  return { limits, controllers };
}
