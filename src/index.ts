/**
 * brood: starts child processes exactly as told, watches them without races, moves their bytes with
 * backpressure, leaves no orphans.
 */

export type { ContainOptions } from "./contain/options.js";
export {
  AbortError,
  BroodError,
  DrainError,
  ExitError,
  type Holder,
  HostError,
  type Omission,
  type Outcome,
  OutputError,
  type Reason,
  SpawnError,
  TimeoutError,
  UnsupportedError,
} from "./errors.js";
export type { Embryo } from "./host/embryo.js";
export type { SpawnAsyncOptions } from "./host/options.js";
export { spawnAsync } from "./host/spawn-async.js";
export type { Signal } from "./kernel/signals.js";
export type { Keep } from "./process/capture.js";
export { Child } from "./process/child.js";
export type { ChildFds } from "./process/child-pipes.js";
export type { ChildStream } from "./process/child-types.js";
export type { WaitOptions } from "./process/child-waits.js";
export type { IteratorOptions } from "./process/chunks.js";
export { type AdoptedChild, type AdoptOptions, Monitor, type ProcessLike } from "./process/monitor.js";
export type { Drain, MaxOutput, RunOptions, SpawnOptions } from "./process/options.js";
export type { Collected, OutputOptions } from "./process/output.js";
export { type RunResult, run } from "./process/run.js";
export { type RunSyncOptions, runSync } from "./process/run-sync.js";
export { installSignalCleanup } from "./process/signal-cleanup.js";
export { spawn } from "./process/spawn.js";
export type { ChildDuplex, ChildReadable } from "./process/streams.js";
export type { WaitingProcess } from "./process/waits-for-input.js";
export type { WatchedProcess } from "./process/watched-process.js";
export type {
  EnvironmentLike,
  FileMode,
  IdRange,
  Limit,
  LimitName,
  Namespace,
  PathLike,
  StdinEntry,
  StdioEntry,
  StdioWord,
  TextLike,
} from "./program/options.js";
export type { Stage } from "./stages.js";
export type {
  ChildState,
  ContainmentVerdict,
  Descendant,
  ExitState,
  GroupUsage,
  LiveState,
  Means,
  UnknownCause,
  Usage,
} from "./states.js";
