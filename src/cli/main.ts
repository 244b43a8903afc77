/**
 * The command `brood`.
 */

import { readFileSync } from "node:fs";
import { closest } from "../program/validate.js";
import { mainHelp, runHelp } from "./help.js";
import { complain, inFlags, print } from "./messages.js";
import { runCommand, STATUS } from "./run.js";
import { closeTerminals } from "./terminal.js";
import { UsageError } from "./usage-error.js";

/** Runs a command line; the exit status is set when it is over. */
export async function main(words: string[]): Promise<void> {
  process.exitCode = await status(words);
  closeTerminals();
}

async function status([command, ...rest]: string[]): Promise<number> {
  try {
    switch (command) {
      case "run":
        return await runCommand(rest);
      case "--version":
      case "-v":
        console.log(version());
        return 0;
      case "--help":
      case "-h":
      case "help":
        print(rest[0] === "run" ? runHelp(rest[1]) : mainHelp());
        return 0;
      case undefined:
        complain(mainHelp().trimEnd());
        return STATUS.own;
      default:
        throw new UsageError(unknown(command));
    }
  } catch (error) {
    complain(`brood: ${inFlags(error instanceof Error ? error.message : String(error))}`);
    if (error instanceof UsageError) complain(`Try 'brood ${command === "run" ? "run " : ""}--help'.`);
    return STATUS.own;
  }
}

function unknown(command: string): string {
  const likely = closest(command, ["run", "--help", "--version"]);
  return `unknown command ${command}${likely === undefined ? "" : `, did you mean ${likely}?`}`;
}

function version(): string {
  const file = new URL("../../package.json", import.meta.url);
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
}
