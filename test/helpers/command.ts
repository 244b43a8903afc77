/**
 * Runs the command `brood` as a user does, by Node's own child_process.
 */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export const BROOD = fileURLToPath(new URL("../../../bin/brood.js", import.meta.url));

export interface CommandResult {
  status: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

export interface RunningCommand {
  process: ChildProcess;
  /** Resolves when the command's standard output has held this text. */
  said(text: string): Promise<void>;
  result: Promise<CommandResult>;
}

/** Starts `brood` with these words. */
export function startBrood(words: string[], input = "", stdin: "ended" | "open" = "ended"): RunningCommand {
  const child = spawn(process.execPath, [BROOD, ...words], { stdio: ["pipe", "pipe", "pipe"] });
  child.stdin.on("error", () => {}).write(input);
  if (stdin === "ended") child.stdin.end();
  let seen = "";
  child.stdout.on("data", (chunk) => {
    seen += chunk;
  });
  const result = (async () => {
    const [stdout, stderr, [status, signal]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
    return { status, signal, stdout, stderr } as CommandResult;
  })();
  const said = async (wanted: string): Promise<void> => {
    while (!seen.includes(wanted)) await once(child.stdout, "data");
  };
  return { process: child, said, result };
}

/** Runs `brood` with these words to its end. */
export function brood(words: string[], input?: string, stdin?: "ended" | "open"): Promise<CommandResult> {
  return startBrood(words, input, stdin).result;
}
