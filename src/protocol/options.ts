/**
 * The options of the protocol style: spawn's own, and Twisted's map of fds.
 */

import { conflict, wrongType, wrongValue } from "../errors.js";
import { facts } from "../launch/facts.js";
import { notOpen } from "../launch/failure.js";
import { SPAWN_OPTION_NAMES, type SpawnOptions } from "../process/options.js";
import type { StdioEntry } from "../program/options.js";
import { planStdio, type StdioDefaults } from "../program/stdio.js";
import { checkFdTable, checkInteger, checkPath, INT_MAX } from "../program/validate.js";
import type { ProcessProtocol } from "./interface.js";

/** What one of the child's fds is: "r" we read it, "w" we write it, "rw" both, or an fd of ours. */
export type ChildFD = "r" | "w" | "rw" | number;

/** Options of `spawnProcess`, `subprocessExec` and `subprocessShell`: those of `spawn`, but for `maxOutput`. */
export interface ProtocolOptions extends Omit<SpawnOptions, "maxOutput"> {
  /**
   * All of the child's fds in Twisted's form, instead of `stdin`, `stdout`, `stderr`, `fds` and `stdio`. Of 0 to 2 those that
   * are left out are closed. Default: `{ 0: "w", 1: "r", 2: "r" }`.
   */
  childFDs?: { readonly [fd: number]: ChildFD } | undefined;
}

export const PROTOCOL_OPTION_NAMES: readonly string[] = [
  ...SPAWN_OPTION_NAMES.filter((name) => name !== "maxOutput"),
  "childFDs",
];

export const PIPES: StdioDefaults = ["pipe", "pipe", "pipe"];

const ENTRIES = new Map<unknown, StdioEntry>([
  ["r", { pipe: "r" }],
  ["w", { pipe: "w" }],
  ["rw", "socket"],
]);
const EXCLUDED = ["stdin", "stdout", "stderr", "fds", "stdio"] as const;

/**
 * Gives the options as spawn knows them.
 *
 * @throws SpawnError for an fd of ours that isn't open, by the name that it has here.
 */
export function toSpawnOptions({ childFDs, ...options }: ProtocolOptions, file: unknown): SpawnOptions {
  if (childFDs === undefined) return options;
  for (const name of EXCLUDED) {
    if (options[name] !== undefined) throw conflict(`options.childFDs and options.${name} exclude each other`);
  }
  const fds: Record<number, StdioEntry> = { 0: "close", 1: "close", 2: "close" };
  for (const [key, value] of Object.entries(checkFdTable(childFDs, "options.childFDs") as Record<string, unknown>)) {
    const fd = checkInteger(/^\d+$/.test(key) ? Number(key) : Number.NaN, `an fd in options.childFDs (${key})`, 0, INT_MAX);
    const name = `options.childFDs[${fd}]`;
    const entry = typeof value === "number" ? checkInteger(value, name, 0, INT_MAX) : ENTRIES.get(value);
    if (entry === undefined) throw wrongValue(name, value, 'must be "r", "w", "rw" or an fd');
    if (typeof entry === "number" && !facts.isOpen(entry)) throw notOpen({ file: checkPath(file, "file") }, entry, name);
    fds[fd] = entry;
  }
  return { ...options, fds };
}

const METHODS = Object.keys({
  connectionMade: 0,
  childDataReceived: 0,
  outReceived: 0,
  errReceived: 0,
  childConnectionLost: 0,
  inConnectionLost: 0,
  outConnectionLost: 0,
  errConnectionLost: 0,
  pauseWriting: 0,
  resumeWriting: 0,
  processExited: 0,
  connectionLost: 0,
  processEnded: 0,
} satisfies Record<keyof ProcessProtocol, 0>) as (keyof ProcessProtocol)[];

/** Checks a protocol. */
export function checkProtocol(protocol: unknown, name = "protocol"): ProcessProtocol {
  if (typeof protocol !== "object" || protocol === null) throw wrongType(name, "an object", protocol);
  // Of an async function, say. Every method is optional, so that it would pass, and nobody be told.
  if (typeof (protocol as { then?: unknown }).then === "function") throw wrongType(name, "the protocol itself", protocol);
  for (const method of METHODS) {
    const value = (protocol as ProcessProtocol)[method];
    if (value !== undefined && typeof value !== "function") throw wrongType(`${name}.${method}`, "a function", value);
  }
  return protocol;
}

/** Throws if there would be a pipe, and nobody to be told what happens to it. */
export function refusePipes(options: SpawnOptions): void {
  const { map, data } = planStdio(options, PIPES, () => true);
  if (map.inputs.length > (data === undefined ? 0 : 1)) throw conflict("a pipe to the child needs a protocol, which is null");
}
