/**
 * `brood run`: one command under brood's care.
 */

import { isatty } from "node:tty";
import { SpawnError } from "../errors.js";
import { signalNumber } from "../kernel/signals.js";
import type { Child } from "../process/child.js";
import { spawn } from "../process/spawn.js";
import type { ExitState } from "../states.js";
import { type CommandLine, readCommandLine } from "./arguments.js";
import { runHelp } from "./help.js";
import { jsonReport, textReport } from "./report.js";
import { UsageError } from "./usage-error.js";

/** Exit statuses of brood's own, those of env(1) and timeout(1). */
export const STATUS = { timeout: 124, own: 125, notExecutable: 126, notFound: 127 } as const;

/** What is passed on to the command. */
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;
/** What a terminal sends to the command by itself, since it is in our process group. */
const FROM_TERMINAL: readonly string[] = ["SIGINT", "SIGQUIT", "SIGWINCH"];

/** Runs the command line and gives the exit status. */
export async function runCommand(words: string[]): Promise<number> {
  const line = readCommandLine(words);
  if (line.help) {
    process.stdout.write(runHelp());
    return 0;
  }
  if (line.file === undefined) throw new UsageError("brood run needs a command: brood run [options] -- file [args...]");
  let child: Child | undefined;
  // Before the command can do anything: a signal that comes at once is its, too.
  const stopForwarding = forward(line, () => child);
  try {
    child = spawn(line.file, line.args, { stdin: "inherit", stdout: "inherit", stderr: "inherit", ...line.options });
  } catch (error) {
    if (!(error instanceof SpawnError)) throw error;
    console.error(`brood: ${error.message}`);
    return spawnStatus(error);
  } finally {
    if (child === undefined) stopForwarding();
  }
  const exit = await child.closed;
  stopForwarding();
  if (line.report !== "none") {
    const went = {
      command: child.command,
      args: child.args,
      exit,
      reason: child.reason ?? "unknown",
      durationMs: child.durationMs,
    };
    console.error(line.report === "json" ? jsonReport(went) : textReport(went));
  }
  return child.reason === "timeout" ? STATUS.timeout : exitStatus(exit);
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

/** Passes signals on while the command runs. Gives the function that ends it. */
function forward({ options }: CommandLine, command: () => Child | undefined): () => void {
  const ownGroup = options.session === true || options.processGroup !== undefined;
  const shared = !ownGroup && [0, 1, 2].some((fd) => isatty(fd));
  const handlers = FORWARDED.map((signal) => {
    const handler = (): void => {
      if (shared && FROM_TERMINAL.includes(signal)) return;
      try {
        command()?.kill(signal);
      } catch (error) {
        // It changed its user: not ours to signal any more.
        console.error(`brood: ${error instanceof Error ? error.message : error}`);
      }
    };
    process.on(signal, handler);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}
