/**
 * A call of Node's child_process as a plan: what libuv would do with it on Linux, step by step the same.
 */

import { conflict, SpawnError } from "../errors.js";
import { signalSet } from "../kernel/signals.js";
import { NO_NAMESPACES } from "../program/namespaces.js";
import type { FdMap, Plan, Setup } from "../program/plan.js";
import { candidatesFor } from "../program/search.js";
import { type Added, NOTHING_ADDED, planAdded } from "./added-options.js";
import type { SpawnRequest } from "./node-internals.js";

/** libuv resets these; it leaves the real-time signals alone. */
const RESET = signalSet(Array.from({ length: 31 }, (_, i) => i + 1).filter((signal) => signal !== 9 && signal !== 19));
/** What execvp(3) takes where there is no PATH. */
const DEFAULT_PATH = "/bin:/usr/bin";
const EINVAL = 22;
const SHELL = "/bin/sh";

type Unchanging = Omit<Setup, "common" | "fds" | "cwd" | "session" | "uid" | "gid" | "groups">;

const BASE: Unchanging = {
  // libuv leaves open what is not close-on-exec.
  closeFds: false,
  chroot: undefined,
  namespaces: NO_NAMESPACES,
  umask: undefined,
  processGroup: undefined,
  controllingTerminal: undefined,
  foreground: undefined,
  nice: undefined,
  oomScoreAdj: undefined,
  cpuAffinity: undefined,
  rlimits: [],
  noNewPrivs: false,
  parentDeathSignal: undefined,
  signals: { restore: RESET, ignore: [0, 0], block: [0, 0] },
};

/** Of calls that ask for nothing but usual fds: so they are compiled once each. */
const usual = new WeakMap<FdMap, Setup>();

/** The candidates of execvp(3): an empty entry of PATH is the child's directory. */
function found(file: string, { extend, entries }: { extend: boolean; entries: readonly string[] }): string[] {
  if (file.includes("/")) return [file];
  const pair = entries.find((entry) => entry.startsWith("PATH="))?.slice("PATH=".length);
  const path = pair ?? (extend ? process.env["PATH"] : undefined) ?? DEFAULT_PATH;
  return path.split(":").map((directory) => (directory === "" ? file : `${directory}/${file}`));
}

/**
 * Makes the plan of a call. `extend`: its environment is laid over ours.
 *
 * @throws SpawnError for an id that is none.
 */
export function planRequest(request: SpawnRequest, fds: FdMap, added: Added, extend = false): Plan {
  const { file, args = [], envPairs } = request;
  const environment = { extend: extend || envPairs === undefined, entries: envPairs ?? [] };
  const setup = setUp(request, fds);
  return {
    firstCandidate: true,
    file,
    // Node's native part makes strings of them: tree-kill passes numbers.
    argv: args.map((arg) => `${arg}`),
    candidates:
      added.options.path === undefined ? found(file, environment) : candidatesFor(file, added.options, { path: undefined }),
    environment,
    setup: added === NOTHING_ADDED ? setup : add(setup, added),
  };
}

/** What the child becomes by Node's own options. */
function setUp(request: SpawnRequest, fds: FdMap): Setup {
  const uid = request.uid ?? undefined;
  const gid = request.gid ?? undefined;
  // An empty one is none.
  const cwd = request.cwd || undefined;
  const session = request.detached;
  // The kernel would take it for "unchanged".
  if (uid === -1 || gid === -1) throw invalidId(request.file);
  const common = fds.common === true && cwd === undefined && !session && uid === undefined && gid === undefined;
  const before = common ? usual.get(fds) : undefined;
  if (before !== undefined) return before;
  // Groups of ours would reach further than the ids that were asked for.
  const groups = uid === undefined && gid === undefined ? undefined : [];
  const setup: Setup = { ...BASE, common, fds, cwd, session, uid, gid, groups };
  if (common) usual.set(fds, setup);
  return setup;
}

function invalidId(file: string): SpawnError {
  return new SpawnError(`cannot spawn ${JSON.stringify(file)}: -1 is no id (EINVAL at setuid)`, "EINVAL", {
    stage: "setuid",
    errno: EINVAL,
    file,
  });
}

/** The same for a file that is no executable format: a script for the shell, as execvp(3) has it. */
export function planScript(plan: Plan, script: string): Plan {
  return { ...plan, candidates: [SHELL], argv: [SHELL, script, ...plan.argv.slice(1)] };
}

/** Lays the added options over a set-up. */
function add(setup: Setup, added: Added): Setup {
  const { options } = added;
  const targets = setup.fds.entries.map(({ target }) => target);
  const more = planAdded(added, setup.session, targets);
  const passed = more.fds.entries.filter(({ target }) => !targets.includes(target));
  const byName = options.user !== undefined;
  if (byName && setup.uid !== undefined) throw conflict("options.brood.user and options.uid exclude each other");
  return {
    ...more,
    common: false,
    fds: { ...setup.fds, entries: [...setup.fds.entries, ...passed].sort((a, b) => a.target - b.target) },
    cwd: setup.cwd,
    closeFds: options.closeFds ?? setup.closeFds,
    uid: byName ? more.uid : setup.uid,
    gid: setup.gid ?? (byName ? more.gid : undefined),
    groups: options.groups !== undefined || byName ? more.groups : setup.groups,
    signals: { ...more.signals, restore: options.restoreSignals === undefined ? setup.signals.restore : more.signals.restore },
  };
}
