/**
 * Node's child_process on brood's engine, without a change to `node:child_process`: its own functions are called,
 * and for the time of each call ChildProcess spawns on brood's. A call is synchronous, so nobody else notices.
 */

import { areAlone, obstacle, spawnOnBrood, useHandles } from "./engine.js";
import { wrap } from "./functions.js";
import { type NodeChild, nodeChildProcess } from "./node-internals.js";
import { isRegistered, isRegisteredAlone } from "./registration.js";
import { isSyncAlone, syncObstacle, syncOnBrood } from "./sync.js";

const Nodes = nodeChildProcess.ChildProcess;

function onBrood(call: () => unknown): unknown {
  if (isRegistered()) return call();
  const nodes = Nodes.prototype.spawn;
  Nodes.prototype.spawn = function spawn(this: NodeChild, options: unknown): number {
    return spawnOnBrood(this, nodes, options);
  };
  const undo = useHandles();
  try {
    return call();
  } finally {
    undo();
    Nodes.prototype.spawn = nodes;
  }
}

/** Whether nobody else sees what is handed to ChildProcess. */
function alone(): boolean {
  const { spawn } = Nodes.prototype;
  return isRegisteredAlone() || areAlone(spawn, spawn);
}

const asynchronous = { ours: () => obstacle() === undefined, alone, call: onBrood };
const synchronous = { ours: () => syncObstacle() === undefined, alone: isSyncAlone, call: syncOnBrood };

/** As Node's, on brood's engine. */
export const spawn = wrap(nodeChildProcess.spawn, asynchronous);
/** As Node's, on brood's engine. */
export const exec = wrap(nodeChildProcess.exec, asynchronous);
/** As Node's, on brood's engine. */
export const execFile = wrap(nodeChildProcess.execFile, asynchronous);
/** As Node's, on brood's engine. */
export const fork = wrap(nodeChildProcess.fork, asynchronous);
/** As Node's, on brood's engine. */
export const spawnSync = wrap(nodeChildProcess.spawnSync, synchronous);
/** As Node's, on brood's engine. */
export const execSync = wrap(nodeChildProcess.execSync, synchronous);
/** As Node's, on brood's engine. */
export const execFileSync = wrap(nodeChildProcess.execFileSync, synchronous);

/** As Node's, on brood's engine. The children of the functions of this module are instances, too. */
export const ChildProcess = class ChildProcess extends Nodes {
  override spawn(options: unknown): number {
    return (obstacle() === undefined ? onBrood(() => super.spawn(options)) : super.spawn(options)) as number;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof Nodes;
  }
} as unknown as typeof import("node:child_process").ChildProcess;

export default { ChildProcess, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
