/**
 * What a spawn host, or a keeper, is asked for: a process that executes a program, or one that waits for steps; what goes along
 * with it, and what comes of it.
 */

import { HostError } from "../errors.js";
import { monitor } from "../kernel/monitor.js";
import { compile, type Elsewhere, endWithoutExec, type Program } from "../program/compile.js";
import { INPUT, type Plan } from "../program/plan.js";
import { ProgramWriter } from "../program/writer.js";
import { inheritableFds } from "./facts.js";
import { hostEnded, LAUNCH, launchError, type Sight } from "./failure.js";
import { type Answer, EXTRA, type HostLink, type Numbers, REQUEST, type Sent } from "./host-link.js";
import type { Enclosure, LaunchedPipe } from "./launcher.js";

const writer = new ProgramWriter();

/** The fds that follow those of a program, and where among them are the ones whose other ends are ours. */
export interface Extra {
  inputs: number[];
  numbers: Numbers;
  maps: number;
}

/** In the order of `enum host_extra`. A complement is an fd of ours, sent as it is. */
export function extraOf({ cgroup, procs }: Enclosure, maps: boolean): Extra {
  const inputs: number[] = [];
  let bits = 0;
  if (cgroup !== undefined) {
    bits |= EXTRA.cgroup;
    inputs.push(~cgroup, ~(procs ?? cgroup));
  }
  const atMaps = inputs.length;
  if (maps) {
    bits |= EXTRA.maps;
    inputs.push(INPUT.packets);
  }
  return { inputs, numbers: { extra: bits }, maps: atMaps };
}

export const NOTHING_EXTRA: Extra = { inputs: [], numbers: {}, maps: 0 };

/** What a host, or a keeper, is asked for. */
export interface Wanted {
  plan: Plan;
  subjects: Program["subjects"];
  /** Whether it has entered what encloses it when it is answered. */
  entered: boolean;
  send(link: HostLink, numbers: Numbers, extra: Extra): Sending & { extra: readonly number[] };
}

/** A process that executes the plan's program, compiled now: to be sent before anything else is. */
export function executing(plan: Plan, elsewhere: Elsewhere): Wanted {
  const program = compile(plan, writer, elsewhere);
  const sendTo: Wanted["send"] = (link, numbers, extra) => {
    const inputs = Int32Array.from([...program.inputs, ...extra.inputs]);
    const sent = send(link, REQUEST.spawn, plan, { ...program, inputs }, { ...numbers, ...extra.numbers });
    return { ...sent, extra: sent.ends.slice(program.inputs.length) };
  };
  return { plan, subjects: program.subjects, entered: true, send: sendTo };
}

/** A process that waits for steps. */
export function createdBy(plan: Plan): Wanted {
  const sendTo: Wanted["send"] = (link, numbers, extra) => {
    const inputs = Int32Array.from([...extra.inputs, INPUT.packets]);
    const { pipes: ends, answer } = request(link, REQUEST.create, plan, null, inputs, { ...numbers, ...extra.numbers });
    const socket = ends.at(-1);
    const pipes = socket === undefined ? [] : [{ index: socket, target: 0, kind: INPUT.packets }];
    return { pipes, ends, answer, extra: ends };
  };
  return { plan, subjects: [], entered: false, send: sendTo };
}

/**
 * Asks a process that waits for steps whether it has entered what encloses it, and has it go to this cgroup, if there is one.
 *
 * @throws SpawnError: it has not, and is where it was. HostError: it has ended.
 */
export async function enter(link: HostLink, plan: Plan, { cgroup, procs }: Enclosure): Promise<void> {
  writer.reset();
  writer.layOut(0, 0, []);
  endWithoutExec(writer);
  const { inputs, numbers } = extraOf({ cgroup, procs }, false);
  const { failure, rest } = await link.request(REQUEST.step, writer.finish(), Int32Array.from(inputs), numbers).answer;
  if (failure !== LAUNCH.ok) throw launchError(failure, rest, plan, [], "none");
}

/** A program that has been sent: our ends of its pipes, and of all that went with it. */
export interface Sending {
  pipes: LaunchedPipe[];
  ends: readonly number[];
  answer: Promise<Answer>;
}

/** Sends a program; gives our ends of its pipes. */
export function send(link: HostLink, type: number, plan: Plan, program: Program, numbers: Numbers): Sending {
  const sent = request(link, type, plan, program.bytes, program.inputs, numbers);
  return { pipes: pipesOf(plan, sent.pipes), ends: sent.pipes, answer: sent.answer };
}

function request(
  link: HostLink,
  type: number,
  plan: Plan,
  program: Uint8Array | null,
  inputs: Int32Array,
  numbers: Numbers,
): Sent {
  try {
    return link.request(type, program, inputs, numbers);
  } catch (error) {
    throw error instanceof HostError ? hostEnded(plan, error) : error;
  }
}

/** Gives our ends of a plan's pipes, which stand before all others. */
export function pipesOf(plan: Plan, ends: readonly number[]): LaunchedPipe[] {
  if (ends.length === 0) return [];
  return plan.setup.fds.inputs.map(({ kind, target, size }, i) => ({ index: ends[i] as number, target, kind, size }));
}

/** Waits for the answer; closes the pipes where it is a failure. */
export async function answered(
  answer: Promise<Answer>,
  pipes: LaunchedPipe[],
  plan: Plan,
  subjects: Program["subjects"],
  sight: Sight,
): Promise<Answer> {
  let result: Answer;
  try {
    result = await answer;
  } catch (error) {
    discard(pipes);
    throw error instanceof HostError ? hostEnded(plan, error) : error;
  }
  if (result.failure === LAUNCH.ok) return result;
  discard(pipes);
  throw launchError(result.failure, result.rest, plan, subjects, sight);
}

/** Closes our ends of pipes for a child that there is not. */
export function discard(pipes: readonly LaunchedPipe[]): void {
  for (const { index } of pipes) monitor().remove(index);
}

/** Where `closeFds` is false, what a child of our own would inherit is sent along. */
export function withInherited(plan: Plan): Plan {
  if (plan.setup.closeFds) return plan;
  const { fds } = plan.setup;
  const entries = [...fds.entries];
  const mentioned = new Set([...entries.map(({ target }) => target), ...fds.closes]);
  for (const fd of inheritableFds()) {
    if (!mentioned.has(fd)) entries.push({ target: fd, source: { from: "parent", fd } });
  }
  entries.sort((a, b) => a.target - b.target);
  return { ...plan, setup: { ...plan.setup, closeFds: true, fds: { ...fds, entries } } };
}
