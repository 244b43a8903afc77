/**
 * brood's terminal while the command runs: lent to the command, taken back, its modes as they were.
 *
 * Whoever takes a terminal from a group that is alive hurts it (its reads fail), so this takes only what it
 * lent, and never from the group of the shell.
 */

import { closeSync, constants, openSync } from "node:fs";
import { isatty } from "node:tty";
import { foregroundGroup, groupOf, ownGroup, readModes, setForegroundGroup, writeModes } from "../kernel/terminal.js";

export class Terminal {
  readonly #fd: number;
  /** brood's own process group. */
  readonly group = ownGroup();
  /** Those of whoever started us. Undefined as long as we have not been in the foreground. */
  #outside: Uint8Array | undefined;
  /** Those that the command had when it stopped. */
  #inside: Uint8Array | undefined;
  #lent = false;

  constructor(fd: number) {
    this.#fd = fd;
    if (this.isOurs) this.#outside = readModes(fd);
  }

  /** Whether our own group has the foreground. */
  get isOurs(): boolean {
    return foregroundGroup(this.#fd) === this.group;
  }

  get hasHungUp(): boolean {
    return foregroundGroup(this.#fd) === undefined;
  }

  /** The command took the foreground itself, before exec. */
  wasLent(): void {
    this.#lent = true;
  }

  /** Gives the foreground to the command's group (which may be ours), with the modes that it had. */
  lend(group: number): boolean {
    if (!this.isOurs) return false;
    this.#outside = readModes(this.#fd) ?? this.#outside;
    if (this.#inside !== undefined) writeModes(this.#fd, this.#inside);
    this.#inside = undefined;
    if (group !== this.group) this.#lent = setForegroundGroup(this.#fd, group);
    return true;
  }

  /** The command has stopped or ended: the terminal is again as it was for whoever started us. */
  takeBack(): void {
    if (this.#lent || this.isOurs) this.#inside = readModes(this.#fd);
    if (this.#reclaim() && this.#outside !== undefined) writeModes(this.#fd, this.#outside);
  }

  /** Whether the foreground is ours now. */
  #reclaim(): boolean {
    const now = foregroundGroup(this.#fd);
    const lent = this.#lent;
    this.#lent = false;
    if (now === this.group) return true;
    // Nobody is in a group that has ended: it was one of the command's.
    if (now === undefined || !(isDead(now) || (lent && now !== groupOf(process.ppid)))) return false;
    return setForegroundGroup(this.#fd, this.group);
  }
}

const TERMINALS = [0, 1, 2].filter((fd) => isatty(fd));

/**
 * Closes our standard fds that are a terminal; nothing can be written any more. Node, when it exits, would set the
 * modes that it found at its start, also where the terminal is someone else's by now, and abort where it has hung
 * up: it leaves closed fds alone.
 */
export function closeTerminals(): void {
  if (TERMINALS.length === 0) return;
  try {
    // One stays open until we are gone: where nobody has it open the terminal hangs up, and that would end us.
    openSync("/dev/tty", constants.O_RDWR | constants.O_NOCTTY);
  } catch {
    // It has hung up already, or is not our controlling terminal: nothing can come from it.
  }
  for (const fd of TERMINALS.splice(0)) closeSync(fd);
}

function isDead(group: number): boolean {
  if (group <= 1) return false;
  try {
    process.kill(-group, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ESRCH";
  }
}
