/**
 * Options -> plan: everything is checked here, before anything is created.
 */

import { conflict, wrongType, wrongValue } from "../errors.js";
import { type SignalSet, signalNumber, signalSet } from "../kernel/signals.js";
import { commonSetup } from "./common-setup.js";
import { planEnvironment } from "./environment.js";
import { planIdentity } from "./identity.js";
import { planLimits } from "./limits.js";
import { planNamespaces } from "./namespaces.js";
import type { Facts, ProgramOptions } from "./options.js";
import type { FdMap, Plan, Setup } from "./plan.js";
import { candidatesFor } from "./search.js";
import { planStdio, type StdioDefaults } from "./stdio.js";
import { checkArray, checkBoolean, checkInteger, checkMask, checkPath, checkText, INT_MAX, isPlain } from "./validate.js";
import type { Text } from "./writer.js";

/** What the JavaScript runtime ignores on its own. Node: src/node.cc, PlatformInit. */
const SIGPIPE = 13;
const SIGXFSZ = 25;
const RUNTIME_IGNORES = [SIGPIPE, SIGXFSZ];
const ALL_SIGNALS = Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => signal !== 9 && signal !== 19);
/** glibc's limit of CPUs in its own set is 1024; the kernel's builds go to 8192. */
const MOST_CPUS = 8192;

export interface Planned {
  plan: Plan;
  /** What is to be written to fd 0. */
  data: Text | undefined;
}

/** What is executed, with what. */
export type Command = Pick<Plan, "file" | "argv" | "candidates" | "environment">;

/**
 * Checks a file, its arguments and its options, and makes a plan of them.
 *
 * @throws TypeError, RangeError with a code for what can't be.
 * @throws NotOpenError for a source fd that isn't open.
 */
export function makePlan(file: unknown, args: unknown, options: ProgramOptions, facts: Facts, defaults: StdioDefaults): Planned {
  const executable = checkPath(file, "file");
  const argv: Text[] = [options.argv0 === undefined ? executable : checkText(options.argv0, "options.argv0")];
  const list = checkArray(args, "args");
  for (let i = 0; i < list.length; i++) {
    const word = list[i];
    argv.push(isPlain(word) ? word : checkText(word, `args[${i}]`));
  }
  const environment = planEnvironment(options, facts);
  const candidates = candidatesFor(executable, options, environment);
  const common = commonSetup(options, defaults, planWords);
  const { setup, data } = common === undefined ? planSetup(options, facts, defaults) : { setup: common, data: undefined };
  return { plan: { file: executable, argv, candidates, environment, setup }, data };
}

/** Makes the plan of a command that is settled: the rest of its options. Throws what makePlan() does. */
export function planCommand(command: Command, options: ProgramOptions, facts: Facts, defaults: StdioDefaults): Planned {
  const { setup, data } = planSetup(options, facts, defaults);
  return { plan: { ...command, setup }, data };
}

/** Words ask nothing of the world. */
const NO_FACTS: Facts = {
  isOpen: () => false,
  account: () => undefined,
  identity: () => ({ uid: 0, gid: 0 }),
  path: () => undefined,
  unprivilegedEffectiveUid: () => undefined,
  environment: () => undefined,
};

function planWords(words: ProgramOptions, defaults: StdioDefaults): Setup {
  return planSetup(words, NO_FACTS, defaults).setup;
}

function planSetup(options: ProgramOptions, facts: Facts, defaults: StdioDefaults): { setup: Setup; data: Text | undefined } {
  const { map, data } = planStdio(options, defaults, facts.isOpen);
  const session = flag(options.session, "session");
  const processGroup = planGroup(options.processGroup);
  if (session && processGroup !== undefined) {
    throw conflict("options.session and options.processGroup exclude each other: a session's leader leads its group");
  }
  const setup: Setup = {
    common: false,
    fds: map,
    closeFds: options.closeFds === undefined ? true : checkBoolean(options.closeFds, "options.closeFds"),
    cwd: planDirectory(options.cwd, facts),
    chroot: options.chroot === undefined ? undefined : checkPath(options.chroot, "options.chroot"),
    namespaces: planNamespaces(options, facts),
    umask: options.umask === undefined ? undefined : checkMask(options.umask, "options.umask"),
    session,
    processGroup,
    controllingTerminal: planControlling(options, session, map),
    foreground: planForeground(options, map),
    ...planIdentity(options, facts),
    nice: integer(options.nice, "nice", -20, 19),
    oomScoreAdj: integer(options.oomScoreAdj, "oomScoreAdj", -1000, 1000),
    cpuAffinity: planAffinity(options.cpuAffinity),
    rlimits: planLimits(options),
    noNewPrivs: flag(options.noNewPrivs, "noNewPrivs"),
    parentDeathSignal:
      options.parentDeathSignal === undefined ? undefined : signalNumber(options.parentDeathSignal, "options.parentDeathSignal"),
    signals: planSignals(options),
  };
  return { setup, data };
}

