/**
 * What `--help` shows, made from the table of flags.
 */

import { FLAGS, type Flag } from "./flags.js";

const COLUMN = 28;

export function mainHelp(): string {
  return `brood: starts processes exactly as told, watches them, leaves no orphans.

Usage: brood run [options] -- file [args...]    run one command under brood's care
       brood run --help                         its options
       brood --version
`;
}

export function runHelp(): string {
  const topics = [...new Set(FLAGS.map((flag) => flag.topic))];
  const sections = topics.map((topic) => [`${topic}:`, ...FLAGS.filter((flag) => flag.topic === topic).map(line)].join("\n"));
  return `Usage: brood run [options] -- file [args...]

${sections.join("\n")}

Exit status: the command's; 128+n if signal n ended it; 124 after a timeout;
126 found but not executable; 127 not found; 125 an error of brood's own.
`;
}

function line(flag: Flag): string {
  const value = flag.value === undefined ? "" : flag.optional ? `[=${flag.value}]` : ` ${flag.value}`;
  return `  --${`${flag.name}${value}`.padEnd(COLUMN)} ${flag.help}`;
}
