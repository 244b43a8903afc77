/**
 * The options of a spawn host, of `spawnAsync` and of what a host creates; and their checks.
 */

import { CONTAIN_OPTION_NAMES, type ContainOptions, type ContainPlan, readContain } from "../contain/options.js";
import { conflict, outOfRange, wrongType } from "../errors.js";
import { SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import type { Namespace, ProgramOptions } from "../program/options.js";
import { checkBoolean, checkOptions } from "../program/validate.js";
import type { Embryo } from "./embryo.js";
import { namespacesOf } from "./namespaces.js";
import type { SpawnHost } from "./spawn-host.js";

/** The options of spawn that make sense for a host's own process: from where its children start. */
const OWN_NAMES = [
  "cwd",
  "session",
  "processGroup",
  "uid",
  "gid",
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
  "restoreSignals",
  "ignoreSignals",
  "namespaces",
  "uidMap",
  "gidMap",
] as const satisfies (keyof ProgramOptions)[];

export type OwnOptions = Pick<ProgramOptions, (typeof OWN_NAMES)[number]> & ContainOptions;

/**
 * Options of `SpawnHost.start`. A host in a "pid" namespace is its init, and so a relay. A host with `contain` is contained with
 * everything that it starts, and that ends with it; by "keeper" and "namespace" it is a relay, since its parent is a keeper.
 */
export interface HostOptions extends OwnOptions {
  /** Another host, through which this one is started: it starts from there. It is our child all the same. */
  through?: SpawnHost | undefined;
  /**
   * Whether the host itself is the parent of what it starts, and tells us what becomes of it. Default false: they are
   * children of this process. A pid namespace's init always is.
   */
  relay?: boolean | undefined;
  /** Whether a request after the host's end starts a new one. Default true; false: it fails, ERR_HOST_ENDED. */
  restart?: boolean | undefined;
}

/**
 * Options of `host.create`: how the process is contained, from its creation on, with all that it starts when it has exec'ed. Its
 * `exec` need not say so again.
 */
export interface CreateOptions extends ContainOptions {
  /** Namespaces that the process starts in, as of `SpawnHost.start`. */
  namespaces?: readonly Namespace[] | undefined;
}

/** Options of `spawnAsync`: those of `spawn`, and code between clone and exec. */
export interface SpawnAsyncOptions extends SpawnOptions {
  /**
   * Is run when the child has taken every step that the other options ask for, and before it closes the other fds and
   * execs. It drives the child by `embryo`; it runs here, so it may be any code. If it throws, the spawn fails with stage
   * "preexec" and the error as `cause`, and nothing is left behind.
   */
  preexec?: ((embryo: Embryo) => unknown) | undefined;
  /** How long `preexec` may take, in milliseconds. Default 10000: a child that waits for ever should not be a surprise. */
  preexecTimeout?: number | undefined;
}

const HOST_ONLY = Object.keys({ through: 0, relay: 0, restart: 0 } satisfies Record<
  Exclude<keyof HostOptions, keyof OwnOptions>,
  0
>);

/** All options of `SpawnHost.start`. */
export const HOST_OPTION_NAMES: readonly string[] = [...OWN_NAMES, ...CONTAIN_OPTION_NAMES, ...HOST_ONLY];

const ASYNC_ONLY = Object.keys({ preexec: 0, preexecTimeout: 0 } satisfies Record<
  Exclude<keyof SpawnAsyncOptions, keyof SpawnOptions>,
  0
>);

/** All options of `spawnAsync`. */
export const SPAWN_ASYNC_OPTION_NAMES: readonly string[] = [...SPAWN_OPTION_NAMES, ...ASYNC_ONLY];

const PREEXEC_MS = 10_000;
const MOST_MS = 0x7fffffff;

/** Checks the options of a host that aren't those of its own process; gives these apart. */
export function readHostOptions(options: unknown): {
  own: OwnOptions;
  through: unknown;
  relay: boolean;
  restart: boolean;
} {
  const { through, relay, restart, ...own } = checkOptions(
    options === undefined ? {} : options,
    HOST_OPTION_NAMES,
  ) as HostOptions;
  return {
    own,
    through,
    relay: relay === undefined ? false : checkBoolean(relay, "options.relay"),
    restart: restart === undefined ? true : checkBoolean(restart, "options.restart"),
  };
}

/** All options of `host.create`. */
export const CREATE_OPTION_NAMES: readonly string[] = ["namespaces", ...CONTAIN_OPTION_NAMES];

/** Checks the options of `host.create`; a pid namespace alone contains nothing: the process itself is its init. */
export function readCreateOptions(options: unknown): { contain: ContainPlan | undefined; flags: number } {
  const checked = checkOptions(options, CREATE_OPTION_NAMES) as CreateOptions;
  const flags = namespacesOf(checked.namespaces, "options.namespaces");
  const { namespaces, ...alone } = checked;
  return { contain: readContain(checked.contain ? checked : alone), flags };
}

/** Takes the options that only `spawnAsync` has off, checked. */
export function readPreexec(options: SpawnAsyncOptions): {
  preexec: SpawnAsyncOptions["preexec"];
  ms: number;
  rest: SpawnOptions;
} {
  const { preexec, preexecTimeout, ...rest } = options;
  if (preexec !== undefined && typeof preexec !== "function") throw wrongType("options.preexec", "a function", preexec);
  if (preexecTimeout !== undefined) {
    if (typeof preexecTimeout !== "number") throw wrongType("options.preexecTimeout", "a number of milliseconds", preexecTimeout);
    if (!(preexecTimeout > 0 && preexecTimeout <= MOST_MS)) {
      throw outOfRange("options.preexecTimeout", `above 0, to ${MOST_MS} milliseconds`, preexecTimeout);
    }
    if (preexec === undefined) throw conflict("options.preexecTimeout needs options.preexec");
  }
  return { preexec, ms: preexecTimeout ?? PREEXEC_MS, rest };
}
