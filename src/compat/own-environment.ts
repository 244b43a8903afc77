/**
 * A child that is given no environment gets ours: by name, not by a copy of each variable. Reading `process.env` costs
 * half a spawn, and mangles bytes that aren't UTF-8.
 */

import { isMainThread } from "node:worker_threads";

/** The environment block's own face. A worker has a copy, and who has put another object there means that. */
const environment = process.env;

/** What stands for our environment in a call of Node's functions. What Node adds to it is laid over ours. */
const stands = new WeakSet<object>();

/** Whether an `env` stands for our environment. */
export function isOwnEnvironment(env: unknown): boolean {
  return typeof env === "object" && env !== null && stands.has(env);
}

/** Copies our environment into options that ChildProcess is to spawn by, where they have what stands for it. */
export function spellOutEnvironment(options: unknown): void {
  const given = options as { env?: unknown; envPairs?: string[] } | undefined;
  if (!isOwnEnvironment(given?.env)) return;
  const own = Object.entries(process.env).map(([name, value]) => `${name}=${value}`);
  (given as { envPairs: string[] }).envPairs = [...own, ...((given as { envPairs?: string[] }).envPairs ?? [])];
}

/**
 * Gives the arguments of a call of Node's functions, where options without `env` have one that stands for ours.
 *
 * @param args file or command, arguments (but for exec), options, callback: all but the first may be missing.
 */
export function withOwnEnvironment(args: readonly unknown[], hasArguments: boolean): readonly unknown[] {
  if (!isMainThread || process.env !== environment || typeof args[0] !== "string") return args;
  // Node adds its permissions to the NODE_OPTIONS of what it is given.
  if ("permission" in process) return args;
  const at = hasArguments && (Array.isArray(args[1]) || (args[1] == null && args.length > 2)) ? 2 : 1;
  const options = args[at];
  const missing = options == null || typeof options === "function";
  if (!missing && (typeof options !== "object" || (options as { env?: unknown }).env != null)) return args;
  const env = {};
  stands.add(env);
  const rest = typeof options === "function" ? args.slice(at) : args.slice(at + 1);
  const given = missing ? { env } : { ...options, env };
  if (!missing) Object.setPrototypeOf(given, Object.getPrototypeOf(options));
  return [...args.slice(0, at), given, ...rest];
}
