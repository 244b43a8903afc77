/**
 * Node's functions, with something done around their synchronous part. Their promisified forms, too.
 */

import { promisify } from "node:util";
import { withAdded } from "./engine.js";
import { withOwnEnvironment } from "./own-environment.js";

// biome-ignore lint/suspicious/noExplicitAny: any function of Node's
type AnyFunction = (...args: any[]) => any;

/** What is done around a call. */
interface Around {
  /** Whether brood's engine will spawn. */
  ours(): boolean;
  /** Whether it alone sees what Node hands on: nobody else knows what stands for our environment. */
  alone(): boolean;
  call(call: () => unknown): unknown;
}

/** Gives a function that does the same within `around`: `options.brood` reaches ChildProcess, whatever Node hands on. */
export function wrap<Original extends AnyFunction>(original: Original, around: Around): Original {
  const wrapped = dress(original, original, around);
  const custom = (original as { [promisify.custom]?: AnyFunction })[promisify.custom];
  if (custom !== undefined) {
    Object.defineProperty(wrapped, promisify.custom, { value: dress(custom, original, around), configurable: true });
  }
  return wrapped;
}

function dress<Original extends AnyFunction>(original: Original, { name }: AnyFunction, around: Around): Original {
  const hasArguments = name !== "exec" && name !== "execSync";
  const dressed = (...args: unknown[]): unknown => {
    if (!around.ours()) return original(...args);
    const options = args.slice(1).find((arg) => typeof arg === "object" && arg !== null && !Array.isArray(arg));
    const added = (options as { brood?: unknown } | undefined)?.brood;
    const given = around.alone() ? withOwnEnvironment(args, hasArguments) : args;
    return around.call(() => withAdded(added, () => original(...given)));
  };
  Object.defineProperty(dressed, "name", { value: original.name, configurable: true });
  Object.defineProperty(dressed, "length", { value: original.length, configurable: true });
  return dressed as Original;
}
