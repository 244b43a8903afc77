/**
 * The states of a child, as waitid(2) reports them, and what it used, as getrusage(2) counts it.
 * Types only: a leaf, like errors.ts.
 */

/** What a child used. A value that can't be known is null, never wrong. */
export interface Usage {
  /** CPU time in user mode, in microseconds. */
  userCPU: number;
  /** CPU time in the kernel, in microseconds. */
  systemCPU: number;
  /**
   * The peak of resident memory, in bytes. Null where it can't be told from the parent's own: a child
   * that shares its parent's memory until exec starts with the parent's peak.
   */
  maxRSS: number | null;
  /** Page faults without I/O. */
  minorFaults: number;
  /** Page faults with I/O. */
  majorFaults: number;
  /** Times that the file system had to read, and to write, in blocks of 512 bytes. */
  blockInput: number;
  blockOutput: number;
  /** Context switches because it waited. */
  voluntarySwitches: number;
  /** Context switches because its time slice was over. */
  involuntarySwitches: number;
}

interface Whose {
  /** The child's process id. */
  pid: number;
  /** The child's real user id, null if unknown. */
  uid: number | null;
}

/**
 * Why the status of an end is not known: another waiter in our process took it; SIGCHLD is ignored, so it was never
 * kept; the process is not our child, and the kernel does not tell; or the watch failed, and the child, which may live
 * on, is beyond our sight.
 */
export type UnknownCause = "stolen" | "ignored" | "foreign" | "unwatched" | "keeper";

/** How a child ended. `usage` is null where it can't be known. */
export type ExitState = Whose & { usage: Usage | null } & (
    | { kind: "exited"; code: number }
    | { kind: "killed"; signal: string; coreDumped: boolean }
    | { kind: "unknown"; cause: UnknownCause }
  );

/** A change of a child that is not its end. */
export type LiveState = Whose &
  ({ kind: "stopped"; signal: string } | { kind: "trapped"; signal: string } | { kind: "continued" });

/** Any change of state of a child. */
export type ChildState = ExitState | LiveState;

/** A process below a command. */
export interface Descendant {
  pid: number;
  ppid: number;
  /** Its command line, shortened; its name in brackets where it has none. */
  command: string;
  /** When it was started, in milliseconds since 1970, to some 10 ms. */
  startTime: number;
  /** As ps(1) shows it: R runs, S sleeps, D waits for a device, T is stopped, t is traced. */
  state: string;
}

/** The means by which a command can be contained. */
export type Means = "cgroup" | "keeper" | "namespace" | "group";

/** What became of the processes that a contained command left behind, or had at its end. */
export interface ContainmentVerdict {
  /** Which means was in use. */
  by: Means;
  /** Those that were ended with it, or after it, by us. */
  ended: { pid: number; command: string }[];
  /** Those that live on, as far as they are known, and why. */
  survivors: { pid: number; command: string; reason: string }[];
  /** What all of it used, where the kernel counts it: by "cgroup" only. */
  usage: GroupUsage | null;
}

/** What a cgroup used. A value whose controller is not there is null. */
export interface GroupUsage {
  /** CPU time in user mode and in the kernel, in microseconds. cpu.stat */
  userCPU: number | null;
  systemCPU: number | null;
  /** The peak of memory, in bytes. memory.peak (Linux 5.19) */
  memoryPeak: number | null;
  /** How many processes were killed because memory was short. memory.events */
  oomKills: number | null;
}
