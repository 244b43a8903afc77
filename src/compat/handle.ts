/**
 * What stands in the place of Node's `Process`: spawns by a child program, and is told of the end by the monitor.
 * Everything above it (streams, `close`, messages, errors) stays Node's.
 */

import { AsyncResource } from "node:async_hooks";
import { launchContained, type Started } from "../contain/launch.js";
import { SpawnError } from "../errors.js";
import { EAGAIN, ENOENT, ESRCH } from "../kernel/errno.js";
import { launch } from "../launch/direct.js";
import { checkPermission } from "../native/addon.js";
import { Child } from "../process/child.js";
import type { Plan } from "../program/plan.js";
import type { ExitState } from "../states.js";
import { addLiving, Living, removeLiving } from "./active-resources.js";
import { type Added, NOTHING_ADDED } from "./added-options.js";
import { type Form, type Handle, type NodeChild, type PipeHandle, readRequest, type SpawnRequest } from "./node-internals.js";
import { planRequest } from "./node-plan.js";
import { closeHandles, handlesOf, mapStdio, openEnded, openHandles } from "./node-stdio.js";
import { withSecondTries } from "./second-tries.js";
import { tellCause } from "./spawn-failure.js";

const EINVAL = 22;
const EACCES = 13;
/** Node goes on after these, and reads from the pipes of a child that never was: they must be open. */
const NODE_GOES_ON = [ENOENT, EACCES, EAGAIN];

export class ProcessHandle implements Handle {
  pid: number | undefined;
  /** Why there is no child. */
  failure: SpawnError | undefined;
  readonly #form: Form;
  /** By the name that Node's own has: who watches async resources knows a child by it. */
  readonly #context = new AsyncResource("PROCESSWRAP", { requireManualDestroy: true });
  #owner: NodeChild | undefined;
  #added = NOTHING_ADDED;
  #extend = false;
  #tell: Handle["onexit"];
  #child: Child | undefined;
  #refed = true;
  readonly #living = new Living(this);

  constructor(form: Form) {
    this.#form = form;
  }

  /** Says whose it is, before it spawns; `extend`: the environment that it is told is laid over ours. */
  prepare(owner: NodeChild, added: Added, extend: boolean): void {
    this.#owner = owner;
    this.#added = added;
    this.#extend = extend;
  }

  /** Called by Node, with a negated errno, where spawn failed. */
  get onexit(): NonNullable<Handle["onexit"]> {
    return (code, signal) => {
      const tell = (): void => this.#tell?.(code, signal);
      if (this.failure === undefined || this.#owner === undefined) tell();
      else tellCause(this.#owner, this.failure, tell);
    };
  }

  set onexit(tell: NonNullable<Handle["onexit"]>) {
    this.#tell = tell;
  }

  spawn(...received: unknown[]): number {
    if (this.#child !== undefined) return -EINVAL;
    try {
      this.#spawn(readRequest(this.#form, received));
      return 0;
    } catch (error) {
      if (!(error instanceof SpawnError)) throw error;
      this.failure = error;
      // A child that was killed before its exec has no errno.
      return -(error.errno || EAGAIN);
    }
  }

  #spawn(request: SpawnRequest): void {
    checkPermission();
    const { file, args = [], cwd } = request;
    const handles = handlesOf(request.stdio);
    const { launched, containment } = this.#start(request, handles);
    this.pid = launched.pid;
    const child: Child = new Child({
      launched,
      told: { command: file, args: args.slice(1), cwd: cwd ?? undefined },
      life: this.#added.life,
      data: undefined,
      onExit: (exit) => this.#ended(exit),
      containment,
    });
    this.#child = child;
    addLiving(this.#living);
    if (!this.#refed) child.unref();
    if (this.#owner !== undefined) Object.defineProperty(this.#owner, "brood", { value: child, configurable: true });
    try {
      openHandles(file, handles, launched.ends ?? []);
    } catch (error) {
      child.kill("SIGKILL");
      closeHandles(handles);
      throw error;
    }
  }

  /** Launches it. If that fails the handles are closed, or as Node wants them. */
  #start(request: SpawnRequest, handles: readonly PipeHandle[]): ReturnType<typeof start> {
    try {
      const map = mapStdio(request.file, request.stdio);
      return start(planRequest(request, map, this.#added, this.#extend), this.#added);
    } catch (error) {
      if (error instanceof SpawnError && NODE_GOES_ON.includes(error.errno)) openEnded(handles);
      else closeHandles(handles);
      throw error;
    }
  }

  kill(signal: number): number {
    if (this.#child === undefined) return -ESRCH;
    try {
      // One that has ended and not been heard of counts as alive, as it does for kill(2).
      this.#child.kill(signal);
      return 0;
    } catch (error) {
      return (error as NodeJS.ErrnoException).errno ?? -EINVAL;
    }
  }

  close(callback?: () => void): void {
    if (callback !== undefined) setImmediate(callback);
  }

  ref(): void {
    this.#refed = true;
    this.#child?.ref();
  }

  unref(): void {
    this.#refed = false;
    this.#child?.unref();
  }

  hasRef(): boolean {
    return this.#refed && this.#child !== undefined && this.#child.exit === null;
  }

  /** What has arrived on its pipes comes first, as by libuv: it is told after all that this turn of the loop has read. */
  #ended(exit: ExitState): void {
    removeLiving(this.#living);
    // Node has given it up.
    if (this.failure !== undefined) return;
    this.#context.runInAsyncScope(setImmediate, null, () => {
      if (exit.kind === "exited") this.onexit(exit.code, "");
      else if (exit.kind === "killed") this.onexit(0, exit.signal);
      else this.onexit(null, "");
    });
    this.#context.emitDestroy();
  }
}

function start(plan: Plan, added: Added): Pick<Started, "launched"> & Partial<Started> {
  const { killSignal, forceKillAfterDelay, cleanup, contain } = added.life;
  const grace = forceKillAfterDelay === false ? -1 : forceKillAfterDelay;
  const ending = { signal: cleanup ? killSignal : 0, grace };
  return withSecondTries(plan, added, (which) => {
    const planned = { plan: which, data: undefined };
    return contain === undefined ? { launched: launch(planned, ending) } : launchContained(planned, ending, contain);
  });
}
