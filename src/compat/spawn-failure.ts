/**
 * Node tells of a failed spawn by an error that names the executable, whatever failed. It stays as it is, and gets
 * a `cause` that says what failed, on what, and why.
 */

import type { SpawnError } from "../errors.js";
import type { NodeChild } from "./node-internals.js";

/** Gives an error of Node's its cause, not enumerable, as causes are. */
export function addCause(error: unknown, cause: SpawnError): void {
  if (!(error instanceof Error) || error.cause !== undefined) return;
  Object.defineProperty(error, "cause", { value: cause, configurable: true, writable: true });
}

/** Calls `tell`, in which Node emits the error: who listens finds the cause in it. */
export function tellCause(child: NodeChild, cause: SpawnError, tell: () => void): void {
  const own = Object.getOwnPropertyDescriptor(child, "emit");
  const emit = child.emit as (name: string | symbol, ...args: unknown[]) => boolean;
  const restore = (): void => {
    Reflect.deleteProperty(child, "emit");
    if (own !== undefined) Object.defineProperty(child, "emit", own);
  };
  const value = (name: string | symbol, ...args: unknown[]): boolean => {
    restore();
    if (name === "error") addCause(args[0], cause);
    return emit.call(child, name, ...args);
  };
  Object.defineProperty(child, "emit", { value, configurable: true, writable: true });
  try {
    tell();
  } finally {
    restore();
  }
}
