/**
 * A plan: the options of a spawn, validated and made explicit. What compile() turns into a program.
 */

import type { SignalSet } from "../kernel/signals.js";
import type { NamespacePlan } from "./namespaces.js";
import type { Text } from "./writer.js";

/**
 * What the launcher creates for a child's fd; named from our side. In the order of `enum launch_input`. `packets`
 * is the socket of a spawn host; `directory`, our current one, is for launching through a host only.
 */
export const INPUT = { weRead: 0, weWrite: 1, socket: 2, packets: 3, directory: 4 } as const;
export type InputKind = (typeof INPUT)[keyof typeof INPUT];

/** Where a child's fd comes from. */
export type Source =
  | { from: "input"; input: number } // the child's end of inputs[input]
  | { from: "parent"; fd: number } // an open fd of ours
  | { from: "open"; open: number } // opens[open]
  | { from: "child"; fd: number }; // an fd that the child has already, where it has been created before

/** A file that the child opens. */
export interface OpenFile {
  path: Text;
  flags: number;
  mode: number;
  /** Not a user's path: surely no FIFO. */
  trusted: boolean;
}

export interface Input {
  kind: InputKind;
  target: number;
  /** The size that a pipe is to have, in bytes. */
  size?: number | undefined;
}

export interface FdMap {
  inputs: Input[];
  /** Our ends of the inputs are the caller's, as fds; else the monitor's. */
  given?: boolean;
  /** It is one of a few that come again and again. */
  common?: boolean;
  opens: OpenFile[];
  /** Ascending by target, each target once. */
  entries: { target: number; source: Source }[];
  /** Fds of the child's whose open files are made blocking, for all who share them. */
  blocking?: readonly number[];
  /** Fds of the child's that are to be closed. */
  closes: number[];
}

/** What is executed, and what the child becomes before. */
export interface Plan {
  file: Text;
  argv: Text[];
  candidates: Text[];
  /** Whether the search ends at the first candidate that is there, as execvp(3) has it, or goes on past any failure. */
  firstCandidate?: boolean;
  /** Entries "NAME=value"; with `extend` laid over the process's own, where "NAME" alone removes. */
  environment: { extend: boolean; entries: Text[] };
  setup: Setup;
}

/** What the child becomes before it executes anything. */
export interface Setup {
  /** It is one of a few that come again and again: what is made of it is worth keeping. */
  common: boolean;
  /** An fd of ours of the executable, which the child executes by it: its root and user may hide the path. */
  byFd?: number;
  fds: FdMap;
  closeFds: boolean;
  cwd: Text | number | undefined;
  chroot: Text | undefined;
  namespaces: NamespacePlan;
  umask: number | undefined;
  session: boolean;
  processGroup: number | undefined;
  controllingTerminal: number | undefined;
  foreground: number | undefined;
  uid: number | undefined;
  gid: number | undefined;
  groups: number[] | undefined;
  /** Our own, if it must be 0 for the change of the others. */
  effectiveUid?: number;
  nice: number | undefined;
  oomScoreAdj: number | undefined;
  cpuAffinity: number[] | undefined;
  rlimits: { name: string; resource: number; soft: bigint; hard: bigint }[];
  noNewPrivs: boolean;
  parentDeathSignal: number | undefined;
  signals: { restore: SignalSet; ignore: SignalSet; block: SignalSet };
}
