/**
 * Node's spawnSync, execSync and execFileSync on brood's engine. All three hand an options object to one function of
 * Node's native part, and get a result object back; one of ours stands in its place. What they check before and make
 * of it afterwards stays Node's. What is done in between is what Node's native part does: no grace period, pipes are
 * read to their end unless a timeout or a bound on output closes them.
 */

import { SpawnError } from "../errors.js";
import { EAGAIN, ESRCH } from "../kernel/errno.js";
import { launchSync, SYNC, type SyncChild } from "../launch/sync.js";
import { checkPermission } from "../native/addon.js";
import type { ExitState } from "../states.js";
import { checkSync, readAdded } from "./added-options.js";
import type { SpawnRequest, StdioItem } from "./node-internals.js";
import { planRequest } from "./node-plan.js";
import { mapStdio } from "./node-stdio.js";
import { isOwnEnvironment } from "./own-environment.js";
import { withSecondTries } from "./second-tries.js";
import { addCause } from "./spawn-failure.js";

const SIGKILL = 9;
const SIGTERM = 15;
const ENOBUFS = 105;
const ETIMEDOUT = 110;

/** What one of the child's fds is to be. Of a pipe: whether the child reads or writes it, and what it reads. */
interface SyncStdioItem extends StdioItem {
  readable?: boolean;
  writable?: boolean;
  input?: ArrayBufferView | null;
}

/** What Node's JavaScript hands to its native part. */
export interface SyncRequest extends SpawnRequest {
  stdio: SyncStdioItem[];
  /** Milliseconds; 0 is none. */
  timeout?: number | null;
  /** Bytes of all pipes together; 0 and Infinity are none. */
  maxBuffer?: number | null;
  killSignal?: number | null;
  brood?: unknown;
}

/** What it expects back. */
export interface SyncResult {
  /** A negated errno. */
  error?: number;
  status: number | null;
  signal: string | null;
  output: (Buffer | null)[] | null;
  pid: number;
}

/**
 * Spawns, and waits for the end.
 *
 * @throws TypeError, RangeError for `options.brood`; Error ERR_ACCESS_DENIED. A failed spawn is a result.
 */
export function spawnSyncOnBrood(request: SyncRequest): SyncResult {
  checkPermission();
  const added = readAdded(request.brood);
  checkSync(added);
  let child: SyncChild;
  try {
    const plan = planRequest(
      request,
      mapStdio(request.file, request.stdio),
      added,
      isOwnEnvironment((request as { env?: unknown }).env),
    );
    child = withSecondTries(plan, added, (which) => launchSync({ plan: which }, inputOf(request)));
  } catch (error) {
    if (error instanceof SpawnError) return failure(error);
    throw error;
  }
  try {
    return new SyncWait(child, request).result();
  } finally {
    child.end();
  }
}

const NOTHING = new Uint8Array(0);

/** What the child reads from fd 0: nothing, where that is a pipe without input. */
function inputOf({ stdio: [first] }: SyncRequest): Uint8Array | undefined {
  if (first?.readable !== true) return undefined;
  const { input } = first;
  return input ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : NOTHING;
}

/** Waits for one child, as Node's native part does. */
class SyncWait {
  readonly #child: SyncChild;
  readonly #request: SyncRequest;
  readonly #most: number;
  readonly #deadline: number;
  #exit: ExitState | undefined;
  #killed = false;
  /** The first one counts. */
  #errno = 0;

  constructor(child: SyncChild, request: SyncRequest) {
    this.#child = child;
    this.#request = request;
    const { timeout, maxBuffer } = request;
    this.#deadline = timeout ? performance.now() + timeout : Infinity;
    this.#most = maxBuffer || Infinity;
  }

  result(): SyncResult {
    const exit = this.#wait();
    const errno = this.#errno || this.#child.writeError;
    const result = {
      status: exit.kind === "exited" ? exit.code : null,
      signal: exit.kind === "killed" ? exit.signal : null,
      output: this.#output(),
      pid: this.#child.pid,
    };
    return errno === 0 ? result : { error: -errno, ...result };
  }

  #wait(): ExitState {
    const child = this.#child;
    for (;;) {
      const bounded = !this.#killed;
      const ms = bounded && this.#deadline < Infinity ? Math.max(0, this.#deadline - performance.now()) : -1;
      const state = child.wait(ms, bounded ? this.#most : Infinity);
      if (state & SYNC.exited) this.#exit ??= child.exit();
      if (state & SYNC.full) this.#kill(ENOBUFS);
      else if (state & SYNC.time) this.#kill(ETIMEDOUT);
      if (this.#exit !== undefined && (this.#killed || state & SYNC.ended)) return this.#exit;
    }
  }

  /** Ends it, if it lives, and whatever holds its pipes is not waited for. */
  #kill(why: number): void {
    this.#killed = true;
    this.#errno = why;
    if (this.#exit === undefined) {
      const result = this.#child.signal(this.#request.killSignal ?? SIGTERM);
      if (result < 0 && result !== -ESRCH) this.#child.signal(SIGKILL);
    }
    for (const pipe of this.#child.pipes) this.#child.close(pipe);
  }

  #output(): (Buffer | null)[] {
    const pipes = new Map(this.#child.pipes.map((pipe) => [pipe.target, pipe]));
    return this.#request.stdio.map(({ writable }, target) => {
      const pipe = pipes.get(target);
      return pipe !== undefined && writable === true ? this.#child.take(pipe) : null;
    });
  }
}

/** Node makes an error of the number. It gets the cause that we know. */
function failure(cause: SpawnError): SyncResult {
  const result = {};
  const define = (descriptor: PropertyDescriptor): void => {
    Object.defineProperty(result, "error", { configurable: true, enumerable: true, ...descriptor });
  };
  define({
    // A child that was killed before its exec has no errno.
    get: () => -(cause.errno || EAGAIN),
    set(error: unknown) {
      addCause(error, cause);
      define({ value: error, writable: true });
    },
  });
  return Object.assign(result, { status: null, signal: null, output: null, pid: 0 });
}
