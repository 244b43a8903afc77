/**
 * ChildProcess.prototype.spawn on brood's engine: gives the ChildProcess a handle of ours, and lets Node's own
 * spawn() do the rest with it.
 */

import { channel } from "node:diagnostics_channel";
import { readAdded } from "./added-options.js";
import { ProcessHandle } from "./handle.js";
import {
  type Handle,
  lookAtNode,
  lookedOnce,
  makeHandles,
  type NodeChild,
  type NodeShape,
  nodeChildProcess,
  release,
} from "./node-internals.js";
import { isOwnEnvironment, spellOutEnvironment } from "./own-environment.js";
import { addCause } from "./spawn-failure.js";

export type Spawn = NodeChild["spawn"];

/** Who subscribes to these is told of the options. */
const tracing = ["start", "end", "asyncStart", "asyncEnd", "error"].map((name) => channel(`tracing:child_process.spawn:${name}`));

/** How Node's ChildProcess is made, or why brood can't stand in. */
const look = lookedOnce(lookAtNode);

/** Says why brood's engine can't be used here; undefined: it can. */
export function obstacle(): string | undefined {
  const found = look();
  return found instanceof Error ? found.message : undefined;
}

/** Whether nobody else sees what a function of Node's hands to ChildProcess, whose spawn() is `ours` over `nodes`. */
export function areAlone(ours: Spawn, nodes: Spawn): boolean {
  const shape = look();
  return (
    !(shape instanceof Error) &&
    nodes === shape.spawn &&
    nodeChildProcess.ChildProcess.prototype.spawn === ours &&
    !tracing.some(({ hasSubscribers }) => hasSubscribers)
  );
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
 * Has a function make ChildProcesses with handles of ours, where that can be chosen.
 *
 * @returns the function that undoes it.
 */
export function useHandles(): () => void {
  const shape = look();
  if (shape instanceof Error) return () => {};
  const before = makeHandles(() => new ProcessHandle(shape.form));
  return () => void makeHandles(before);
}

/**
 * Spawns a ChildProcess on brood's engine. `nodes` is the spawn() that it would have had.
 *
 * @throws TypeError, RangeError for `options.brood`, and what Node throws.
 */
export function spawnOnBrood(child: NodeChild, nodes: Spawn, options: unknown): number {
  const shape = look();
  const found = child._handle;
  if (shape instanceof Error || !(found instanceof ProcessHandle || isNative(shape, found))) {
    // Whoever has put another handle there means it.
    spellOutEnvironment(options);
    return nodes.call(child, options);
  }
  const given = typeof options === "object" && options !== null ? (options as { brood?: unknown }).brood : undefined;
  const checked = readAdded(given ?? added);
  added = undefined;
  const handle = found instanceof ProcessHandle ? found : replace(child, found, shape);
  handle.prepare(child, checked, isOwnEnvironment((options as { env?: unknown } | undefined)?.env));
  try {
    return nodes.call(child, options);
  } catch (error) {
    if (handle.failure !== undefined) addCause(error, handle.failure);
    throw error;
  }
}

function isNative(shape: NodeShape, handle: Handle | null): handle is Handle {
  return handle?.constructor === shape.Process;
}

/** Puts a handle of ours in the place of one of Node's. */
function replace(child: NodeChild, native: Handle, { form }: NodeShape): ProcessHandle {
  const handle = new ProcessHandle(form);
  if (native.onexit !== undefined) handle.onexit = native.onexit;
  child._handle = handle;
  release(form, native);
  return handle;
}