function flag(value: unknown, name: string): boolean {
  return value === undefined ? false : checkBoolean(value, `options.${name}`);
}

function integer(value: unknown, name: string, least: number, most: number): number | undefined {
  return value === undefined ? undefined : checkInteger(value, `options.${name}`, least, most);
}

function planDirectory(cwd: ProgramOptions["cwd"], facts: Facts): Setup["cwd"] {
  if (typeof cwd !== "number") return cwd === undefined ? undefined : checkPath(cwd, "options.cwd");
  const fd = checkInteger(cwd, "options.cwd", 0, INT_MAX);
  if (!facts.isOpen(fd)) throw wrongValue("options.cwd", fd, "must be an open fd");
  return fd;
}

function planGroup(group: unknown): number | undefined {
  if (group === undefined) return undefined;
  if (group === "new") return 0;
  if (typeof group !== "number") throw wrongType("options.processGroup", '"new" or the id of a process group', group);
  return checkInteger(group, "options.processGroup", 1, INT_MAX);
}

function planControlling(options: ProgramOptions, session: boolean, map: FdMap): number | undefined {
  const fd = planTerminal(options, "controllingTerminal", map);
  if (fd !== undefined && !session) {
    throw conflict("options.controllingTerminal needs options.session: only a session's leader can take a terminal");
  }
  return fd;
}

function planForeground(options: ProgramOptions, map: FdMap): number | undefined {
  const fd = planTerminal(options, "foreground", map);
  if (fd !== undefined && options.processGroup === undefined) {
    throw conflict("options.foreground needs options.processGroup: it is a group that has the foreground");
  }
  return fd;
}

/** The child's fd that is a terminal. */
function planTerminal(options: ProgramOptions, name: "controllingTerminal" | "foreground", map: FdMap): number | undefined {
  const value = options[name];
  if (value === undefined || value === false) return undefined;
  const fd = value === true ? 0 : checkInteger(value, `options.${name}`, 0, INT_MAX);
  // Where the child has no such fd, one of ours would be taken: ours are closed only after this step.
  const given = map.entries.some(({ target }) => target === fd);
  if (map.closes.includes(fd) || (!given && fd > 2 && options.closeFds !== false)) {
    throw wrongValue(`options.${name}`, fd, "must be an fd that the child has");
  }
  return fd;
}

function planAffinity(cpus: unknown): number[] | undefined {
  if (cpus === undefined) return undefined;
  const list = checkArray(cpus, "options.cpuAffinity").map((cpu, i) =>
    checkInteger(cpu, `options.cpuAffinity[${i}]`, 0, MOST_CPUS - 1),
  );
  if (list.length === 0) throw wrongValue("options.cpuAffinity", list, "must name at least one CPU");
  return list;
}

const RESTORED = new Map<unknown, SignalSet>([
  ["runtime", signalSet(RUNTIME_IGNORES)],
  ["all", signalSet(ALL_SIGNALS)],
  [false, signalSet([])],
]);

function planSignals(options: ProgramOptions): Setup["signals"] {
  const { restoreSignals = "runtime" } = options;
  const restore = RESTORED.get(restoreSignals);
  if (restore === undefined) throw wrongValue("options.restoreSignals", restoreSignals, 'must be "runtime", "all" or false');
  return {
    restore,
    ignore: signals(options.ignoreSignals, "options.ignoreSignals"),
    block: signals(options.blockSignals, "options.blockSignals"),
  };
}

function signals(list: unknown, name: string): Setup["signals"]["block"] {
  if (list === undefined) return [0, 0];
  return signalSet(
    checkArray(list, name).map((signal, i) => {
      const number = signalNumber(signal, `${name}[${i}]`);
      if (ALL_SIGNALS.includes(number)) return number;
      throw wrongValue(`${name}[${i}]`, signal, "can't be ignored or blocked");
    }),
  );
}
