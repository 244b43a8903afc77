/**
 * runSync: run, for where nothing can be awaited. The thread blocks; its event loop stands still.
 */

import { wrongType, wrongValue } from "../errors.js";
import { plan } from "../launch/direct.js";
import { launchSync, type SyncChild } from "../launch/sync.js";
import type { PathLike, TextLike } from "../program/options.js";
import { INPUT } from "../program/plan.js";
import { Capture } from "./capture.js";
import { outcomeError, reasonFor } from "./ending.js";
import { DRAIN_WHILE_BUSY, type Life, RUN_OPTION_NAMES, type RunOptions, readArguments, readLife, readRun } from "./options.js";
import { limitFor, outcomeOf } from "./output.js";
import { checkInput, type RunResult } from "./run.js";
import { commandOf } from "./spawn.js";
import { spillSync } from "./spill.js";
import { SyncEnding } from "./sync-ending.js";

const UNCONTAINED = "what contains a command needs our event loop: use run()";

/** Why an option of `run` has no meaning where nothing else runs meanwhile. */
const REFUSED = {
  signal: "nothing can abort it: use timeout, or run()",
  cleanup: "we can't end before the command: use parentDeathSignal for our own sudden death",
  detached: "the command does not outlive the call: use spawn()",
  contain: UNCONTAINED,
  descendants: UNCONTAINED,
  memoryMax: UNCONTAINED,
  pidsMax: UNCONTAINED,
  cpuMax: UNCONTAINED,
  namespaces: "they come with what contains a command: use run()",
  uidMap: "they come with what contains a command: use run()",
  gidMap: "they come with what contains a command: use run()",
} as const satisfies { [Name in keyof RunOptions]?: string };

/** Options of `runSync`: those of `run`, but for `signal`, `cleanup`, `detached`, and those about containment and namespaces. */
export interface RunSyncOptions extends Omit<RunOptions, keyof typeof REFUSED | "input"> {
  /** What is written to the command's fd 0, which is then closed. Default: nothing, fd 0 is the null device. */
  input?: TextLike | undefined;
}

/** All options of `runSync`. */
export const RUN_SYNC_OPTION_NAMES: readonly string[] = RUN_OPTION_NAMES.filter((name) => !Object.hasOwn(REFUSED, name));

/** Where output is bounded, so much of it waits in memory to be sorted out. */
const HELD = 1024 * 1024;

/**
 * Runs a command to its end and gives its output, blocking the thread: for scripts, and for where nothing can be
 * awaited, such as an exit handler. Nothing else of this JavaScript environment runs meanwhile: no timer, no other
 * child's output, no handler of a signal.
 *
 * Takes the options of `run` but for `signal`, `cleanup`, `detached`, and those about containment and namespaces; `input` is a string or bytes. A pipe
 * without `input` reads its end at once. All bounds in time hold as for `run`.
 *
 * @returns the result: `stdout`, `stderr`, `exit`, `durationMs`, `reason`.
 * @throws ExitError, TimeoutError, DrainError, OutputError as `run`, each with the fields of the result. SpawnError,
 * TypeError, RangeError as `spawn`. Error with code ENOMEM: no memory for the output; the command is killed.
 */
export function runSync<const Options extends RunSyncOptions = object>(file: PathLike, options?: Options): RunResult<Options>;
export function runSync<const Options extends RunSyncOptions = object>(
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: Options,
): RunResult<Options>;
export function runSync(file: PathLike, args?: unknown, options?: unknown): unknown {
  const call = readArguments<RunSyncOptions>(args, options, RUN_OPTION_NAMES);
  refuse(call.options);
  const { options: given } = call;
  const { input } = given;
  const { encoding, reject } = readRun(given);
  if (input !== undefined) {
    if (typeof input !== "string" && !(input instanceof Uint8Array)) throw wrongType("options.input", "a string or bytes", input);
    checkInput(input, given);
  }
  const life = readLife(given, DRAIN_WHILE_BUSY);
  const planned = plan(file, call.args, given, [input === undefined ? "ignore" : "pipe", "pipe", "pipe"]);
  const data = planned.data ?? input;
  const startedAt = performance.now();
  const child = launchSync(planned, typeof data === "string" ? Buffer.from(data) : data);
  try {
    const captures = capturesFor(child, life);
    const ending = new SyncEnding(child, life);
    const collect = (): void => {
      for (const [target, capture] of captures) capture.data(child.take(pipeOf(child, target)));
    };
    const exit = ending.wait(life.maxOutput === undefined ? Infinity : HELD, collect);
    collect();
    for (const capture of captures.values()) capture.end();
    const told = commandOf(planned.plan);
    const { command, args: words } = told;
    const { cause, drained, heldBy } = ending;
    const durationMs = performance.now() - startedAt;
    const outcome = outcomeOf(
      { command, args: words, durationMs, reason: reasonFor(exit, cause), drained, heldBy, containment: null },
      exit,
      captures,
      encoding,
    );
    const error = reject ? outcomeError(told, outcome, cause, life.drain.then) : undefined;
    if (error !== undefined) throw error;
    return outcome;
  } finally {
    child.end();
  }
}

function refuse(options: object): void {
  for (const name of Object.keys(options)) {
    const value = (options as Record<string, unknown>)[name];
    if (value === undefined || !Object.hasOwn(REFUSED, name)) continue;
    const why = REFUSED[name as keyof typeof REFUSED];
    throw wrongValue(`options.${name}`, value, `is no option of runSync, ${why}`, "ERR_UNKNOWN_OPTION");
  }
}

function capturesFor(child: SyncChild, { maxOutput }: Life): Map<number, Capture> {
  const ignore = (): void => {};
  const captures = new Map<number, Capture>();
  for (const { kind, target } of child.pipes) {
    if (kind === INPUT.weWrite) continue;
    captures.set(target, new Capture(maxOutput && limitFor(maxOutput, target), ignore, ignore, spillSync));
  }
  return captures;
}

function pipeOf(child: SyncChild, target: number): SyncChild["pipes"][number] {
  return child.pipes.find((pipe) => pipe.target === target) as SyncChild["pipes"][number];
}
