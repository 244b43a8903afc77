/**
 * What brood adds to Node's options, under the name `brood`: checked before anything is created.
 */

import { CONTAIN_OPTION_NAMES, type ContainOptions } from "../contain/options.js";
import { conflict } from "../errors.js";
import { facts } from "../launch/facts.js";
import { DRAIN_TO_THE_END, type Life, readLife, type SpawnOptions } from "../process/options.js";
import { makePlan } from "../program/make-plan.js";
import type { ProgramOptions } from "../program/options.js";
import type { Setup } from "../program/plan.js";
import { checkNames } from "../program/validate.js";

/** The options of `spawn` that Node's API has no other word for. */
const PROGRAM_NAMES = [
  "groups",
  "user",
  "umask",
  "nice",
  "rlimits",
  "cpuAffinity",
  "oomScoreAdj",
  "noNewPrivs",
  "parentDeathSignal",
  "chroot",
  "processGroup",
  "controllingTerminal",
  "foreground",
  "restoreSignals",
  "ignoreSignals",
  "blockSignals",
  "path",
  "closeFds",
  "passFds",
  "namespaces",
  "uidMap",
  "gidMap",
] as const satisfies (keyof ProgramOptions)[];

const LIFE_NAMES = ["killSignal", "forceKillAfterDelay", "cleanup"] as const satisfies (keyof SpawnOptions)[];

/** All names of `options.brood`. */
export const ADDED_OPTION_NAMES: readonly string[] = [...PROGRAM_NAMES, ...LIFE_NAMES, ...CONTAIN_OPTION_NAMES];

/**
 * What brood adds to the options of Node's child_process: `{ brood: { umask: 0o077 } }`. Each means what it means
 * to `spawn` of brood. The defaults are Node's: `restoreSignals` all that libuv resets, `closeFds` false, `cleanup`
 * false, but true for what is contained. `killSignal` and `forceKillAfterDelay` are those of `child.brood.terminate()`,
 * and of `cleanup`. What contains a command, and namespaces, can't be had synchronously.
 */
export type AddedOptions = Pick<
  SpawnOptions,
  (typeof PROGRAM_NAMES)[number] | (typeof LIFE_NAMES)[number] | keyof ContainOptions
>;

/** A child of Node's API is left alone when we end. */
const LIFE: Life = readLife({ cleanup: false }, DRAIN_TO_THE_END);

/** The added options, checked. */
export interface Added {
  options: AddedOptions;
  life: Life;
}

export const NOTHING_ADDED: Added = { options: {}, life: LIFE };

/**
 * Checks `options.brood`.
 *
 * @throws TypeError, RangeError as `spawn` does for the same option.
 */
export function readAdded(value: unknown): Added {
  if (value === undefined) return NOTHING_ADDED;
  return underItsName(() => {
    const options = checkNames(value, "options.brood", ADDED_OPTION_NAMES) as AddedOptions;
    const given = readLife(
      {
        ...pick(options, LIFE_NAMES),
        ...pick(options, CONTAIN_OPTION_NAMES),
        namespaces: options.namespaces,
        processGroup: options.processGroup,
      },
      DRAIN_TO_THE_END,
    );
    const cleanup = given.contain !== undefined || options.cleanup === true;
    return { options, life: { ...given, cleanup } };
  });
}

function pick(options: AddedOptions, names: readonly string[]): Partial<SpawnOptions> {
  return Object.fromEntries(Object.entries(options).filter(([name]) => names.includes(name)));
}

/**
 * Checks that added options need nothing that a synchronous call can't give.
 *
 * @throws TypeError ERR_OPTION_CONFLICT.
 */
export function checkSync({ options, life }: Added): void {
  const namespaces = options.namespaces !== undefined;
  if (!namespaces && life.contain === undefined) return;
  const name = namespaces ? "namespaces" : "contain";
  throw conflict(`options.brood.${name} needs our event loop, which stands still here: use spawn, exec or execFile`);
}

/**
 * Plans the set-up of the added options alone.
 *
 * @param targets the child's fds that the call gives it, whatever they are.
 */
export function planAdded({ options, life }: Added, session: boolean, targets: readonly number[]): Setup {
  const { contain } = life;
  if (contain !== undefined && session) throw conflict("options.brood.contain ends with us, and options.detached does not");
  const asked = pick(options, PROGRAM_NAMES);
  // What is held by a group leads one.
  const rest =
    contain?.means === "group" && asked.processGroup === undefined ? { ...asked, processGroup: "new" as const } : asked;
  const fds = Object.fromEntries(targets.map((target) => [target, "ignore"] as const));
  return underItsName(() => makePlan("-", [], { ...rest, session, fds }, facts, ["ignore", "ignore", "ignore"]).plan.setup);
}

/** An error names the option as the caller wrote it. */
function underItsName<Result>(check: () => Result): Result {
  try {
    return check();
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) {
      error.message = error.message
        .replaceAll(/\boptions\.(?!brood\b)/g, "options.brood.")
        .replaceAll("options.brood.session", "options.detached");
    }
    throw error;
  }
}
