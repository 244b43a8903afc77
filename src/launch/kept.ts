/**
 * What a spawn host's child asks of us before it can go on: a keeper, which is a fork of the host and our child, tells
 * whether it has its command; a child in a new user namespace asks for its id maps.
 */

import { systemError } from "../kernel/errno.js";
import { FIELDS_PER_EVENT } from "../kernel/events.js";
import { monitor } from "../kernel/monitor.js";
import type { IdMaps } from "../program/namespaces.js";
import { LAUNCH } from "./failure.js";
import type { Cleanup, LaunchedKeeper } from "./launcher.js";

const P_PID = 1;
const WEXITED = 4;

/** [0, enum launch_failure, errno, step, detail, signal, count, and an errno for each candidate]. */
const out = new Int32Array(7 + 240);
const record = new Float64Array(FIELDS_PER_EVENT);

/** `failure` is an `enum launch_failure`, and `rest` then as of an answer. */
export interface Met {
  failure: number;
  /** The command's entry in the monitor, and its pid. */
  index: number;
  pid: number;
  rest: Int32Array;
}

/**
 * Waits for a keeper's first word. If it has no command it has ended when this settles, and nothing is left of it.
 *
 * @throws Error of a system call; the same holds.
 */
export async function meet(keeper: LaunchedKeeper, cleanup: Cleanup): Promise<Met> {
  const watching = monitor();
  const { native } = watching;
  let ended: Float64Array | undefined;
  let onEnd = (): void => {};
  const keep = (events: Float64Array, base: number): void => {
    ended = events.slice(base, base + FIELDS_PER_EVENT);
    onEnd();
  };
  // Somebody awaits it: the event loop must not end before it has come.
  watching.hold();
  try {
    const { word, told } = await new Promise<{ word: number; told: Int32Array }>((resolve, reject) => {
      const look = (): void => {
        const result = native.keptMet(keeper.socket, keeper.foreign ? 1 : 0, cleanup.signal, cleanup.grace, out);
        // Another's may follow in this very turn.
        if (result !== 0) resolve({ word: result, told: out.slice(0, 7 + (result === 2 ? (out[6] as number) : 0)) });
      };
      watching.watch(keeper.index, { onEvent: keep, onFailure: reject });
      watching.watch(keeper.socket, { onEvent: look, onFailure: reject });
      const armed = native.arm(keeper.socket);
      if (armed < 0) reject(systemError(-armed, "epoll_ctl"));
    });
    if (word === 1) {
      // Whoever watches it from now on is told later, as always.
      const exit = ended;
      if (exit !== undefined) setImmediate(() => watching.deliver(keeper.index, exit, 0));
      return { failure: LAUNCH.ok, index: told[0] as number, pid: told[1] as number, rest: told };
    }
    await gone();
    return { failure: word === 2 ? (told[1] as number) : LAUNCH.killed, index: -1, pid: -1, rest: told.slice(2) };
  } catch (error) {
    await gone();
    throw error;
  } finally {
    watching.release();
  }

  /** Without its socket a keeper ends, and takes everything along. */
  async function gone(): Promise<void> {
    watching.remove(keeper.socket);
    if (ended === undefined && watching.failure === undefined) {
      await new Promise<void>((resolve) => {
        onEnd = resolve;
        watching.watch(keeper.index, { onEvent: keep, onFailure: () => resolve() });
      });
    }
    watching.remove(keeper.index);
  }
}

/** Gives up a keeper that is not watched. `pid`: it is a child of ours that nobody else will wait for; else 0. */
export function endUnmet(socket: number, pid: number): void {
  const watching = monitor();
  watching.remove(socket);
  if (pid > 0) watching.native.waitid(P_PID, pid, WEXITED, record);
}

/** Answers a child that asks for the id maps of its user namespace. What it gives ends that. */
export function answerIdMaps(socket: number, { uid, gid, denySetgroups, own }: IdMaps): () => void {
  const watching = monitor();
  const texts = Buffer.from(`${own.uid ? "" : uid}\0${own.gid ? "" : gid}\0`);
  let open = true;
  // A child that waits reads the end, and reports that.
  const stop = (): void => {
    if (open) watching.remove(socket);
    open = false;
  };
  const answer = (): void => {
    if (watching.native.answerIdMaps(socket, texts, denySetgroups ? 1 : 0) < 0) stop();
  };
  watching.watch(socket, { onEvent: answer, onFailure: stop });
  if (watching.native.arm(socket) < 0) stop();
  return stop;
}
