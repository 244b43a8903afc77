/**
 * The direct launcher: compiles a plan and clones from this very thread. Synchronous: when it returns
 * the child has exec'ed, or nothing of it is left.
 */

import { isMainThread } from "../kernel/main-thread.js";
import { monitor } from "../kernel/monitor.js";
import { type Addon, addon, checkPermission } from "../native/addon.js";
import { compile, type Program } from "../program/compile.js";
import { type Command, makePlan, type Planned, planCommand } from "../program/make-plan.js";
import type { NamespacePlan } from "../program/namespaces.js";
import type { ProgramOptions } from "../program/options.js";
import type { Input, Plan } from "../program/plan.js";
import { NotOpenError, type StdioDefaults } from "../program/stdio.js";
import { checkPath } from "../program/validate.js";
import { ProgramWriter } from "../program/writer.js";
import { AccountError, facts } from "./facts.js";
import { LAUNCH, launchError, noAccount, notOpen, notWatched, nowhereToSearch } from "./failure.js";
import type { Cleanup, Enclosure, Launched, LaunchedPipe } from "./launcher.js";

const writer = new ProgramWriter();
/** errno, step, detail, signal, count, and an errno for each candidate: PROGRAM_TRIED_MAX. */
const out = new Int32Array(5 + 240);
/** LAUNCH_OUT_BESIDES of native/exports_launch.h. */
const BESIDES = 5;
/** `enum launch_flags` of native/exports_launch.c. */
const FLAG = { lasting: 1, unwatched: 2, endsGiven: 4 } as const;

/**
 * Makes a plan, with the failures that need no child as SpawnErrors.
 *
 * @throws TypeError, RangeError, SpawnError. Nothing has been created.
 */
export function plan(file: unknown, args: unknown, options: ProgramOptions, defaults: StdioDefaults): Planned {
  checkPermission();
  let planned: Planned;
  try {
    planned = makePlan(file, args, options, facts, defaults);
  } catch (error) {
    throw asFailure(error, file);
  }
  if (planned.plan.candidates.length === 0) throw nowhereToSearch(planned.plan);
  return planned;
}

/** Makes the plan of a command that is settled. Throws what plan() does. */
export function planExec(command: Command, options: ProgramOptions, defaults: StdioDefaults): Planned {
  checkPermission();
  try {
    return planCommand(command, options, facts, defaults);
  } catch (error) {
    throw asFailure(error, command.file);
  }
}

/** A source fd that isn't open, or an account that can't be looked up, is a failure of the world. */
function asFailure(error: unknown, file: unknown): unknown {
  if (error instanceof NotOpenError) return notOpen({ file: checkPath(file, "file") }, error.fd, error.option);
  if (error instanceof AccountError) return noAccount({ file: checkPath(file, "file") }, error.account, error.errno);
  return error;
}

/**
 * Starts a child. `lasting`: from a thread that lives as long as the process, because whom it makes shares its parent.
 *
 * @throws SpawnError, and nothing is left behind.
 */
export function launch({ plan }: Planned, cleanup: Cleanup, enclosure?: Enclosure, lasting = false): Launched {
  const thread = lasting && !isMainThread() ? FLAG.lasting : 0;
  const { inputs, given } = plan.setup.fds;
  const room = run(watching(plan).native, plan, cleanup, thread | (given ? FLAG.endsGiven : 0), enclosure);
  const launched: Launched = { index: room[0] as number, pid: room[1] as number, pipes: [] };
  if (given) launched.ends = [];
  for (let i = 0; i < inputs.length; i++) {
    const told = room[2 + i] as number;
    if (launched.ends !== undefined) launched.ends.push(told);
    else launched.pipes.push(pipeOf(inputs[i] as Input, told));
  }
  if (enclosure?.keeper === undefined) return launched;
  const [index, socket, pid] = room.subarray(2 + inputs.length) as unknown as [number, number, number];
  return { ...launched, keeper: { index, socket, pid } };
}

function pipeOf({ kind, target, size }: Input, index: number): LaunchedPipe {
  return { index, target, kind, size };
}

/**
 * Starts a child that nobody watches: its reaping and its pidfd are the caller's. The plan must have no pipes.
 *
 * @throws SpawnError, and nothing is left behind.
 */
export function launchUnwatched({ plan }: Planned): { pid: number; pidfd: number } {
  const room = run(addon(), plan, { signal: 0, grace: -1 }, FLAG.unwatched);
  return { pid: room[1] as number, pidfd: room[0] as number };
}

/** Gives what the native part says of a launch that succeeded. */
function run(native: Addon, plan: Plan, cleanup: Cleanup, flags: number, enclosure?: Enclosure): Int32Array {
  const { program, room, thread } = prepare(plan);
  const { bytes, inputs } = program;
  const { signal, grace } = cleanup;
  const { namespaces } = plan.setup;
  const result =
    enclosure === undefined && namespaces.flags === 0
      ? native.launch(bytes, inputs, flags | thread, signal, room, grace)
      : native.launchContained(bytes, inputs, flags | thread, signal, room, grace, ...enclose(namespaces, enclosure));
  if (result !== LAUNCH.ok) throw launchError(result, room, plan, program.subjects);
  return room;
}

/** What the namespaces of a plan ask for may be more by how it is contained. */
function enclose(planned: NamespacePlan, enclosure: Enclosure = {}): [Int32Array, Uint8Array] {
  const { cgroup = -1, namespaces = planned.flags, maps = planned.maps, keeper } = enclosure;
  const texts = [keeper?.path, keeper?.role, maps?.uid, maps?.gid].map((text) => `${text ?? ""}\0`).join("");
  return [Int32Array.of(cgroup, namespaces, maps?.denySetgroups ? 1 : 0), Buffer.from(texts)];
}

/** Compiles a plan, and finds room for what its launch will tell. Both are used again by the next. */
export function prepare(plan: Plan): { program: Program; room: Int32Array; thread: number } {
  const program = compile(plan, writer);
  const room = program.inputs.length + BESIDES > out.length ? new Int32Array(program.inputs.length + BESIDES) : out;
  // A worker's thread ends before the process; the signal is to mean the process.
  const thread = plan.setup.parentDeathSignal !== undefined && !isMainThread() ? FLAG.lasting : 0;
  return { program, room, thread };
}

/** The monitor is started by the first spawn, which is what its failure means to the caller. */
function watching(plan: Plan): ReturnType<typeof monitor> {
  try {
    return monitor();
  } catch (error) {
    const { errno } = error as NodeJS.ErrnoException;
    throw errno === undefined ? error : notWatched(plan, -errno);
  }
}
