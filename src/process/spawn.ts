/**
 * spawn: options -> plan -> launch -> Child.
 */

import type { Containment } from "../contain/containment.js";
import { launchContained, launchContainedBy } from "../contain/launch.js";
import { AbortError } from "../errors.js";
import { launch, plan } from "../launch/direct.js";
import type { Cleanup, Launched, Launcher } from "../launch/launcher.js";
import type { Planned } from "../program/make-plan.js";
import type { PathLike, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import type { StdioDefaults } from "../program/stdio.js";
import type { Text } from "../program/writer.js";
import { Child } from "./child.js";
import type { Told } from "./child-end.js";
import { describeCommand } from "./ending.js";
import {
  DRAIN_TO_THE_END,
  type DrainPlan,
  type Life,
  readArguments,
  readLife,
  SPAWN_OPTION_NAMES,
  type SpawnOptions,
} from "./options.js";

/** What fds 0 to 2 are where nothing is said. */
export const PIPES: StdioDefaults = ["pipe", "pipe", "pipe"];

/**
 * Starts a child process. Synchronous: when it returns the child has exec'ed.
 *
 * `file` with a "/" is a path, taken in the child's directory and root; else it is sought in the `path`
 * option, or PATH of the child's environment. Arguments are passed as they are: no shell is involved.
 *
 * The child is terminated when its `signal` aborts, its `timeout` runs out, its scope (`await using`) or
 * our environment ends.
 *
 * @throws SpawnError: it could not be started; names the stage. TypeError, RangeError: the call is wrong.
 * AbortError: `signal` has aborted already. UnsupportedError: not on this platform. Error
 * ERR_ACCESS_DENIED: Node's permission model forbids it. Nothing is left behind.
 */
export function spawn<const Options extends SpawnOptions = object>(file: PathLike, options?: Options): Child<Options>;
export function spawn<const Options extends SpawnOptions = object>(
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: Options,
): Child<Options>;
export function spawn(file: PathLike, args?: unknown, options?: unknown): Child<SpawnOptions> {
  const call = readArguments<SpawnOptions>(args, options, SPAWN_OPTION_NAMES);
  return start(file, call.args, call.options, PIPES, DRAIN_TO_THE_END);
}

/** A child that is about to be launched, by whichever way. */
export interface Prepared {
  planned: Planned;
  cleanup: Cleanup;
  life: Life;
  /** Throws an AbortError if its signal has aborted. */
  checkAborted(): void;
  /** Makes the child of what a launcher gave, in the turn in which it did. */
  child(launched: Launched, containment?: Containment): Child<SpawnOptions>;
}

/** Checks everything that can be checked before anything is created. Option names have been. */
export function prepare(
  file: unknown,
  args: unknown,
  options: SpawnOptions,
  defaults: StdioDefaults,
  drain: DrainPlan,
): Prepared {
  const parts = prepareParts(file, args, options, defaults, drain);
  return {
    planned: parts.planned,
    cleanup: parts.cleanup,
    life: parts.life,
    checkAborted: () => checkAborted(parts),
    child: (launched, containment) => childOf(parts, launched, containment),
  };
}

/** The same without functions, which would be made for each spawn. */
interface Parts {
  readonly planned: Planned;
  readonly cleanup: Cleanup;
  readonly life: Life;
  readonly told: Told;
  /** What is written to fd 0. */
  readonly data: Uint8Array | undefined;
  readonly startedAt: number;
}

function prepareParts(file: unknown, args: unknown, options: SpawnOptions, defaults: StdioDefaults, drain: DrainPlan): Parts {
  const life = readLife(options, drain);
  const planned = plan(file, args, life.detached ? { ...options, session: true } : options, defaults);
  const parts = {
    planned,
    cleanup: {
      signal: life.cleanup ? life.killSignal : 0,
      grace: life.forceKillAfterDelay === false ? -1 : life.forceKillAfterDelay,
    },
    life,
    told: commandOf(planned.plan),
    data: typeof planned.data === "string" ? Buffer.from(planned.data) : planned.data,
    // The launch counts: a command that a keeper has cloned runs before we know.
    startedAt: performance.now(),
  };
  checkAborted(parts);
  return parts;
}

function checkAborted({ life, told }: Parts): void {
  if (life.signal?.aborted) throw notStarted(told, life.signal);
}

function childOf(parts: Parts, launched: Launched, containment: Containment | undefined): Child<SpawnOptions> {
  const { told, life, data, startedAt } = parts;
  return new Child({ launched, told, life, data, onExit: undefined, containment, startedAt });
}

/** Starts a child with checked option names. Shared with `run`, which has other defaults. */
export function start(
  file: unknown,
  args: unknown,
  options: SpawnOptions,
  defaults: StdioDefaults,
  drain: DrainPlan,
): Child<SpawnOptions> {
  const parts = prepareParts(file, args, options, defaults, drain);
  const { planned, cleanup, life } = parts;
  if (!life.contain) return childOf(parts, launch(planned, cleanup), undefined);
  const started = launchContained(planned, cleanup, life.contain);
  return childOf(parts, started.launched, started.containment);
}

/** The same by a launcher that does not block. Aborted meanwhile: the child is killed and reaped first. */
export function startBy(launcher: Launcher, prepared: Prepared): Promise<Child<SpawnOptions>> {
  const { planned, cleanup, life } = prepared;
  const given = (launched: Launched, containment?: Containment): Child<SpawnOptions> | Promise<Child<SpawnOptions>> => {
    const child = prepared.child(launched, containment);
    return life.signal?.aborted ? unlessAborted(prepared, child) : child;
  };
  // No await: each is a promise and a turn of the queue more, for everyone who spawns.
  if (!life.contain) return launcher.launch(planned, cleanup).then((launched) => given(launched));
  return launchContainedBy(launcher, planned, cleanup, life.contain).then(({ launched, containment }) =>
    given(launched, containment),
  );
}

/** Gives a child that took its time to start; aborted meanwhile it is killed and reaped first. */
export async function unlessAborted(prepared: Prepared, child: Child<SpawnOptions>): Promise<Child<SpawnOptions>> {
  if (prepared.life.signal?.aborted) {
    child[Symbol.dispose]();
    await child.closed;
    // Of a group that it led its pidfd is given up now, too.
    child[Symbol.dispose]();
  }
  prepared.checkAborted();
  return child;
}

function notStarted(told: Told, signal: AbortSignal): AbortError {
  return new AbortError(`${describeCommand(told)} was not started: the signal has aborted already`, signal.reason);
}

/** Gives what messages and results tell of a command. */
export function commandOf({ file, argv, setup }: Plan): { command: string; args: string[]; cwd: string | undefined } {
  const args: string[] = [];
  for (let i = 1; i < argv.length; i++) args.push(asString(argv[i] as Text));
  const { cwd } = setup;
  const where = cwd === undefined ? undefined : typeof cwd === "number" ? `fd ${cwd}` : asString(cwd);
  return { command: asString(file), args, cwd: where };
}

function asString(text: Text): string {
  return typeof text === "string" ? text : Buffer.from(text).toString();
}
