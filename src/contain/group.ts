/**
 * "group": the process group, or the session, that the command leads. Nothing of ours watches it: what leaves the group
 * (setpgid) or the session (setsid) has escaped, and when our process is killed all of it lives on.
 */

import { GROUP } from "../kernel/events.js";
import type { Means } from "../states.js";
import { Containment } from "./containment.js";
import { unlessPassing } from "./kernel-files.js";
import { findProcesses, type Process, signalProcess } from "./processes.js";

const SIGKILL = 9;
/** Nobody tells when a group becomes empty. */
const LOOK_MS = 20;

export class GroupContainment extends Containment {
  readonly by: Means = "group";
  readonly #session: boolean;
  #timer: NodeJS.Timeout | undefined;

  constructor(pid: number, session: boolean) {
    super(pid);
    this.#session = session;
  }

  override members(): Process[] {
    return findProcesses(({ group, session }) => (this.#session ? session : group) === this.pid);
  }

  protected left(group: number): boolean {
    if (!this.#session && group === GROUP.gone) return false;
    if (this.#isEmpty()) return false;
    this.#timer = setInterval(() => this.look(), LOOK_MS).unref();
    return true;
  }

  protected endAll(): void {
    for (const process of this.members()) signalProcess(process, SIGKILL);
  }

  protected release(): void {
    clearInterval(this.#timer);
  }

  protected override look(): void {
    if (this.contained !== undefined && this.#timer !== undefined && this.#isEmpty()) this.finish();
  }

  /** Until that can be seen it is not. */
  #isEmpty(): boolean {
    return unlessPassing(() => this.members().length === 0, false);
  }

  protected close(): void {
    clearInterval(this.#timer);
  }
}
