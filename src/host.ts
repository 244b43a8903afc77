/**
 * brood/host: children that are started through other processes and are ours all the same, and processes that are driven
 * step by step until they exec.
 */

export { HostError } from "./errors.js";
export { Embryo } from "./host/embryo.js";
export type { CreateOptions, HostOptions, SpawnAsyncOptions } from "./host/options.js";
export type { PrctlName } from "./host/prctl.js";
export { spawnAsync } from "./host/spawn-async.js";
export { SpawnHost } from "./host/spawn-host.js";
