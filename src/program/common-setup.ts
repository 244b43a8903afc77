/**
 * The few set-ups that most spawns have: nothing but words for fds 0 to 2. Planned and compiled once each.
 */

import type { ProgramOptions, StdioWord } from "./options.js";
import type { Setup } from "./plan.js";
import type { StdioDefaults } from "./stdio.js";

/** By the numbers of their three words. */
const common: (Setup | undefined)[] = [];
/** Not "inherit": whether the fd is open is to be asked each time. */
const COMMON_WORDS: readonly unknown[] = ["pipe", "ignore", "close"] satisfies StdioWord[];

const INVALID = Symbol("invalid");

/** Gives the set-up that these options ask for, if nothing but such words is in them. `make` plans it the first time. */
export function commonSetup(
  options: ProgramOptions,
  defaults: StdioDefaults,
  make: (words: ProgramOptions, defaults: StdioDefaults) => Setup,
): Setup | undefined {
  if (!hasOnlyWords(options)) return undefined;
  const stdin = entryOf(options.stdio, 0, options.stdin) ?? defaults[0];
  const stdout = entryOf(options.stdio, 1, options.stdout) ?? defaults[1];
  const stderr = entryOf(options.stdio, 2, options.stderr) ?? defaults[2];
  const words = [COMMON_WORDS.indexOf(stdin), COMMON_WORDS.indexOf(stdout), COMMON_WORDS.indexOf(stderr)] as const;
  if (words[0] < 0 || words[1] < 0 || words[2] < 0) return undefined;
  const number = (words[0] * COMMON_WORDS.length + words[1]) * COMMON_WORDS.length + words[2];
  common[number] ??= { ...make({ stdin, stdout, stderr } as ProgramOptions, defaults), common: true };
  return common[number];
}

/** Undefined: not given. Only in an array null says the same. */
function entryOf(stdio: unknown, fd: number, own: unknown): unknown {
  if (Array.isArray(stdio)) return stdio[fd];
  const entry = stdio === undefined ? own : stdio;
  return entry === null ? INVALID : entry;
}

/** Not by the object's keys: an option may be inherited. A test has a row for every option. */
function hasOnlyWords(options: ProgramOptions): boolean {
  const { stdio } = options;
  return (
    (stdio === undefined ||
      (options.stdin === undefined &&
        options.stdout === undefined &&
        options.stderr === undefined &&
        (!Array.isArray(stdio) || stdio.length <= 3))) &&
    options.fds === undefined &&
    options.closeFds === undefined &&
    options.passFds === undefined &&
    options.session === undefined &&
    options.processGroup === undefined &&
    options.controllingTerminal === undefined &&
    options.foreground === undefined &&
    options.uid === undefined &&
    options.gid === undefined &&
    options.groups === undefined &&
    options.user === undefined &&
    options.umask === undefined &&
    options.nice === undefined &&
    options.rlimits === undefined &&
    options.cpuAffinity === undefined &&
    options.oomScoreAdj === undefined &&
    options.noNewPrivs === undefined &&
    options.parentDeathSignal === undefined &&
    options.chroot === undefined &&
    options.namespaces === undefined &&
    options.uidMap === undefined &&
    options.gidMap === undefined &&
    options.cwd === undefined &&
    options.restoreSignals === undefined &&
    options.ignoreSignals === undefined &&
    options.blockSignals === undefined
  );
}
