/**
 * `--register`: the command's NODE_OPTIONS have every Node below it import brood/register. node(1), NODE_OPTIONS
 */

import type { SpawnOptions } from "../process/options.js";
import type { Request } from "./flags.js";

const NAME = "NODE_OPTIONS";

/** As a URL it has no character that would need to be quoted: a space is %20. The same from our module and our bundle. */
const IMPORT = `--import=${new URL("../../dist/bundle/register.mjs", import.meta.url).href}`;

/** Gives the command's options with what `--register` adds. */
export function withRegistration({ options, register }: Request): SpawnOptions {
  if (!register) return options;
  const env = (options.env ?? {}) as Record<string, string | undefined>;
  const before = Object.hasOwn(env, NAME) ? env[NAME] : options.extendEnv === false ? undefined : process.env[NAME];
  return { ...options, env: { ...env, [NAME]: added(before ?? "") } };
}

function added(before: string): string {
  if (before.trim() === "") return IMPORT;
  // Within a tree that has it already.
  return before.split(/\s+/).includes(IMPORT) ? before : `${before} ${IMPORT}`;
}
