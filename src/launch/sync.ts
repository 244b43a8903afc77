/**
 * Launching a child that this thread then waits for: its pipes and its end have a loop of their own in
 * native/sync_run.c. There is one at a time in each JavaScript environment.
 */

import { errnoName, errnoWords, systemError } from "../kernel/errno.js";
import { decodeExit } from "../kernel/events.js";
import { type Addon, addon } from "../native/addon.js";
import type { Planned } from "../program/make-plan.js";
import { INPUT } from "../program/plan.js";
import type { ExitState } from "../states.js";
import { prepare } from "./direct.js";
import { LAUNCH, launchError } from "./failure.js";
import type { LaunchedPipe } from "./launcher.js";

/** `enum sync_run_state` of native/sync_run.h. */
export const SYNC = { exited: 1, ended: 2, time: 4, full: 8 } as const;
/** `enum sync_run_field`. */
const QUIET = 16;
const WRITE_ERROR = 17;

const record = new Float64Array(18);

/** The child that is waited for. Whoever launched it calls `end`, whatever happens. */
export class SyncChild {
  readonly pid: number;
  readonly pipes: readonly LaunchedPipe[];
  readonly #native: Addon;
  readonly #input: Uint8Array | undefined;

  constructor(native: Addon, pid: number, pipes: readonly LaunchedPipe[], input: Uint8Array | undefined) {
    this.#native = native;
    this.pid = pid;
    this.pipes = pipes;
    this.#input = input;
  }

  /**
   * Moves bytes until it has been reaped (told at once), and then until no pipe is open; or the time is over (ms,
   * negative: never); or more than `most` bytes have not been taken.
   *
   * @returns bits of SYNC.
   */
  wait(ms: number, most: number): number {
    const state = this.#native.syncWait(ms, most, this.#input, record);
    if (state < 0) throw this.#failure(-state);
    return state;
  }

  /** How it ended, when wait() has said that it did. */
  exit(): ExitState {
    return decodeExit(record, 0, this.pid);
  }

  /** Milliseconds since a byte last moved, as of the last wait(). */
  get quiet(): number {
    return record[QUIET] as number;
  }

  /** Why what was written was not taken, an errno; 0 if it was. */
  get writeError(): number {
    return record[WRITE_ERROR] as number;
  }

  /** Takes what was read from a pipe. */
  take(pipe: LaunchedPipe): Buffer {
    const bytes = this.#native.syncTake(pipe.index);
    if (bytes === 0) return Buffer.alloc(0);
    if (typeof bytes === "number") throw this.#failure(bytes);
    return bytes;
  }

  isOpen(pipe: LaunchedPipe): boolean {
    return this.#native.syncIsOpen(pipe.index) === 1;
  }

  /** What a pipe's other end is called in /proc/PID/fd. */
  link(pipe: LaunchedPipe): string {
    return `${pipe.kind === INPUT.socket ? "socket" : "pipe"}:[${this.#native.syncFarInode(pipe.index)}]`;
  }

  close(pipe: LaunchedPipe): void {
    this.#native.syncClose(pipe.index);
  }

  /** Gives 1: sent, 0: it has ended, or a negated errno. */
  signal(signal: number): number {
    return this.#native.syncSignal(signal);
  }

  /** Closes what is open. A child that has not been reaped is killed. */
  end(): void {
    this.#native.syncEnd();
  }

  #failure(errno: number): Error {
    const message = `cannot wait for process ${this.pid} and its output: ${errnoWords(errno)} (${errnoName(errno)})`;
    return Object.assign(systemError(errno, "poll"), { message });
  }
}

/**
 * Starts a child, to be waited for by this thread. `input` is written to its fd 0, then the end; without it an fd 0 that is
 * a socket is read.
 *
 * @throws SpawnError, and nothing is left behind.
 */
export function launchSync({ plan }: Pick<Planned, "plan">, input: Uint8Array | undefined): SyncChild {
  const native = addon();
  const { program, room, thread } = prepare(plan);
  const { inputs } = plan.setup.fds;
  const feed = input === undefined ? -1 : inputs.findIndex(({ target }) => target === 0);
  const result = native.syncLaunch(program.bytes, program.inputs, thread, feed, room);
  if (result !== LAUNCH.ok) throw launchError(result, room, plan, program.subjects);
  const pipes = inputs.map(({ kind, target }, index) => ({ index, target, kind }));
  return new SyncChild(native, room[1] as number, pipes, input);
}
