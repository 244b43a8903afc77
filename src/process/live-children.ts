/**
 * The children that are to end with us, by environment. Those of other environments of this process are out of reach from
 * here: they are asked, and answer, through native/ending.h.
 */

import { systemError } from "../kernel/errno.js";
import { isMainThread } from "../kernel/main-thread.js";
import { type Monitor, monitor } from "../kernel/monitor.js";
import { addon } from "../native/addon.js";
import type { ExitState } from "../states.js";
import { type Linked, LinkedSet } from "./linked-set.js";

/** A child that is to end with us, on its way there. */
export interface EndsWithUs extends Linked {
  /** Terminates it, because our process is about to end. */
  terminateWithUs(): Promise<ExitState>;
  /** Ends it at once, with all that is contained with it. */
  killWithUs(): void;
}

/** A worker that has not come to its event loop by then has something else to do, and is not waited for. */
const HEARD_MS = 2000;

const live = new LinkedSet<EndsWithUs>();

/** Keeps a child with those that are to end with us. */
export function addLive(child: EndsWithUs): void {
  if (part === undefined && !isMainThread()) takePart();
  live.add(child);
}

/** Gives a child up that has ended, with all that is contained with it. */
export function removeLive(child: EndsWithUs): void {
  live.delete(child);
}

/** Terminates the children that live and are to be cleaned up, or kills them. */
export function endLive(kill: boolean): void {
  const children = live.list();
  if (kill) for (const child of children) quietly(() => child.killWithUs());
  for (const child of children) void child.terminateWithUs();
}

/** Terminates them, also those that are started meanwhile; settles when none is left. */
export async function terminateLive(): Promise<void> {
  for (let children = live.list(); children.length > 0; children = live.list())
    await Promise.all(children.map((child) => child.terminateWithUs()));
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // EPERM: beyond our reach.
  }
}

/** How an environment hears of others. */
class Part {
  readonly #monitor: Monitor;
  readonly #waiting = new Set<() => void>();

  /** @throws Error of a system call. */
  constructor() {
    this.#monitor = monitor();
    const index = this.#monitor.native.endingJoin();
    if (index < 0) throw systemError(-index, "eventfd2");
    this.#monitor.watch(index, { onEvent: () => this.#hear(), onFailure() {} });
  }

  /** We are asked to end our children, or have been answered. */
  #hear(): void {
    const asked = this.#monitor.native.endingTake();
    if (asked > 0) void this.#answer(Math.floor(asked / 2), asked % 2 === 1);
    for (const look of this.#waiting) look();
  }

  async #answer(question: number, kill: boolean): Promise<void> {
    try {
      endLive(kill);
      await terminateLive();
    } finally {
      // Also where they can't be watched any more: nobody is to wait for that.
      this.#monitor.native.endingAnswer(question);
    }
  }

  /** Asks all others; settles when they have answered, or ended, or are late. Gives whether none was. */
  async ask(kill: boolean): Promise<boolean> {
    const { native } = this.#monitor;
    if (native.endingAsk(kill ? 1 : 0) <= 0) return true;
    const late = performance.now() + HEARD_MS;
    this.#monitor.hold();
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (native.endingLeft(performance.now() < late ? 0 : 1) > 0) return;
        clearTimeout(timer);
        this.#waiting.delete(look);
        resolve();
      };
      const timer = setTimeout(look, HEARD_MS + 1);
      this.#waiting.add(look);
      look();
    });
    this.#monitor.release();
    return native.endingLeft(0) === 0;
  }
}

const SHARED = Symbol.for("brood.ending");

/** Undefined: we have not taken part yet; null: we can't. */
let part: Part | null | undefined;

function takePart(): Part | null {
  try {
    // The addon takes part once in an environment, also for another copy of this module: it can ask, too.
    const holder = addon() as { [SHARED]?: Part };
    part ??= holder[SHARED] ??= new Part();
  } catch {
    // Without an fd for it nobody else is reached, and nobody reaches us.
    part = null;
  }
  return part;
}

/**
 * Has other environments end their children; settles when none of these is left, or none that can be reached. Gives whether
 * all were.
 */
export async function endLiveElsewhere(kill: boolean): Promise<boolean> {
  return (await takePart()?.ask(kill)) ?? false;
}
