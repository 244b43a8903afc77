/**
 * The launcher through a spawn host: compiles a plan for a process that isn't ours, sends it with the fds that it
 * needs, and takes the child that comes back, which is ours as any other. Does not block.
 */

import { closeSync, constants, openSync } from "node:fs";
import { HostError } from "../errors.js";
import { monitor } from "../kernel/monitor.js";
import { compile, type Elsewhere, type Program } from "../program/compile.js";
import type { Planned } from "../program/make-plan.js";
import { INPUT, type Plan } from "../program/plan.js";
import { ProgramWriter } from "../program/writer.js";
import { inheritableFds } from "./facts.js";
import { hostEnded, LAUNCH, launchError, notMade, type Sight } from "./failure.js";
import {
  type Answer,
  type Asker,
  copyRest,
  EXTRA,
  type HostLink,
  KEEPER,
  type Numbers,
  REQUEST,
  type Sent,
} from "./host-link.js";
import { answerIdMaps, endUnmet, meet } from "./kept.js";
import type { Cleanup, Enclosure, Launched, LaunchedPipe, Launcher } from "./launcher.js";

const writer = new ProgramWriter();

export class HostLauncher implements Launcher {
  readonly #link: HostLink;
  readonly #elsewhere: () => Elsewhere;

  /** Which paths of its children are ours, too: none in another root. */
  readonly sight: Sight;

  /** `elsewhere` tells at each launch what the child takes over from us. */
  constructor(link: HostLink, elsewhere: () => Elsewhere, sight: Sight) {
    this.#link = link;
    this.#elsewhere = elsewhere;
    this.sight = sight;
  }

