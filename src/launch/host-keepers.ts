/**
 * The keepers of one spawn host: they are made when they are needed, and those that have nothing to keep wait for a while. Making
 * one costs more than all else of a contained spawn.
 */

import { closeSync, constants, openSync } from "node:fs";
import { monitor } from "../kernel/monitor.js";
import type { IdMaps } from "../program/namespaces.js";
import { INPUT } from "../program/plan.js";
import { LAUNCH } from "./failure.js";
import { HostKeeper, type KeeperHome } from "./host-keeper.js";
import { type Answer, EXTRA, type HostLink, KEEPER, REQUEST } from "./host-link.js";
import { answerIdMaps } from "./id-maps.js";

/** How many wait at most. */
const MOST_IDLE = 32;
/** Who was not needed for that long, or up to twice that, ends. */
const IDLE_MS = 250;

/** A keeper that the host has been asked for. */
export interface AskedKeeper {
  /** Undefined: there can't be one, and the answer says why. */
  keeper: HostKeeper | undefined;
  /** The host's answer; of a keeper that was there already none is awaited. */
  made?: Promise<Answer>;
  /** Stops to answer what it asks. */
  stop(): void;
}

/** What is to be different in it. */
export interface KeeperWish {
  role: "keep" | "init";
  namespaces: number;
  maps: IdMaps | undefined;
}

const nothing = (): void => {};

export class HostKeepers implements KeeperHome {
  readonly #host: HostLink;
  /** Who has waited longest comes first, and goes first. */
  readonly #idle: HostKeeper[] = [];
  readonly #ending = new Set<Promise<void>>();
  #least = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(host: HostLink) {
    this.#host = host;
  }

  /**
   * Gives a keeper that may be asked for a command at once.
   *
   * @throws HostError: the host has ended. Error with an errno's code: no fd is left.
   */
  get(wish: KeeperWish): AskedKeeper {
    const common = wish.role === "keep" && wish.namespaces === 0;
    const keeper = common ? this.#idle.pop() : undefined;
    if (keeper === undefined) return this.#make(wish, common);
    this.#least = Math.min(this.#least, this.#idle.length);
    return { keeper, stop: nothing };
  }

  welcome(keeper: HostKeeper, common: boolean): void {
    if (!common || this.#closed || keeper.link.ended || this.#idle.length >= MOST_IDLE) {
      this.#end(keeper);
      return;
    }
    this.#idle.push(keeper);
    this.#timer ??= setTimeout(() => this.#dismiss(), IDLE_MS).unref();
  }

  forget(keeper: HostKeeper): void {
    const at = this.#idle.indexOf(keeper);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  /** Ends those that wait, and from now on whoever comes back. Settles when they are gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const keeper of this.#idle.splice(0)) this.#end(keeper);
    await Promise.all(this.#ending);
  }

  #end(keeper: HostKeeper): void {
    const ended = keeper.end().then(() => {
      this.#ending.delete(ended);
    });
    this.#ending.add(ended);
  }

  #make({ role, namespaces, maps }: KeeperWish, common: boolean): AskedKeeper {
    // It finds what it keeps in there, also where the host's root has none.
    const proc = openSync("/proc", constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const inputs = Int32Array.from([...(maps === undefined ? [] : [INPUT.packets]), ~proc, INPUT.packets]);
      const extra = EXTRA.keeper | (maps === undefined ? 0 : EXTRA.maps);
      const numbers = { flags: namespaces, extra, keeper: role === "init" ? KEEPER.init : KEEPER.keep };
      const { pipes, answer } = this.#host.request(REQUEST.create, null, inputs, numbers);
      // Nothing was sent: the answer says why.
      if (pipes.length === 0) return { keeper: undefined, made: answer, stop: nothing };
      const stop = maps === undefined ? nothing : answerIdMaps(pipes[0] as number, maps);
      try {
        return { keeper: new HostKeeper(this, pipes.at(-1) as number, role === "init", common), made: answer, stop };
      } catch (error) {
        return { keeper: undefined, made: unwatched(answer, error as NodeJS.ErrnoException), stop };
      }
    } finally {
      closeSync(proc);
    }
  }

  /** Those of which none was needed since the last time. */
  #dismiss(): void {
    this.#timer = undefined;
    for (const keeper of this.#idle.slice(0, this.#least)) this.#end(keeper);
    this.#least = this.#idle.length;
    if (this.#least > 0) this.#timer = setTimeout(() => this.#dismiss(), IDLE_MS).unref();
  }
}

/** Of a keeper whose socket could not be watched, and is closed: it ends. */
async function unwatched(answer: Promise<Answer>, { errno = 0 }: NodeJS.ErrnoException): Promise<Answer> {
  const { failure, rest } = await answer;
  if (failure !== LAUNCH.ok) return { failure, rest };
  const index = rest[0] as number;
  const watching = monitor();
  watching.hold();
  await new Promise<void>((resolve) => watching.watch(index, { onEvent: () => resolve(), onFailure: () => resolve() }));
  watching.release();
  watching.remove(index);
  return { failure: LAUNCH.watch, rest: Int32Array.of(-errno, 0, 0, 0, 0) };
}
