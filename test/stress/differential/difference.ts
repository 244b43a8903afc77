/**
 * What two values differ in, told by their paths.
 */

import { inspect, isDeepStrictEqual } from "node:util";

type Fields = Record<string, unknown>;

/** Gives one line for each field in which `told` is not as `other`, but for fields of the names in `without`. */
export function difference(told: unknown, other: unknown, without: readonly string[] = [], at = ""): string[] {
  if (isDeepStrictEqual(told, other)) return [];
  const areObjects = [told, other].every((value) => typeof value === "object" && value !== null && !Array.isArray(value));
  if (!areObjects) return [`${at} is ${show(told)}, not ${show(other)}`];
  const names = new Set([...Object.keys(told as Fields), ...Object.keys(other as Fields)]);
  return [...names]
    .filter((name) => !without.includes(name))
    .flatMap((name) => difference((told as Fields)[name], (other as Fields)[name], without, `${at}.${name}`));
}

function show(value: unknown): string {
  return inspect(value, { depth: 6, breakLength: Infinity });
}
