/**
 * What a child's end means: its reason, whether it is clean, and the error if it is not.
 */

import {
  AbortError,
  type BroodError,
  DrainError,
  ExitError,
  type Holder,
  type Outcome,
  OutputError,
  type Reason,
  TimeoutError,
} from "../errors.js";
import { describeState } from "../kernel/events.js";
import type { ExitState } from "../states.js";
import type { DrainPlan } from "./options.js";
import type { Cause } from "./termination.js";

interface Command {
  command: string;
  args: readonly string[];
  /** The directory that it was started in, if one was asked for. */
  cwd?: string | undefined;
}

/** Shows a command on one line. */
export function showCommand({ command, args }: Command): string {
  return [command, ...args].map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : JSON.stringify(word))).join(" ");
}

/** Shows a command in a message, shortened. */
export function describeCommand(command: Command): string {
  const line = showCommand(command);
  return line.length > 120 ? `${line.slice(0, 117)}...` : line;
}

/** The same, with its directory. */
function describeWhere(command: Command): string {
  return `${describeCommand(command)}${command.cwd === undefined ? "" : ` (in ${command.cwd})`}`;
}

/** Gives the one reason why a child ended. `oom`: in its cgroup memory was short. */
export function reasonFor(exit: ExitState, cause: Cause | undefined, oom = false): Reason {
  if (cause !== undefined) return cause.reason;
  if (oom && exit.kind === "killed" && exit.signal === "SIGKILL") return "oom";
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
  const what = describeWhere(child);
  const how = `${describeState(exit)}${outcome.drained === false ? held(outcome.heldBy ?? []) : ""}`;
  if (cause?.reason === "timeout") return new TimeoutError(`${what} ran longer than ${cause.ms} ms, and ${how}`, fields);
  if (cause?.reason === "idle") {
    const why = cause.waitsFor === undefined ? "" : ` (it was waiting for ${cause.waitsFor})`;
    return new TimeoutError(`${what} gave no output for ${cause.ms} ms${why}, and ${how}`, fields);
  }
  if (cause?.reason === "aborted") return new AbortError(`${what} was aborted, and ${how}`, cause.because, fields);
  // Nobody calls a clean end an error but one who waited for something else.
  const why = isClean(exit, cause) ? ", and no stop or continue comes any more" : lastLines(fields.stderr);
  return new ExitError(`${what} ${how}${why}`, fields);
}

/** Makes the error that an outcome is to be thrown as; undefined for a clean one. */
export function outcomeError(
  child: Command,
  outcome: Outcome,
  cause: Cause | undefined,
  then: DrainPlan["then"],
): BroodError | undefined {
  if (!isClean(outcome.exit, cause)) return endError(child, outcome.exit, cause, outcome);
  return !outcome.drained && then === "error" ? drainError(child, outcome) : undefined;
}

/** Makes the error for a command that ended well, but whose pipes others held for too long. */
function drainError(child: Command, outcome: Outcome): DrainError {
  return new DrainError(`${describeWhere(child)} ${describeState(outcome.exit)}${held(outcome.heldBy)}`, outcome);
}

/** Makes the error for output that no string can hold, or (`failure`) that there is no memory for: the bytes are kept. */
export function outputError(
  child: Command,
  { fd, bytes, failure }: { fd: number; bytes: number; failure: Error | undefined },
  outcome: Outcome,
): OutputError {
  const gave = `${describeCommand(child)} gave`;
  const fields = {
    ...outcome,
    reason: outcome.reason === "exit" || failure !== undefined ? ("output" as const) : outcome.reason,
  };
  if (failure === undefined) {
    return new OutputError(
      `${gave} ${bytes} bytes on fd ${fd}, more than a string can hold: use encoding "buffer" or maxOutput`,
      fields,
    );
  }
  const what = `${gave} more than the ${bytes} bytes on fd ${fd} that there is memory for (${failure.message}): use maxOutput`;
  return new OutputError(what, fields, { cause: failure });
}

function held(holders: readonly Holder[]): string {
  const who = holders.map(({ pid, command }) => `${pid} (${command})`).join(", ");
  return `, its output is still held by ${who === "" ? "another process" : who}`;
}

/** What would move or colour the terminal that the message is shown on. */
const CONTROLS = /\x1b\[[\d;?]*[A-Za-z]|[\x00-\x1f\x7f]/g;
const MOST_LINES = 3;
const LONGEST_LINE = 200;

/** The last lines of stderr, which mostly say why. */
function lastLines(stderr: unknown): string {
  const text =
    typeof stderr === "string" ? stderr : stderr instanceof Uint8Array ? Buffer.from(stderr.slice(-2000)).toString() : "";
  const lines = text
    .trimEnd()
    .slice(-2000)
    .replace(CONTROLS, (control) => (control === "\n" ? control : " "))
    .split("\n")
    .slice(-MOST_LINES)
    .map((line) => line.trim())
    .filter((line) => line !== "");
  if (lines.length === 0) return "";
  return `: ${lines.map((line) => (line.length > LONGEST_LINE ? `${line.slice(0, LONGEST_LINE - 3)}...` : line)).join(" | ")}`;
}
