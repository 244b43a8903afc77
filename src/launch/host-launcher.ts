/**
 * The launcher through a spawn host: compiles a plan for a process that isn't ours, sends it with the fds that it
 * needs, and takes the child that comes back, which is ours as any other. Does not block.
 */

import { HostError } from "../errors.js";
import { monitor } from "../kernel/monitor.js";
import { compile, type Elsewhere, type Program } from "../program/compile.js";
import type { Planned } from "../program/make-plan.js";
import type { Plan } from "../program/plan.js";
import { ProgramWriter } from "../program/writer.js";
import { inheritableFds } from "./facts.js";
import { hostEnded, LAUNCH, launchError, type Sight } from "./failure.js";
import { type Answer, type HostLink, REQUEST, type Sent } from "./host-link.js";
import type { Cleanup, Launched, LaunchedPipe, Launcher } from "./launcher.js";

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

  async launch(planned: Planned, cleanup: Cleanup): Promise<Launched> {
    const plan = withInherited(planned.plan);
    const program = compile(plan, writer, this.#elsewhere());
    const numbers = { flags: plan.setup.namespaces.flags, signal: cleanup.signal, grace: cleanup.grace };
    const { pipes, answer } = send(this.#link, REQUEST.spawn, plan, program, numbers);
    const { rest } = await answered(answer, pipes, plan, program, this.sight);
    return { index: rest[0] as number, pid: rest[1] as number, pipes };
  }
}

/** Sends a program; gives our ends of its pipes. */
export function send(
  link: HostLink,
  type: number,
  plan: Plan,
  program: Program,
  numbers: Parameters<HostLink["request"]>[3],
): { pipes: LaunchedPipe[]; answer: Promise<Answer> } {
  let sent: Sent;
  try {
    sent = link.request(type, program.bytes, program.inputs, numbers);
  } catch (error) {
    throw error instanceof HostError ? hostEnded(plan, error) : error;
  }
  const pipes =
    sent.pipes.length === 0
      ? []
      : plan.setup.fds.inputs.map(({ kind, target, size }, i) => ({ index: sent.pipes[i] as number, target, kind, size }));
  return { pipes, answer: sent.answer };
}

/** Waits for the answer; closes the pipes where it is a failure. */
async function answered(
  answer: Promise<Answer>,
  pipes: LaunchedPipe[],
  plan: Plan,
  program: Program,
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
