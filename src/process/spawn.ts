/**
 * spawn: options -> plan -> launch -> Child.
 */

import { launchContained } from "../contain/launch.js";
import { AbortError } from "../errors.js";
import { type Cleanup, launch, plan } from "../launch/direct.js";
import type { PathLike, TextLike } from "../program/options.js";
import type { Plan } from "../program/plan.js";
import type { StdioDefaults } from "../program/stdio.js";
import type { Text } from "../program/writer.js";
import { Child } from "./child.js";
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

const PIPES: StdioDefaults = ["pipe", "pipe", "pipe"];

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

/** Starts a child with checked option names. Shared with `run`, which has other defaults. */
export function start(
  file: unknown,
  args: unknown,
  options: SpawnOptions,
  defaults: StdioDefaults,
  drain: DrainPlan,
): Child<SpawnOptions> {
  const life = readLife(options, drain);
  const planned = plan(file, args, withOwnGroup(options, life), defaults);
  const { command, args: words, cwd } = commandOf(planned.plan);
  if (life.signal?.aborted) {
    throw new AbortError(
      `${describeCommand({ command, args: words })} was not started: the signal has aborted already`,
      life.signal.reason,
    );
  }
  const cleanup: Cleanup = {
    signal: life.cleanup ? life.killSignal : 0,
    grace: life.forceKillAfterDelay === false ? -1 : life.forceKillAfterDelay,
  };
  const started = life.contain && launchContained(planned, cleanup, life.contain);
  const launched = started?.launched ?? launch(planned, cleanup);
  const data = typeof planned.data === "string" ? Buffer.from(planned.data) : planned.data;
  return new Child({ launched, command, args: words, cwd, life, data, containment: started?.containment });
}

/** Gives what messages and results tell of a command. */
export function commandOf({ file, argv, setup }: Plan): { command: string; args: string[]; cwd: string | undefined } {
  const args: string[] = [];
  for (let i = 1; i < argv.length; i++) args.push(asString(argv[i] as Text));
  const { cwd } = setup;
  const where = cwd === undefined ? undefined : typeof cwd === "number" ? `fd ${cwd}` : asString(cwd);
  return { command: asString(file), args, cwd: where };
}

/** A detached child leads a session; what is held by a group leads one. */
function withOwnGroup(options: SpawnOptions, { detached, contain }: Life): SpawnOptions {
  if (detached) return { ...options, session: true };
  const group = contain?.means === "group" && options.session !== true && options.processGroup === undefined;
  return group ? { ...options, processGroup: "new" } : options;
}

function asString(text: Text): string {
  return typeof text === "string" ? text : Buffer.from(text).toString();
}
