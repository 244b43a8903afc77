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
  /** Blocks of 512 bytes that the file system had to read. */
  blockInput: number;
  /** Blocks of 512 bytes that the file system had to write. */
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
 * Why the status of an end is not known. "stolen": another waiter in our process took it. "ignored": SIGCHLD is ignored, so it
 * was never kept. "foreign": the process is not our child, and the kernel does not tell. "unwatched": the watch failed, and the
 * child, which may live on, is beyond our sight. "keeper": its keeper, or the relay that had started it, has ended.
 */
export type UnknownCause = "stolen" | "ignored" | "foreign" | "unwatched" | "keeper";

/** How a child ended. waitid(2) */
export type ExitState = Whose & {
  /** What it used; null where it can't be known. */
  usage: Usage | null;
} & (
    | {
        kind: "exited";
        /** The exit code, 0 to 255. */
        code: number;
      }
    | {
        kind: "killed";
        /** The name of the signal that ended it. */
        signal: string;
        /** Whether the kernel wrote a core dump. */
        coreDumped: boolean;
      }
    | {
        kind: "unknown";
        /** Why it can't be told how it ended. */
        cause: UnknownCause;
      }
  );

/** A change of a child that is not its end. "trapped": stopped, and we trace it. `signal`: the name of what stopped it. */
export type LiveState = Whose &
  ({ kind: "stopped"; signal: string } | { kind: "trapped"; signal: string } | { kind: "continued" });

/** Any change of state of a child. */
export type ChildState = ExitState | LiveState;

/** A process below a command. */
export interface Descendant {
  /** Its process id, at the time of the look. */
  pid: number;
  /** The process id of its parent. */
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
  /** CPU time in user mode, in microseconds. cpu.stat */
  userCPU: number | null;
  /** CPU time in the kernel, in microseconds. cpu.stat */
  systemCPU: number | null;
  /** The peak of memory, in bytes. memory.peak (Linux 5.19) */
  memoryPeak: number | null;
  /** How many processes were killed because memory was short. memory.events */
  oomKills: number | null;
}
