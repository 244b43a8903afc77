/**
 * Where the command stands in the terminal's job control: docs/decisions/0010-the-terminal.md.
 */

import { fstatSync, readFileSync } from "node:fs";
import { foregroundGroup, groupOf, isJob, ownGroup } from "../kernel/terminal.js";
import type { Request } from "./flags.js";

/**
 * - `own`: in a process group of its own, which has the terminal's foreground; the terminal's signals reach it
 *   and not brood.
 * - `shared`: in brood's group; the terminal's signals reach both.
 * - `apart`: in the session or group that was asked for; the terminal's signals reach brood alone, if any.
 */
export type Placement = "own" | "shared" | "apart";

const STDIO = [0, 1, 2] as const;

/** Gives the fd of brood's that is its controlling terminal. */
export function terminalFd(): number | undefined {
  return STDIO.find((fd) => foregroundGroup(fd) !== undefined);
}

/** Decides where the command is to be, and for `own` by which fd it takes the foreground. */
export function place({ options, interruptTwice }: Request): { placement: Placement; fd?: number } {
  if (options.session === true || options.processGroup !== undefined) return { placement: "apart" };
  // Only one who gets Ctrl-C can count it.
  if (interruptTwice) return { placement: "shared" };
  const group = ownGroup();
  const entries = [options.stdin, options.stdout, options.stderr];
  const fd = STDIO.find((n) => (entries[n] ?? "inherit") === "inherit" && foregroundGroup(n) === group);
  // A pipe may lead to another member of a pipeline, which would be left behind in the background. It may not even
  // have been started yet.
  const alone = group === process.pid && !STDIO.some(isPipe) && isAlone(group);
  if (fd === undefined || !alone || !isJob()) return { placement: "shared" };
  return { placement: "own", fd };
}

function isPipe(fd: number): boolean {
  const stat = fstatSync(fd);
  return stat.isFIFO() || stat.isSocket();
}

/** Whether our parent has no other child in our group. Where that can't be told: no. */
function isAlone(group: number): boolean {
  try {
    const siblings = readFileSync(`/proc/${process.ppid}/task/${process.ppid}/children`, "utf8").split(" ").map(Number);
    return siblings.includes(process.pid) && siblings.every((pid) => pid === process.pid || pid === 0 || groupOf(pid) !== group);
  } catch {
    return false;
  }
}
