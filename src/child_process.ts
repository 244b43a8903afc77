/**
 * The API of Node's child_process on brood's engine, as a module of its own.
 */

export type { AddedOptions } from "./compat/added-options.js";
export { ChildProcess, default, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync } from "./compat/child-process.js";
export type * from "./compat/node-types.js";
