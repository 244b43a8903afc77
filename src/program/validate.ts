/**
 * Checks on single values, each thrown with the name of what is wrong. Nothing has been created yet
 * when these run.
 */

import { fileURLToPath } from "node:url";
import { outOfRange, wrongType, wrongValue } from "../errors.js";
import type { Text } from "./writer.js";

export const INT_MAX = 0x7fffffff;
export const UINT_MAX = 0xffffffff;

/** Checks text for the kernel: a string without lone surrogates, or bytes; no NUL in either. `expected`: in the words of an error. */
export function checkText(value: unknown, name: string, expected = "a string or a Uint8Array"): Text {
  if (isPlain(value)) return value;
  if (typeof value === "string") {
    if (value.includes("\0")) throw wrongValue(name, value, "must not contain a NUL");
    if (!value.isWellFormed()) {
      throw wrongValue(name, value, "must not contain a lone surrogate");
    }
    return value;
  }
  if (value instanceof Uint8Array) {
    if (value.includes(0)) throw wrongValue(name, value, "must not contain a NUL");
    // A copy, which a Buffer's slice() is not: changing the input later has no effect.
    return new Uint8Array(value);
  }
  throw wrongType(name, expected, value);
}

/** Whether it is short text, as most is, ASCII without a NUL: sooner known than by the general questions. */
export function isPlain(text: unknown): text is string {
  if (typeof text !== "string" || text.length > 100) return false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0 || code >= 0x80) return false;
  }
  return true;
}

/** Checks a path: text that is not empty, or a file: URL. */
export function checkPath(value: unknown, name: string): Text {
  const path = checkText(value instanceof URL ? pathOf(value, name) : value, name, "a string, a Uint8Array or a file: URL");
  if (path.length === 0) throw wrongValue(name, path, "must not be empty");
  return path;
}

function pathOf(url: URL, name: string): string {
  if (url.protocol !== "file:") throw wrongValue(name, url.href, "must be a file: URL");
  try {
    return fileURLToPath(url);
  } catch (error) {
    // Of what is no UTF-8 Node throws an error without a code.
    if (error instanceof URIError) throw wrongValue(name, url.href, "must be a file: URL of UTF-8: give the path as bytes");
    throw error;
  }
}

/** Checks a file mode creation mask. */
export function checkMask(value: unknown, name: string): number {
  if (typeof value === "number" && !(value >= 0 && value <= 0o777)) throw outOfRange(name, "an integer from 0 to 0o777", value);
  return checkInteger(value, name, 0, 0o777);
}

/** Checks an integer from least to most. */
export function checkInteger(value: unknown, name: string, least: number, most: number): number {
  if (typeof value !== "number") throw wrongType(name, "a number", value);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw outOfRange(name, `an integer from ${least} to ${most}`, value);
  }
  return value;
}

export function checkBoolean(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw wrongType(name, "a boolean", value);
  return value;
}

/** Checks one of the words that are the keys of a table. */
export function checkWord<Word extends string>(value: unknown, name: string, words: Readonly<Record<Word, unknown>>): Word {
  if (typeof value === "string" && Object.hasOwn(words, value)) return value as Word;
  throw wrongValue(name, value, `must be one of ${Object.keys(words).join(", ")}`);
}

/** Checks an array. What is given is a copy without holes: a hole is an element that is undefined. */
export function checkArray(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw wrongType(name, "an array", value);
  const copy: unknown[] = [];
  for (let i = 0; i < value.length; i++) copy.push(value[i]);
  return copy;
}

/**
 * Whether an object may hold names and values. A list, a map and a promise have none: taken for an empty object, what they
 * do hold would be lost in silence.
 */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    !(Symbol.iterator in value) &&
    !(Symbol.asyncIterator in value) &&
    typeof (value as { then?: unknown }).then !== "function"
  );
}

/** Checks a map of fds: an object by number, as which an array will do. */
export function checkFdTable(value: unknown, name: string): object {
  if (!Array.isArray(value) && !isRecord(value)) throw wrongType(name, "an object", value);
  return value;
}

/**
 * Checks that a value is an object that holds names and values, and that all its keys are among the known names. `what`: what a key names; `advice`: what
 * to do instead of names that aren't known.
 */
export function checkNames(
  value: unknown,
  name: string,
  known: readonly string[],
  what = "option",
  advice: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  if (!isRecord(value)) throw wrongType(name, "an object", value);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    throw wrongValue(name, key, `has no such ${what}${hintOn(key, known, advice)}`, "ERR_UNKNOWN_OPTION");
  }
  return value;
}

/**
 * The same for options that are copied on their way, where what is inherited would be lost: it is made the object's own. Of an
 * object as most are nothing is inherited, and it is given as it is.
 */
export function checkOptions(
  value: unknown,
  known: readonly string[],
  advice: Readonly<Record<string, string>> = {},
): Record<string, unknown> {
  const options = checkNames(value, "options", known, "option", advice);
  const prototype: unknown = Object.getPrototypeOf(options);
  if (prototype === Object.prototype || prototype === null) return options;
  const own: Record<string, unknown> = {};
  for (const name of known) if (options[name] !== undefined) own[name] = options[name];
  return own;
}

function hintOn(key: string, known: readonly string[], advice: Readonly<Record<string, string>>): string {
  if (Object.hasOwn(advice, key)) return `: ${advice[key]}`;
  const likely = closest(key, known);
  return likely === undefined ? "" : `, did you mean "${likely}"?`;
}

/** Gives the known name that is nearest to a mistyped one, if any is near. */
export function closest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(1, Math.floor(name.length / 3)) + 1;
  for (const candidate of known) {
    const distance = candidate.toLowerCase() === name.toLowerCase() ? 0 : edits(name, candidate);
    if (distance < least) {
      least = distance;
      best = candidate;
    }
  }
  return best;
}

/** The number of insertions, deletions, replacements and swaps of neighbours between two words. */
function edits(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const now = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min((last[j] as number) + 1, (now[j - 1] as number) + 1, (last[j - 1] as number) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] as number) + 1);
      now.push(cost);
    }
    before = last;
    last = now;
  }
  return last[b.length] as number;
}
