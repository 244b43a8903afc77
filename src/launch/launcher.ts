/**
 * What a way of launching gives back: a child that has exec'ed, watched by this environment's monitor.
 */

import type { Planned } from "../program/make-plan.js";
import type { IdMaps } from "../program/namespaces.js";
import type { InputKind } from "../program/plan.js";

/** Our end of one of the child's fds. */
export interface LaunchedPipe {
  /** Its entry in the monitor, which owns the fd. */
  index: number;
  /** The child's fd. */
  target: number;
  kind: InputKind;
  /** The size that was asked for, in bytes. */
  size?: number | undefined;
}

/** A command's keeper: its entry in the monitor, that of our end of its socket, its pid. */
export interface LaunchedKeeper {
  index: number;
  socket: number;
  pid: number;
  /** Its numbers of processes are those of another pid namespace. */
  foreign?: boolean;
  /** The most memory that the command may have shared until its exec, in KiB. Undefined: that was ours. */
  peak?: number;
  /** Where it is a copy of a spawn host: who it may serve next. */
  lent?: LentKeeper;
}

/** Who has borrowed a keeper: hears that there are notes of it to be read, and that it has ended. */
export interface KeeperBorrower {
  onNotes(): void;
  onEnd(events: Float64Array, base: number): void;
}

/** A keeper that is lent for one command. */
export interface LentKeeper {
  borrow(borrower: KeeperBorrower): void;
  /** Nothing is left of the command: it may serve the next. */
  giveBack(): void;
  /** Has it end, with all that it keeps, unless it was released. */
  end(): Promise<void>;
}

export interface Launched {
  /** The child's entry in the monitor, which owns the pidfd. */
  index: number;
  pid: number;
  pipes: LaunchedPipe[];
  /** Our ends of the inputs, where they are the caller's: fds, non-blocking and close-on-exec. */
  ends?: number[] | undefined;
  /** Its parent, if that is a keeper. */
  keeper?: LaunchedKeeper | undefined;
}

/** How a child is contained, for the native part. */
export interface Enclosure {
  /** The fd of the cgroup's directory that it is born in; for a host also that of its cgroup.procs, open for writing. */
  cgroup?: number | undefined;
  procs?: number | undefined;
  /** Flags of clone(2): the namespaces that it starts in. */
  namespaces?: number | undefined;
  /** The id maps of its new user namespace, as the kernel takes them. */
  maps?: IdMaps | undefined;
  /** Its parent is to be a keeper: by a host a fork of that, else this program. */
  keeper?: { path: string; role: "keep" | "init" } | undefined;
}

/** What a child gets when this environment ends: a signal (0: nothing), and SIGKILL after so many ms (-1: never). */
export interface Cleanup {
  signal: number;
  grace: number;
}

/** A way of launching that does not block: through a spawn host. The direct one is `launch` of direct.ts. */
export interface Launcher {
  /**
   * Starts a child. It must be watched in the very turn in which this settles.
   *
   * @throws SpawnError, and nothing is left behind.
   */
  launch(planned: Planned, cleanup: Cleanup, enclosure?: Enclosure): Promise<Launched>;
}
