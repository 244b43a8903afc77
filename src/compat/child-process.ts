/**
 * Node's child_process on brood's engine, without a change to `node:child_process`: its own functions are called,
 * and for the time of each call ChildProcess spawns on brood's. A call is synchronous, so nobody else notices.
 */

import { obstacle, spawnOnBrood, useHandles } from "./engine.js";
import { handingOnAdded, wrap } from "./functions.js";
import { type NodeChild, nodeChildProcess } from "./node-internals.js";
import { isRegistered } from "./registration.js";
import { syncOnBrood } from "./sync.js";

const Nodes = nodeChildProcess.ChildProcess;

function onBrood(args: readonly unknown[], call: () => unknown): unknown {
  if (isRegistered() || obstacle() !== undefined) return handingOnAdded(args, call);
  const nodes = Nodes.prototype.spawn;
  Nodes.prototype.spawn = function spawn(this: NodeChild, options: unknown): number {
    return spawnOnBrood(this, nodes, options);
  };
  const undo = useHandles();
  try {
    return handingOnAdded(args, call);
  } finally {
    undo();
    Nodes.prototype.spawn = nodes;
  }
}

/** As Node's, on brood's engine. */
export const spawn = wrap(nodeChildProcess.spawn, onBrood);
/** As Node's, on brood's engine. */
export const exec = wrap(nodeChildProcess.exec, onBrood);
/** As Node's, on brood's engine. */
export const execFile = wrap(nodeChildProcess.execFile, onBrood);
/** As Node's, on brood's engine. */
export const fork = wrap(nodeChildProcess.fork, onBrood);
/** As Node's, on brood's engine. */
export const spawnSync = wrap(nodeChildProcess.spawnSync, syncOnBrood);
/** As Node's, on brood's engine. */
export const execSync = wrap(nodeChildProcess.execSync, syncOnBrood);
/** As Node's, on brood's engine. */
export const execFileSync = wrap(nodeChildProcess.execFileSync, syncOnBrood);

/** As Node's, on brood's engine. The children of the functions of this module are instances, too. */
export const ChildProcess = class ChildProcess extends Nodes {
  override spawn(options: unknown): number {
    return onBrood([], () => super.spawn(options)) as number;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Nodes;
  }
} as unknown as typeof import("node:child_process").ChildProcess;

export default { ChildProcess, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
