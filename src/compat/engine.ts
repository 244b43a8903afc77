/**
 * ChildProcess.prototype.spawn on brood's engine: gives the ChildProcess a handle of ours, and lets Node's own
 * spawn() do the rest with it.
 */

import { addon } from "../native/addon.js";
import { readAdded } from "./added-options.js";
import { ProcessHandle } from "./handle.js";
import { lookAtNode, type NodeChild, type NodeShape, release } from "./node-internals.js";
import { addCause } from "./spawn-failure.js";

type Spawn = NodeChild["spawn"];

let looked: NodeShape | Error | undefined;

/** Gives how Node's ChildProcess is made, or why brood can't stand in. Found out once. */
function look(): NodeShape | Error {
  if (looked !== undefined) return looked;
  try {
    addon();
    looked = lookAtNode();
  } catch (error) {
    looked = error as Error;
  }
  return looked;
}

/** Says why brood's engine can't be used here; undefined: it can. */
export function obstacle(): string | undefined {
  const found = look();
  return found instanceof Error ? found.message : undefined;
}

/** `options.brood` of a call whose options Node does not hand on to ChildProcess. */
let added: unknown;

/** Calls a function of Node's that spawns one child, which gets these added options. */
export function withAdded<Result>(value: unknown, call: () => Result): Result {
  const before = added;
  added = value;
  try {
    return call();
  } finally {
    added = before;
  }
}

/**
 * Spawns a ChildProcess on brood's engine. `nodes` is the spawn() that it would have had.
 *
 * @throws TypeError, RangeError for `options.brood`, and what Node throws.
 */
export function spawnOnBrood(child: NodeChild, nodes: Spawn, options: unknown): number {
  const shape = look();
  const native = child._handle;
  // Whoever has put another handle there means it.
  if (shape instanceof Error || !native || native.constructor !== shape.Process) return nodes.call(child, options);
  const given = typeof options === "object" && options !== null ? (options as { brood?: unknown }).brood : undefined;
  const handle = new ProcessHandle(child, native, shape.form, readAdded(given ?? added));
  added = undefined;
  child._handle = handle;
  release(shape.form, native);
  try {
    return nodes.call(child, options);
  } catch (error) {
    if (handle.failure !== undefined) addCause(error, handle.failure);
    throw error;
  }
}
