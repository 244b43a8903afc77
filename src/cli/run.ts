/**
 * `brood run`: one command under brood's care.
 */

import { SpawnError } from "../errors.js";
import { signalNumber } from "../kernel/signals.js";
import type { Child } from "../process/child.js";
import { spawn } from "../process/spawn.js";
import type { TextLike } from "../program/options.js";
import type { ExitState } from "../states.js";
import { type CommandLine, readCommandLine } from "./arguments.js";
import { follow } from "./follow.js";
import { forward } from "./forward.js";
import { runHelp } from "./help.js";
import { complain, inFlags, print } from "./messages.js";
import { checkPassedFds } from "./passed-fds.js";
import { place, terminalFd } from "./placement.js";
import { reapOrphans } from "./reaper.js";
import { withRegistration } from "./registration.js";
import { jsonReport, textReport } from "./report.js";
import { Terminal } from "./terminal.js";
import { passThrough, throughOptions } from "./through.js";
import { UsageError } from "./usage-error.js";

/** Exit statuses of brood's own, those of env(1) and timeout(1). */
export const STATUS = { timeout: 124, own: 125, notExecutable: 126, notFound: 127 } as const;

/** Runs the command line and gives the exit status. */
export async function runCommand(words: string[]): Promise<number> {
  const line = readCommandLine(words);
  if (line.help !== undefined) {
    print(runHelp(line.help === "" ? line.file?.toString() : line.help));
    return 0;
  }
  if (line.file === undefined) throw new UsageError("brood run needs a command: brood run [options] -- file [args...]");
  return runUnderCare(line, line.file);
}

async function runUnderCare(line: CommandLine, file: TextLike): Promise<number> {
  checkPassedFds(line.options.passFds ?? []);
  const { placement, fd } = place(line);
  const tty = terminalFd();
  const terminal = tty === undefined ? undefined : new Terminal(tty);
  let child: Child | undefined;
  // Of its end: what its output has in it by then is written on, and who holds it is left alone.
  const over = new AbortController();
  const stops = [
    reapOrphans(),
    // Before the command can do anything: a signal that comes at once is its, too.
    forward({ placement, terminal, interruptTwice: line.interruptTwice, command: () => child, giveUp: () => over.abort() }),
  ];
  try {
    const ownGroup = placement === "own" ? ({ processGroup: "new", foreground: fd } as const) : {};
    if (placement === "own") terminal?.wasLent();
    child = spawn(file, line.args, {
      stdin: "inherit",
      signal: over.signal,
      ...throughOptions(line.options),
      ...withRegistration(line),
      ...ownGroup,
    });
    passThrough(child);
    if (placement === "own" && terminal !== undefined) stops.push(follow(child, terminal));
    await child.closed;
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    complain(`brood: ${inFlags(error.message)}`);
    return spawnStatus(error);
  } finally {
    for (const stop of stops) stop();
    terminal?.takeBack();
  }
  return tell(line, child);
}

/** Reports, if asked for, and gives the exit status. */
function tell({ report }: CommandLine, child: Child): number {
  const exit = child.exit as ExitState;
  if (report !== "none") {
    const { command, args, durationMs, containment } = child;
    const went = { command, args, exit, reason: child.reason ?? "unknown", durationMs, containment };
    complain(report === "json" ? jsonReport(went) : textReport(went));
  }
  return child.reason === "timeout" || child.reason === "idle" ? STATUS.timeout : exitStatus(exit);
}

function spawnStatus({ stage, code }: SpawnError): number {
  if (stage !== "exec") return STATUS.own;
  return code === "ENOENT" || code === "ENOTDIR" ? STATUS.notFound : STATUS.notExecutable;
}

function exitStatus(exit: ExitState): number {
  switch (exit.kind) {
    case "exited":
      return exit.code;
    case "killed":
      return 128 + signalNumber(exit.signal);
    case "unknown":
      return STATUS.own;
  }
}
