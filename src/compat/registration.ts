/**
 * brood's engine under Node's own child_process: for this JavaScript environment, until `unregister()`.
 */

import { syncBuiltinESMExports } from "node:module";
import { debuglog } from "node:util";
import { patchActiveResources } from "./active-resources.js";
import { areAlone, obstacle, type Spawn, spawnOnBrood, useHandles } from "./engine.js";
import { wrap } from "./functions.js";
import { type NodeChild, nodeChildProcess, type Patch } from "./node-internals.js";
import { patchSync, syncObstacle } from "./sync.js";

const debug = debuglog("brood");
/** On the spawn() of a ChildProcess that is on brood's engine, whichever copy of the package put it there. */
const MARK = Symbol.for("brood.register");

/** What is to be undone. */
let patches: Patch[] | undefined;
/** spawn() of ours, and Node's below it. */
let spawns: { ours: Spawn; nodes: Spawn } | undefined;

/**
 * Puts brood's engine under `node:child_process`. Importing `brood/register` has done it already.
 *
 * Idempotent. Where it can't be done (another platform, a Node made otherwise, `BROOD_REGISTER=off`) Node's own
 * engine stays; `NODE_DEBUG=brood` says why.
 *
 * @returns whether brood's engine is in use.
 */
export function register(): boolean {
  if (isRegistered()) return true;
  const why = process.env["BROOD_REGISTER"] === "off" ? "BROOD_REGISTER is off" : obstacle();
  if (why !== undefined) {
    debug("Node's own child_process stays: %s", why);
    return false;
  }
  patches = [
    { undo: useHandles() },
    patchSpawn(),
    patchFunction("spawn"),
    patchFunction("exec"),
    patchFunction("execFile"),
    patchFunction("fork"),
    patchSync(),
    patchActiveResources(),
  ];
  const sync = syncObstacle();
  if (sync !== undefined) debug("spawnSync, execSync and execFileSync stay Node's: %s", sync);
  syncBuiltinESMExports();
  return true;
}

/** Gives `node:child_process` its own engine back. Children that live stay with brood's. */
export function unregister(): void {
  for (const patch of patches ?? []) patch.undo();
  patches = undefined;
  syncBuiltinESMExports();
}

/** Whether Node's ChildProcess is on brood's engine. */
export function isRegistered(): boolean {
  const { spawn } = nodeChildProcess.ChildProcess.prototype;
  return patches !== undefined || (typeof spawn === "function" && MARK in spawn);
}

/** Whether nobody else sees what is handed to ChildProcess, which this copy of the package has registered. */
export function isRegisteredAlone(): boolean {
  return spawns !== undefined && areAlone(spawns.ours, spawns.nodes);
}

/** All that starts a child asynchronously comes through here. */
function patchSpawn(): Patch {
  const { prototype } = nodeChildProcess.ChildProcess;
  const nodes = prototype.spawn;
  let active = true;
  function spawn(this: NodeChild, options: unknown): number {
    return active ? spawnOnBrood(this, nodes, options) : nodes.call(this, options);
  }
  Object.defineProperty(spawn, MARK, { value: true });
  prototype.spawn = spawn;
  spawns = { ours: spawn, nodes };
  return {
    undo() {
      // Who has wrapped ours since keeps it, without effect.
      active = false;
      spawns = undefined;
      if (prototype.spawn === spawn) prototype.spawn = nodes;
    },
  };
}

/** For what Node does not hand on to ChildProcess. Who has got hold of the functions before has brood's engine all the same. */
function patchFunction<Name extends "spawn" | "exec" | "execFile" | "fork">(name: Name): Patch {
  const nodes = nodeChildProcess[name];
  let active = true;
  const wrapped = wrap(nodes, { ours: () => active, alone: isRegisteredAlone, call: (call) => call() });
  nodeChildProcess[name] = wrapped;
  return {
    undo() {
      active = false;
      if (nodeChildProcess[name] === wrapped) nodeChildProcess[name] = nodes;
    },
  };
}
