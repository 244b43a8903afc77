/**
 * What a child's end means: its reason, whether it is clean, and the error if it is not.
 */

import { AbortError, type BroodError, ExitError, type Outcome, type Reason, TimeoutError } from "../errors.js";
import { describeState } from "../kernel/events.js";
import type { ExitState } from "../states.js";
import type { Cause } from "./termination.js";

interface Command {
  command: string;
  args: readonly string[];
}

/** Shows a command in a message, shortened. */
export function describeCommand({ command, args }: Command): string {
  const line = [command, ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
  return line.length > 120 ? `${line.slice(0, 117)}...` : line;
}

/** Gives the one reason why a child ended. */
export function reasonFor(exit: ExitState, cause: Cause | undefined): Reason {
  if (cause !== undefined) return cause.reason;
  switch (exit.kind) {
    case "exited":
      return "exit";
    case "killed":
      return exit.coreDumped ? "coredump" : "signal";
    case "unknown":
      return "unknown";
  }
}

/** Whether it is a success: exit code 0, and not because time ran out or someone gave up. */
export function isClean(exit: ExitState, cause: Cause | undefined): boolean {
  return exit.kind === "exited" && exit.code === 0 && (cause === undefined || cause.reason === "terminated");
}

/** Makes the error for an end that is not clean. */
export function endError(child: Command, exit: ExitState, cause: Cause | undefined, outcome: Partial<Outcome> = {}): BroodError {
  const fields = { command: child.command, args: [...child.args], exit, reason: reasonFor(exit, cause), ...outcome };
  const what = describeCommand(child);
  const how = describeState(exit);
  if (cause?.reason === "timeout") return new TimeoutError(`${what} ran longer than ${cause.ms} ms, and ${how}`, fields);
  if (cause?.reason === "aborted") return new AbortError(`${what} was aborted, and ${how}`, cause.because, fields);
  return new ExitError(`${what} ${how}${lastLine(fields.stderr)}`, fields);
}

/** The last line of stderr, which mostly says why. */
function lastLine(stderr: unknown): string {
  const text = typeof stderr === "string" ? stderr : stderr instanceof Uint8Array ? Buffer.from(stderr).toString() : "";
  const line = text.trimEnd().split("\n").at(-1)?.trim() ?? "";
  return line === "" ? "" : `: ${line.length > 200 ? `${line.slice(0, 197)}...` : line}`;
}