  launch(planned: Planned, cleanup: Cleanup, enclosure?: Enclosure): Promise<Launched> {
    if (enclosure !== undefined || planned.plan.setup.namespaces.maps !== undefined) {
      return this.#launchEnclosed(planned, cleanup, enclosure);
    }
    const plan = withInherited(planned.plan);
    const program = compile(plan, writer, this.#elsewhere());
    const numbers = { flags: plan.setup.namespaces.flags, signal: cleanup.signal, grace: cleanup.grace };
    const launching = new Promise<Launched>((resolve, reject) => {
      const asker = new Launching(resolve, reject);
      asker.pipes = pipesOf(plan, this.#link.ask(REQUEST.spawn, program.bytes, program.inputs, numbers, asker));
    });
    // Here, so that the error's stack has the callers who await it.
    return launching.catch((error) => {
      if (error instanceof HostError) throw hostEnded(plan, error);
      if (error instanceof Refusal) throw launchError(error.failure, error.rest, plan, program.subjects, this.sight);
      throw error;
    });
  }

  async #launchEnclosed(planned: Planned, cleanup: Cleanup, enclosure: Enclosure = {}): Promise<Launched> {
    const plan = withInherited(planned.plan);
    const program = compile(plan, writer, this.#elsewhere());
    const { keeper, namespaces = plan.setup.namespaces.flags, maps = plan.setup.namespaces.maps } = enclosure;
    const numbers = { flags: namespaces, signal: cleanup.signal, grace: cleanup.grace };
    const extra = extraOf(plan, enclosure, maps !== undefined);
    const sent = sendWith(this.#link, plan, program, numbers, extra);
    const { pipes } = sent;
    const stopAnswering = maps === undefined ? undefined : answerIdMaps(sent.extra[extra.maps] as number, maps);
    const socket = keeper === undefined ? undefined : (sent.extra[extra.socket] as number);
    try {
      const unmet = ({ failure, rest }: Answer): void => {
        if (socket !== undefined) endUnmet(socket, failure === LAUNCH.pidfd ? (rest[1] as number) : 0);
      };
      const { rest } = await answered(sent.answer, pipes, plan, program, this.sight, unmet);
      const [index = 0, pid = 0, relayed = 0, , peak = 0] = rest;
      if (socket === undefined) return { index, pid, pipes };
      const foreign = relayed === 1 || keeper?.role === "init";
      const made = { index, socket, pid, peak, foreign };
      const met = await meet(made, cleanup).catch((error) => {
        discard(pipes);
        throw error;
      });
      if (met.failure === LAUNCH.ok) return { index: met.index, pid: met.pid, pipes, keeper: made };
      discard(pipes);
      throw launchError(met.failure, met.rest, plan, program.subjects, this.sight);
    } finally {
      stopAnswering?.();
    }
  }
}
/** A launch that has failed, as its answer told. */
class Refusal {
  constructor(
    readonly failure: number,
    readonly rest: Int32Array,
  ) {}
}

/** A spawn that is under way, and that nothing contains. */
class Launching implements Asker {
  pipes: LaunchedPipe[] = [];
  readonly #resolve: (launched: Launched) => void;
  readonly #reject: (error: HostError | Refusal) => void;

  constructor(resolve: (launched: Launched) => void, reject: (error: HostError | Refusal) => void) {
    this.#resolve = resolve;
    this.#reject = reject;
  }

  answered(failure: number, rest: Int32Array): void {
    if (failure === LAUNCH.ok) {
      this.#resolve({ index: rest[0] as number, pid: rest[1] as number, pipes: this.pipes });
      return;
    }
    discard(this.pipes);
    this.#reject(new Refusal(failure, copyRest(failure, rest)));
  }

  lost(error: HostError): void {
    discard(this.pipes);
    this.#reject(error);
  }
}

/** The fds that follow those of a program, and where among them are the ones whose other ends are ours. */
interface Extra {
  inputs: number[];
  numbers: Numbers;
  maps: number;
  socket: number;
  close(): void;
}

/** In the order of `enum host_extra`. A complement is an fd of ours, sent as it is. */
function extraOf(plan: Plan, { cgroup, procs, keeper }: Enclosure, maps: boolean): Extra {
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
  const numbers = { extra: bits, keeper: keeper === undefined ? 0 : KEEPER[keeper.role === "init" ? "init" : "keep"] };
  const atSocket = inputs.length;
  if (keeper === undefined) return { inputs, numbers, maps: atMaps, socket: atSocket, close: () => {} };
  // A keeper finds what it keeps in there, also where the host's root has none.
  const proc = openProc(plan);
  inputs.push(INPUT.packets, ~proc);
  numbers.extra |= EXTRA.keeper;
  return { inputs, numbers, maps: atMaps, socket: atSocket, close: () => closeSync(proc) };
}

function openProc(plan: Plan): number {
  try {
    return openSync("/proc", constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    throw notMade(plan, "keeper", error as NodeJS.ErrnoException);
  }
}

/** Sends a program with what is to contain it; gives our ends of its pipes, and of what follows them. */
function sendWith(
  link: HostLink,
  plan: Plan,
  program: Program,
  numbers: Numbers,
  extra: Extra,
): { pipes: LaunchedPipe[]; extra: readonly number[]; answer: Promise<Answer> } {
  try {
    const inputs = Int32Array.from([...program.inputs, ...extra.inputs]);
    const { pipes, ends, answer } = send(link, REQUEST.spawn, plan, { ...program, inputs }, { ...numbers, ...extra.numbers });
    return { pipes, answer, extra: ends.slice(program.inputs.length) };
  } finally {
    extra.close();
  }
}

/** Sends a program; gives our ends of its pipes. */
export function send(
  link: HostLink,
  type: number,
  plan: Plan,
  program: Program,
  numbers: Numbers,
): { pipes: LaunchedPipe[]; ends: readonly number[]; answer: Promise<Answer> } {
  let sent: Sent;
  try {
    sent = link.request(type, program.bytes, program.inputs, numbers);
  } catch (error) {
    throw error instanceof HostError ? hostEnded(plan, error) : error;
  }
  return { pipes: pipesOf(plan, sent.pipes), ends: sent.pipes, answer: sent.answer };
}

/** Gives our ends of a plan's pipes, which stand before all others. */
function pipesOf(plan: Plan, ends: readonly number[]): LaunchedPipe[] {
  if (ends.length === 0) return [];
  return plan.setup.fds.inputs.map(({ kind, target, size }, i) => ({ index: ends[i] as number, target, kind, size }));
}

/** Waits for the answer; closes the pipes, and whatever else there is, where it is a failure. */
async function answered(
  answer: Promise<Answer>,
  pipes: LaunchedPipe[],
  plan: Plan,
  program: Program,
  sight: Sight,
  failed: (answer: Answer) => void,
): Promise<Answer> {
  let result: Answer;
  try {
    result = await answer;
  } catch (error) {
    discard(pipes);
    failed({ failure: LAUNCH.host, rest: new Int32Array(0) });
    throw error instanceof HostError ? hostEnded(plan, error) : error;
  }
  if (result.failure === LAUNCH.ok) return result;
  discard(pipes);
  failed(result);
  throw launchError(result.failure, result.rest, plan, program.subjects, sight);
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
