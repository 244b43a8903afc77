/**
 * The launcher through a spawn host: compiles a plan for a process that isn't ours, sends it with the fds that it
 * needs, and takes the child that comes back, which is ours as any other. Does not block.
 */

import { HostError } from "../errors.js";
import { FIELDS_PER_EVENT } from "../kernel/events.js";
import { monitor } from "../kernel/monitor.js";
import { compile, type Elsewhere } from "../program/compile.js";
import type { Planned } from "../program/make-plan.js";
import { ProgramWriter } from "../program/writer.js";
import { hostEnded, LAUNCH, launchError, notMade, type Sight } from "./failure.js";
import type { HostKeeper } from "./host-keeper.js";
import { type AskedKeeper, HostKeepers, type KeeperWish } from "./host-keepers.js";
import { type Answer, type Asker, copyRest, type HostLink, type Numbers, REQUEST } from "./host-link.js";
import {
  answered,
  createdBy,
  discard,
  executing,
  extraOf,
  NOTHING_EXTRA,
  pipesOf,
  type Sending,
  type Wanted,
  withInherited,
} from "./host-requests.js";
import { answerIdMaps } from "./id-maps.js";
import type { Cleanup, Enclosure, Launched, LaunchedPipe, Launcher } from "./launcher.js";

const writer = new ProgramWriter();

export class HostLauncher implements Launcher {
  readonly #link: HostLink;
  readonly #keepers: HostKeepers;
  readonly #elsewhere: () => Elsewhere;

  /** Which paths of its children are ours, too: none in another root. */
  readonly sight: Sight;

  /** `elsewhere` tells at each launch what the child takes over from us. */
  constructor(link: HostLink, elsewhere: () => Elsewhere, sight: Sight) {
    this.#link = link;
    this.#keepers = new HostKeepers(link);
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

  /**
   * Makes a process that waits for steps, with what encloses it; of the plan only the namespaces count. Its one pipe is the
   * socket to it. What it could not enter its first step tells. It must be watched in the very turn in which this settles.
   *
   * @throws SpawnError, and nothing is left behind.
   */
  create(planned: Planned, cleanup: Cleanup, enclosure?: Enclosure): Promise<Launched> {
    return this.#askEnclosed(() => createdBy(planned.plan), cleanup, enclosure);
  }

  #launchEnclosed(planned: Planned, cleanup: Cleanup, enclosure?: Enclosure): Promise<Launched> {
    return this.#askEnclosed(() => executing(withInherited(planned.plan), this.#elsewhere()), cleanup, enclosure);
  }

  /** `want` is called in the turn in which it is sent. */
  async #askEnclosed(want: () => Wanted, cleanup: Cleanup, enclosure: Enclosure = {}): Promise<Launched> {
    const wanted = want();
    const { plan } = wanted;
    const { keeper, namespaces = plan.setup.namespaces.flags, maps = plan.setup.namespaces.maps } = enclosure;
    if (keeper !== undefined) {
      const wish = { role: keeper.role, namespaces, maps };
      let launched = await this.#askKept(wanted, cleanup, wish);
      while (launched === undefined) launched = await this.#askKept(want(), cleanup, wish);
      return launched;
    }
    const numbers = { flags: namespaces, signal: cleanup.signal, grace: cleanup.grace };
    const extra = extraOf(enclosure, maps !== undefined);
    const sent = wanted.send(this.#link, numbers, extra);
    const socket = sent.extra[extra.maps];
    const stop = maps === undefined || socket === undefined ? undefined : answerIdMaps(socket, maps);
    try {
      const { rest } = await answered(sent.answer, sent.pipes, plan, wanted.subjects, this.sight);
      // A copy of the host is there before it asks. It stops by itself, when that has closed its end.
      if (wanted.entered) stop?.();
      return { index: rest[0] as number, pid: rest[1] as number, pipes: sent.pipes };
    } catch (error) {
      stop?.();
      throw error;
    }
  }

