/**
 * The command line of `brood run`: flags up to the first word that is none, or to `--`; the rest is the
 * command, untouched.
 */

import { parseArgs } from "node:util";
import type { TextLike } from "../program/options.js";
import { closest } from "../program/validate.js";
import { exactWords } from "./exact-words.js";
import { FLAGS, type Request } from "./flags.js";
import { UsageError } from "./usage-error.js";

export interface CommandLine extends Request {
  file: TextLike | undefined;
  args: TextLike[];
}

export function readCommandLine(words: string[]): CommandLine {
  const request: Request = { options: {}, report: "none", interruptTwice: false, register: false, help: undefined };
  const types = FLAGS.map((flag) => [
    flag.name,
    { type: flag.value !== undefined && !flag.optional ? ("string" as const) : ("boolean" as const), multiple: true },
  ]);
  const { tokens } = parseArgs({
    args: words,
    options: Object.fromEntries(types),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  let command = words.length;
  for (const token of tokens) {
    if (token.kind !== "option") {
      command = token.kind === "positional" ? token.index : token.index + 1;
      break;
    }
    applyFlag(request, token.rawName, token.value);
  }
  const exact = exactWords(words);
  // A flag's value may be a name, a number, a path: text.
  const mangled = exact.findIndex((word, i) => i < command && typeof word !== "string");
  if (mangled >= 0) throw new UsageError(`${JSON.stringify(words[mangled])} is no UTF-8, as a flag and its value have to be`);
  const [file, ...args] = exact.slice(command);
  return { ...request, file, args };
}

/** The first name that begins so: of a flag that was cut short, or written as a single letter. */
function beginning(start: string, names: string[]): string | undefined {
  return start === "" ? undefined : names.find((name) => name.startsWith(start));
}

function applyFlag(request: Request, rawName: string, value: string | undefined): void {
  const name = rawName === "-h" ? "help" : rawName.startsWith("--") ? rawName.slice(2) : "";
  const flag = FLAGS.find((candidate) => candidate.name === name);
  if (flag === undefined) {
    const names = FLAGS.map((candidate) => candidate.name);
    const likely = closest(name, names) ?? beginning(rawName.replace(/^-+/, ""), names);
    throw new UsageError(`unknown flag ${rawName}${likely === undefined ? "" : `, did you mean --${likely}?`}`);
  }
  if (flag.value !== undefined && !flag.optional && value === undefined)
    throw new UsageError(`--${name} needs a value: --${name} ${flag.value}`);
  if (flag.value === undefined && value !== undefined) throw new UsageError(`--${name} takes no value`);
  flag.apply(request, value ?? "");
}
