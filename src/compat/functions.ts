/**
 * Node's functions, with something done around their synchronous part. Their promisified forms, too.
 */

import { promisify } from "node:util";
import { withAdded } from "./engine.js";

// biome-ignore lint/suspicious/noExplicitAny: any function of Node's
type AnyFunction = (...args: any[]) => any;

/** Gives a function that does the same within `around`. */
export function wrap<Original extends AnyFunction>(original: Original, around: AnyAround): Original {
  const wrapped = dress(original, around);
  const custom = (original as { [promisify.custom]?: AnyFunction })[promisify.custom];
  if (custom !== undefined)
    Object.defineProperty(wrapped, promisify.custom, { value: dress(custom, around), configurable: true });
  return wrapped;
}

type AnyAround = (args: readonly unknown[], call: () => unknown) => unknown;

function dress<Original extends AnyFunction>(original: Original, around: AnyAround): Original {
  const dressed = (...args: unknown[]): unknown => around(args, () => original(...args));
  Object.defineProperty(dressed, "name", { value: original.name, configurable: true });
  Object.defineProperty(dressed, "length", { value: original.length, configurable: true });
  return dressed as Original;
}

/** Has `options.brood` reach ChildProcess, where Node's function picks from its options what it knows. */
export function handingOnAdded(args: readonly unknown[], call: () => unknown): unknown {
  const options = args.slice(1).find((arg) => typeof arg === "object" && arg !== null && !Array.isArray(arg));
  return withAdded((options as { brood?: unknown } | undefined)?.brood, call);
}
