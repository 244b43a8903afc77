/**
 * A child by one low-level call: fork and exec, and nothing after it. The caller reaps it and closes its pidfd.
 */

import { wrongValue } from "../errors.js";
import { launchUnwatched, planExec } from "../launch/direct.js";
import { facts } from "../launch/facts.js";
import { notOpen } from "../launch/failure.js";
import { planEnvironment } from "../program/environment.js";
import { type PathLike, PROGRAM_OPTION_NAMES, type ProgramOptions, type StdioEntry, type TextLike } from "../program/options.js";
import type { StdioDefaults } from "../program/stdio.js";
import { checkArray, checkFdTable, checkInteger, checkOptions, checkPath, checkText, INT_MAX } from "../program/validate.js";
import type { Text } from "../program/writer.js";

/** What one of the child's fds is: all that `spawn` knows, but for what would need us to hold another end. */
export type ForkExecEntry = Exclude<StdioEntry, "pipe" | "socket" | { pipe: "r" | "w" }>;

/** What `spawn` says in another way, or what is fixed here. */
type Left = "argv0" | "extendEnv" | "path" | "stdio" | "passFds" | "stdin" | "stdout" | "stderr" | "fds" | "env";

/** Options of `forkExec`: those of `spawn` that say what the child is to be. */
export interface ForkExecOptions extends Omit<ProgramOptions, Left> {
  /** The child's fd 0; default -1: ours, or none where ours is closed. */
  stdin?: ForkExecEntry | -1 | undefined;
  /** The child's fd 1; default -1: ours, or none where ours is closed. */
  stdout?: ForkExecEntry | -1 | undefined;
  /** The child's fd 2; default -1: ours, or none where ours is closed. */
  stderr?: ForkExecEntry | -1 | undefined;
  /** Any of the child's fds, by number. */
  fds?: { readonly [fd: number]: ForkExecEntry | undefined } | undefined;
  /**
   * Fds of ours that the child has under the same number, in any order, also repeated. What another option makes of
   * such a number wins. Our own close-on-exec flags don't change.
   */
  fdsToKeep?: readonly number[] | undefined;
  /** The whole environment of the child. Default: ours; `{}` is an empty one. */
  env?: ProgramOptions["env"];
}

/** A child that nobody watches. */
export interface ForkedChild {
  /** Its process id: nobody else's until it has been reaped. */
  pid: number;
  /** A pidfd, close-on-exec: the caller's to close. pidfd_open(2) */
  pidfd: number;
}

const ELSEWHERE = ["argv0", "extendEnv", "path", "stdio", "passFds"];
/** All options of `forkExec`. */
export const FORK_EXEC_OPTION_NAMES: readonly string[] = [
  ...PROGRAM_OPTION_NAMES.filter((name) => !ELSEWHERE.includes(name)),
  "fdsToKeep",
];
const STANDARD = ["stdin", "stdout", "stderr"] as const;
/** A standard fd that is closed here stays closed. */
const UNTOUCHED: StdioDefaults = [undefined, undefined, undefined];

/**
 * Starts a child and gives it to the caller, who must reap it (`waitid`) and close the pidfd: it is not watched, not
 * ended with us, and holds no event loop. Synchronous; when it returns the child has exec'ed.
 *
 * `args` is the whole argument vector, with `args[0]`. `executables` are tried in order, past any error, each as a
 * path in the child's directory and root: nothing is sought. Of several errors the first is told that is neither
 * ENOENT nor ENOTDIR, else the last. fork_exec of CPython's _posixsubprocess.
 *
 * @throws SpawnError, and nothing is left: at stage `clone` there was no child, at a stage of the child's own it has
 * been reaped. TypeError, RangeError: the call is wrong. UnsupportedError. Error ERR_ACCESS_DENIED.
 */
export function forkExec(
  args: readonly TextLike[],
  executables: readonly PathLike[],
  options: ForkExecOptions = {},
): ForkedChild {
  const argv = checkArray(args, "args").map((arg, i) => checkText(arg, `args[${i}]`));
  if (argv.length === 0) throw wrongValue("args", args, "must have args[0], the name by which the child is called");
  const candidates = checkArray(executables, "executables").map((path, i) => checkPath(path, `executables[${i}]`));
  const [file] = candidates;
  if (file === undefined) throw wrongValue("executables", executables, "must name at least one file");
  const { fdsToKeep, env, ...rest } = checkOptions(options, FORK_EXEC_OPTION_NAMES) as ForkExecOptions;
  const fds = readFds(rest, fdsToKeep, file);
  const environment = planEnvironment({ env, extendEnv: env === undefined }, facts);
  const planned = planExec(
    { file, argv, candidates, environment },
    { ...rest, stdin: undefined, stdout: undefined, stderr: undefined, ...fds },
    UNTOUCHED,
  );
  const [pipe] = planned.plan.setup.fds.inputs;
  if (pipe !== undefined) {
    const name = `options.${STANDARD[pipe.target] ?? `fds[${pipe.target}]`}`;
    throw wrongValue(
      name,
      "a pipe",
      "can't be made here, where nobody would hold its other end: use cloexecPipe() or socketpair()",
    );
  }
  return launchUnwatched(planned);
}

type Fds = Pick<ForkExecOptions, "stdin" | "stdout" | "stderr" | "fds">;

/**
 * All the child's fds: those that are given, those to keep that nothing else is said of, and of the standard ones that
 * are left alone those that are open here. Node makes its own fds 0 to 2 close-on-exec: they have to be named.
 */
function readFds(options: Fds, fdsToKeep: unknown, file: Text): Fds {
  const list = fdsToKeep === undefined ? [] : checkArray(fdsToKeep, "options.fdsToKeep");
  const numbers = list.map((fd, i) => checkInteger(fd, `options.fdsToKeep[${i}]`, 0, INT_MAX));
  if (options.fds !== undefined) checkFdTable(options.fds, "options.fds");
  const fds: { [fd: number]: ForkExecEntry | undefined } = { ...options.fds };
  const given: Fds = { fds };
  STANDARD.forEach((name, fd) => {
    if (options[name] !== undefined && options[name] !== -1) given[name] = options[name];
    else if (fds[fd] === undefined && facts.isOpen(fd)) given[name] = fd;
  });
  numbers.forEach((fd, i) => {
    const standard = STANDARD[fd];
    if (fds[fd] !== undefined || (standard !== undefined && given[standard] !== undefined)) return;
    if (!facts.isOpen(fd)) throw notOpen({ file }, fd, `options.fdsToKeep[${i}]`);
    fds[fd] = fd;
  });
  return given;
}
