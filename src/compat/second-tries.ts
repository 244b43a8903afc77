/**
 * The second tries that libuv and libc make where a first one fails.
 */

import { SpawnError } from "../errors.js";
import type { Plan } from "../program/plan.js";
import type { Added } from "./added-options.js";
import { planScript } from "./node-plan.js";

const EPERM = 1;
const ENOEXEC = 8;

/**
 * Launches a plan.
 *
 * @throws what `launch` throws.
 */
export function withSecondTries<Launched>(plan: Plan, added: Added, launch: (plan: Plan) => Launched): Launched {
  try {
    return launch(plan);
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    const { stage, errno, path } = error;
    if (stage === "exec" && errno === ENOEXEC && path !== undefined)
      return withSecondTries(planScript(plan, path), added, launch);
    // Who may not drop groups keeps them.
    const notAsked = added.options.groups === undefined && added.options.user === undefined;
    if (stage === "setgroups" && errno === EPERM && notAsked)
      return withSecondTries({ ...plan, setup: { ...plan.setup, groups: undefined } }, added, launch);
    throw error;
  }
}
