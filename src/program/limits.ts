/**
 * Resource limits, by name. getrlimit(2). The numbers are those of x86-64 and arm64.
 */

import { outOfRange, wrongType } from "../errors.js";
import type { LimitName, ProgramOptions } from "./options.js";
import type { Setup } from "./plan.js";
import { checkNames } from "./validate.js";

const INFINITY = (1n << 64n) - 1n;

export const LIMITS: Record<LimitName, number> = {
  cpu: 0,
  fsize: 1,
  data: 2,
  stack: 3,
  core: 4,
  rss: 5,
  nproc: 6,
  nofile: 7,
  memlock: 8,
  as: 9,
  locks: 10,
  sigpending: 11,
  msgqueue: 12,
  nice: 13,
  rtprio: 14,
  rttime: 15,
};

/** By what people bring along: the names of C, and the wish behind another. */
const advice = (names: readonly string[]): Readonly<Record<string, string>> => ({
  ...Object.fromEntries(names.map((name) => [`RLIMIT_${name.toUpperCase()}`, `it is called ${name}`])),
  memory: "data bounds what each process allocates, as what it maps; memoryMax bounds all of them together",
});

export function planLimits(options: ProgramOptions): Setup["rlimits"] {
  if (options.rlimits === undefined) return [];
  const names = Object.keys(LIMITS);
  const limits = checkNames(options.rlimits, "options.rlimits", names, "limit", advice(names));
  const plan: Setup["rlimits"] = [];
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    const what = `options.rlimits.${name}`;
    let soft: bigint;
    let hard: bigint;
    if (typeof value === "object" && value !== null) {
      const both = checkNames(value, what, ["soft", "hard"]);
      soft = amount(both["soft"], `${what}.soft`);
      hard = amount(both["hard"], `${what}.hard`);
    } else {
      soft = hard = amount(value, what);
    }
    if (soft > hard) throw outOfRange(`${what}.soft`, "at most the hard limit", soft);
    plan.push({ name, resource: LIMITS[name as LimitName], soft, hard });
  }
  return plan;
}

function amount(value: unknown, name: string): bigint {
  if (value === "unlimited" || value === Number.POSITIVE_INFINITY) return INFINITY;
  if (typeof value === "bigint") {
    if (value < 0n || value > INFINITY) throw outOfRange(name, "from 0 to 2^64-1", value);
    return value;
  }
  if (typeof value !== "number") throw wrongType(name, 'a number, a bigint or "unlimited"', value);
  if (value > Number.MAX_SAFE_INTEGER) throw outOfRange(name, "a bigint where it is above 2^53-1", value);
  if (!Number.isInteger(value) || value < 0) throw outOfRange(name, "an integer, 0 or more", value);
  return BigInt(value);
}
