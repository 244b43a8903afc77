/**
 * The child's environment: which entries, as a snapshot. environ(7)
 *
 * In the main thread the process's own block is passed as it is and the overrides are merged over it
 * by the launcher: reading `process.env` would cost half a spawn, and mangle bytes that aren't UTF-8.
 */

import { wrongType, wrongValue } from "../errors.js";
import type { Facts, ProgramOptions, TextLike } from "./options.js";
import { checkBoolean, checkText, isRecord } from "./validate.js";
import type { Text } from "./writer.js";

export interface Environment {
  /** Whether `entries` lie over the process's own block; "NAME" alone then removes. */
  extend: boolean;
  entries: Text[];
  /** What PATH is in the result. */
  readonly path: Text | undefined;
}

const NOTHING: Text[] = [];

/** Ours as it is. PATH is asked for when a file is sought: reading it is not free. */
class Inherited implements Environment {
  readonly extend = true;
  readonly entries = NOTHING;
  readonly #facts: Facts;
  /** It holds nothing of one spawn, and whom it asks stays the same. */
  static #last: Inherited | undefined;

  static from(facts: Facts): Inherited {
    let last = Inherited.#last;
    if (last === undefined || last.#facts !== facts) last = Inherited.#last = new Inherited(facts);
    return last;
  }

  private constructor(facts: Facts) {
    this.#facts = facts;
  }

  get path(): Text | undefined {
    return this.#facts.path();
  }
}

export function planEnvironment(options: ProgramOptions, facts: Facts): Environment {
  const extend = options.extendEnv === undefined ? true : checkBoolean(options.extendEnv, "options.extendEnv");
  const workers = extend ? facts.environment() : undefined;
  if (options.env === undefined && extend && workers === undefined) {
    return Inherited.from(facts);
  }
  const pairs = pairsOf(options.env);
  if (workers === undefined) {
    const entries: Text[] = [];
    for (const [name, value] of pairs.values()) {
      if (value !== undefined) entries.push(join(name, value));
      else if (extend) entries.push(name);
    }
    const own = pairs.get("PATH");
    return { extend, entries, path: own !== undefined ? own[1] : extend ? facts.path() : undefined };
  }
  const merged = new Map<string, [Text, Text | undefined]>();
  for (const [name, value] of Object.entries(workers)) merged.set(keyOf(name), [name, value]);
  for (const [key, pair] of pairs) merged.set(key, pair);
  const entries: Text[] = [];
  for (const [name, value] of merged.values()) if (value !== undefined) entries.push(join(name, value));
  return { extend: false, entries, path: merged.get("PATH")?.[1] };
}

/** The given variables, checked, by key. */
function pairsOf(env: unknown): Map<string, [Text, Text | undefined]> {
  const pairs = new Map<string, [Text, Text | undefined]>();
  if (env === undefined) return pairs;
  if (typeof env !== "object" || env === null) throw wrongType("options.env", "an object or name and value pairs", env);
  const isList = Symbol.iterator in env;
  if (!isList && !isRecord(env)) throw wrongType("options.env", "an object or name and value pairs", env);
  const source = isList ? (env as Iterable<readonly [TextLike, TextLike | undefined]>) : Object.entries(env);
  for (const pair of source) {
    if (!Array.isArray(pair) || pair.length !== 2) throw wrongType("an entry of options.env", "a pair of name and value", pair);
    const name = checkText(pair[0], "a name in options.env");
    const shown = typeof name === "string" ? name : Buffer.from(name).toString("latin1");
    if (name.length === 0) throw wrongValue("a name in options.env", name, "must not be empty");
    if (shown.includes("=")) throw wrongValue("a name in options.env", shown, 'must not contain "="');
    const value = pair[1] === undefined ? undefined : checkText(pair[1], `options.env.${shown}`);
    pairs.set(keyOf(name), [name, value]);
  }
  return pairs;
}

/** By this key names meet: their bytes as Latin-1. */
function keyOf(name: Text): string {
  return Buffer.from(name as string).toString("latin1");
}

function join(name: Text, value: Text): Text {
  if (typeof name === "string" && typeof value === "string") return `${name}=${value}`;
  return Buffer.concat([Buffer.from(name), Buffer.from("="), Buffer.from(value)]);
}
