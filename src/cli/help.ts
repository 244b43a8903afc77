/**
 * What `--help` shows, made from the table of flags: pages that fit a screen, by topic.
 */

import { closest } from "../program/validate.js";
import { FLAGS, type Flag, TOPICS } from "./flags.js";
import { UsageError } from "./usage-error.js";

const COLUMN = 28;

/** The flags of the first page. */
const MOST_USED = ["cwd", "env", "stdout", "user", "limit", "timeout", "contain", "report"];

const USAGE = "Usage: brood run [options] -- file [args...]";

const STATUSES = `Exit status: the command's; 128+n if signal n ended it; 124 after a timeout;
126 found but not executable; 127 not found; 125 an error of brood's own.
`;

export function mainHelp(): string {
  return `brood: starts processes exactly as told, watches them, leaves no orphans.

Usage: brood run [options] -- file [args...]    run one command under brood's care
       brood run --help [TOPIC]                 its options
       brood --version
`;
}

/** The page of one topic, `all` of them, or the first page. */
export function runHelp(topic: string | undefined): string {
  if (topic === undefined) return firstPage();
  if (topic === "all") return [USAGE, ...Object.keys(TOPICS).map(page), STATUSES].join("\n\n");
  if (Object.hasOwn(TOPICS, topic)) return `${page(topic)}\n`;
  const likely = closest(topic, [...Object.keys(TOPICS), "all"]);
  const hint = likely === undefined ? `the topics are ${Object.keys(TOPICS).join(", ")} and all` : `did you mean ${likely}?`;
  throw new UsageError(`no help about ${topic}, ${hint}`);
}

function firstPage(): string {
  const flags = MOST_USED.map((name) => FLAGS.find((flag) => flag.name === name) as Flag);
  const topics = [...Object.entries(TOPICS), ["all", "every option"]].map(([name, what]) => `  ${name?.padEnd(10)}${what}`);
  return `${USAGE}

${flags.map(line).join("\n")}

More, by topic: brood run --help TOPIC
${topics.join("\n")}

${STATUSES}`;
}

function page(topic: string): string {
  const flags = FLAGS.filter((flag) => flag.topic === topic);
  return `${topic}: ${TOPICS[topic as keyof typeof TOPICS]}\n\n${flags.map(line).join("\n")}`;
}

function line(flag: Flag): string {
  const value = flag.value === undefined ? "" : flag.optional ? `[=${flag.value}]` : ` ${flag.value}`;
  return `  --${`${flag.name}${value}`.padEnd(COLUMN)} ${flag.help}`;
}
