/**
 * What a child finds itself to be: the output of test/children/report.c.
 */

import assert from "node:assert/strict";
import type { SpawnOptions } from "brood";
import { childPath } from "./children.js";
import { launch } from "./launch.js";

export interface ReportedFd {
  /** Its link in /proc. */
  link: string;
  kind: "pipe" | "socket" | "file" | "device" | "directory" | "other";
  access: "r" | "w" | "rw" | "none";
  append: boolean;
  nonblock: boolean;
  cloexec: boolean;
  /** Device and inode. */
  file: string;
  rdev: number;
}

export interface Report {
  /** Bytes, as Latin-1. */
  argv: string[];
  /** Bytes, as Latin-1. */
  environ: string[];
  fds: { [fd: number]: ReportedFd };
  cwd: string;
  /** Device and inode. */
  root: string;
  pid: number;
  ppid: number;
  pgid: number;
  sid: number;
  umask: number;
  nice: number;
  cpus: number[];
  rlimits: Record<string, [soft: string, hard: string]>;
  /** Real, effective, saved, and the file system's. */
  uids: string[];
  gids: string[];
  groups: string[];
  /** A mask in hexadecimal. */
  blocked: [string];
  ignored: [string];
  noNewPrivs: [string];
  oomScoreAdj: number;
  parentDeathSignal: number;
  /** The device of the controlling terminal, 0 if there is none. */
  tty: number;
  foreground: number;
}

export interface ReportOptions {
  /** The child's fd to which it writes the report: one that is a pipe. */
  fd?: number;
  /** Another path or name for the program. */
  file?: string;
  args?: readonly (string | Uint8Array)[];
}

/** Reads the report that a child wrote. */
export function parseReport(text: string): Report {
  const report = JSON.parse(text) as Report;
  const decode = (hex: string): string => Buffer.from(hex, "hex").toString("latin1");
  return { ...report, argv: report.argv.map(decode), environ: report.environ.map(decode) };
}

/** Starts a child with these options, and gives what it says of itself. */
export async function reportOf(options: SpawnOptions = {}, { fd = 1, file, args = [] }: ReportOptions = {}): Promise<Report> {
  const child = await launch(file ?? childPath("report"), [String(fd), ...args], { ...options, env: withoutPreload(options) });
  const { stdout, stderr, fds, exit } = await child.output();
  if (fd !== 2) assert.equal(stderr ?? "", "");
  assert.deepEqual([exit.kind, exit.kind === "exited" && exit.code], ["exited", 0]);
  return parseReport((fd === 1 ? stdout : fd === 2 ? stderr : fds?.[fd]) as string);
}

/** A sanitizer's library, preloaded, changes limits and dispositions before the child can report them. */
function withoutPreload({ env, extendEnv }: SpawnOptions): SpawnOptions["env"] {
  if (extendEnv === false || (env !== undefined && Symbol.iterator in env)) return env;
  return { LD_PRELOAD: undefined, ...env };
}

/** The numbers of the fds that a child has. */
export function fdsOf(report: Report): number[] {
  return Object.keys(report.fds).map(Number);
}

/** The signals of a mask. */
export function signalsOf([mask]: [string]): number[] {
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => i + 1).filter((signal) => (bits >> BigInt(signal - 1)) & 1n);
}