  /** Ends what waits for a next command. Settles when it is gone. */
  close(): Promise<void> {
    return this.#keepers.close();
  }

  /**
   * By a keeper that is there, or one that is made: it is asked before it is known to be there. Undefined: somebody has killed
   * it while it waited, and it has not heard of this.
   */
  async #askKept(wanted: Wanted, { signal, grace }: Cleanup, wish: KeeperWish): Promise<Launched | undefined> {
    const { plan, subjects } = wanted;
    const { keeper, made, sent, stop } = this.#ask(wanted, { signal, grace }, wish);
    const pipes = sent?.pipes ?? [];
    try {
      const unmade = await made?.catch((error: Error) => error);
      if (unmade instanceof Error || (unmade !== undefined && unmade.failure !== LAUNCH.ok)) {
        keeper?.link.close();
        discard(pipes);
        forgetCommand(await sent?.answer.catch(() => undefined));
        if (unmade instanceof Error) throw unmade instanceof HostError ? hostEnded(plan, unmade) : unmade;
        // Our table of fds is full. It ends, since its socket is closed, and nobody else will wait for it.
        if (unmade.failure === LAUNCH.pidfd) reap(unmade.rest[1] as number);
        throw launchError(unmade.failure, unmade.rest, plan, subjects, this.sight);
      }
      if (keeper === undefined) throw new Error("a keeper was asked for");
      if (unmade !== undefined) keeper.made(unmade);
      const answer = await sent?.answer.catch(() => undefined);
      const [index = 0, pid = 0, , , peak = 0] = answer?.rest ?? [];
      if (answer?.failure === LAUNCH.ok) return { index, pid, pipes, keeper: keeper.launched(peak) };
      discard(pipes);
      // That it has no command it says itself; else it is not known what it does.
      if (answer !== undefined && TOLD_BY_KEEPER.includes(answer.failure)) keeper.giveBack();
      else await gone(keeper);
      if (made === undefined && answer === undefined && keeper.link.unread) return undefined;
      const { failure, rest } = answer ?? { failure: LAUNCH.killed, rest: new Int32Array(5) };
      throw launchError(failure, rest, plan, subjects, this.sight);
    } finally {
      stop();
    }
  }

  #ask({ plan, send: sendTo }: Wanted, numbers: Numbers, wish: KeeperWish): AskedKeeper & { sent?: Sending } {
    for (;;) {
      let asked: AskedKeeper;
      try {
        asked = this.#keepers.get(wish);
      } catch (error) {
        throw error instanceof HostError ? hostEnded(plan, error) : notMade(plan, "keeper", error as NodeJS.ErrnoException);
      }
      const { keeper, made } = asked;
      if (keeper === undefined) return asked;
      try {
        const sent = sendTo(keeper.link, numbers, NOTHING_EXTRA);
        // What the host says comes first.
        sent.answer.catch(() => {});
        return { ...asked, sent };
      } catch {
        // Its socket is closed: the host, which has made none, says why. One that has waited somebody has killed: the next.
        if (made !== undefined) return asked;
      }
    }
  }
}

/** A keeper that says so is there, and has no command. */
const TOLD_BY_KEEPER: readonly number[] = [LAUNCH.child, LAUNCH.killed, LAUNCH.clone];

/** Of a keeper that nobody knows, its socket closed: it ends its command, which it has told of already. */
function forgetCommand(answer: Answer | undefined): void {
  if (answer?.failure !== LAUNCH.ok) return;
  const index = answer.rest[0] as number;
  monitor().native.keptEnded(index);
  monitor().remove(index);
}

/** Waits for the end of a keeper, and of all that it keeps. */
async function gone(keeper: HostKeeper): Promise<void> {
  monitor().hold();
  await keeper.end();
  monitor().release();
}

const P_PID = 1;
const WEXITED = 4;
const record = new Float64Array(FIELDS_PER_EVENT);

function reap(pid: number): void {
  if (pid > 0) monitor().native.waitid(P_PID, pid, WEXITED, record);
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
