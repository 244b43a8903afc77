/**
 * The options that say what a child is to be: the part of spawn's options that becomes its program.
 */

import type { Signal } from "../kernel/signals.js";

/** Text for the kernel: a string, encoded as UTF-8, or bytes, passed unchanged. */
export type TextLike = string | Uint8Array;

/** A path: text, or a `file:` URL. */
export type PathLike = TextLike | URL;

/** A word for what one of the child's fds is. */
export type StdioWord =
  /** A real pipe. We write fd 0 and read any other. */
  | "pipe"
  /** The null device, opened for reading and writing. */
  | "ignore"
  /** Our own fd of the same number. */
  | "inherit"
  /** Not open at all. */
  | "close"
  /** A stream socketpair: both ways. `/dev/stdin` can't be opened on it. */
  | "socket";

/** How a file is opened: fopen(3)'s letters; x: it must not exist yet. */
export type FileMode = "r" | "r+" | "w" | "w+" | "wx" | "a" | "a+" | "ax";

/** What one of the child's fds is. */
export type StdioEntry =
  | StdioWord
  /**
   * An open fd of ours, or something that has one: a stream (paused and empty) or a file handle. It stays ours. What brood gives
   * as streams of a child has none: see "Pipelines" in docs/api.md.
   */
  | number
  | { readonly fd: number | null }
  | (NodeJS.ReadableStream & { readonly lines?: never })
  | NodeJS.WritableStream
  /**
   * A file that the child opens, before it changes user or directory. Default mode: "w", which empties
   * the file, for fds 1 and 2; else "r". A FIFO is refused, since its opening would block us.
   */
  | { file: PathLike; mode?: FileMode }
  /** The same as the child's fd of that number. */
  | { dup: number }
  /**
   * A pipe of the given direction: we read ("r") or we write ("w"). `size`: how many bytes it is to hold. Default 65536,
   * and one that we read and find full again and again grows; more means fewer switches between us and the child. The kernel rounds it up, and where it refuses (beyond
   * /proc/sys/fs/pipe-max-size, or the user's other pipes have taken up the budget) the pipe stays as it is. pipe(7)
   */
  | { pipe: "r" | "w"; size?: number | undefined };

/** What fd 0 is: as any fd, or text and bytes that are written to it, then the end. */
export type StdinEntry = StdioEntry | TextLike;

/** A resource limit: one number for both, or soft and hard; "unlimited" (also Infinity) lifts it. */
export type Limit = number | bigint | "unlimited" | { soft: number | bigint | "unlimited"; hard: number | bigint | "unlimited" };

/** The environment: an object, or name and value pairs, where names may be bytes. `undefined` removes. */
export type EnvironmentLike =
  | { readonly [name: string]: TextLike | undefined }
  | Iterable<readonly [name: TextLike, value: TextLike | undefined]>;

/** A kind of namespace. namespaces(7) */
export type Namespace = "user" | "mount" | "pid" | "net" | "ipc" | "uts" | "cgroup";

/** A range of ids: those from `inside` on, in the namespace, are those from `outside` on. */
export interface IdRange {
  /** The first id, as the namespace has it. */
  inside: number;
  /** What it is outside, where we are. */
  outside: number;
  /** How many. Default 1. */
  count?: number | undefined;
}

/** What the child is to be. */
export interface ProgramOptions {
  /** `argv[0]` as the child sees it. Default: `file`. */
  argv0?: TextLike | undefined;
  /**
   * The child's working directory: a path, a `file:` URL, or the fd of an open directory. With `chroot`
   * it is taken in the new root. Default: ours (with `chroot`: "/"). chdir(2), fchdir(2)
   */
  cwd?: PathLike | number | undefined;
  /** Variables for the child. A snapshot: later changes have no effect. Default: none besides ours. */
  env?: EnvironmentLike | undefined;
  /** Whether `env` is laid over our own environment. Default true; false: `env` is all that there is. */
  extendEnv?: boolean | undefined;
  /**
   * Where a `file` without "/" is sought: a list in the form of PATH, or an array. Default: PATH of the
   * child's own environment, else /usr/local/bin:/usr/bin:/bin. Relative and empty entries count only here.
   */
  path?: string | readonly PathLike[] | undefined;

  /** The child's fd 0. Default "pipe" (`run`: "ignore"). */
  stdin?: StdinEntry | undefined;
  /** The child's fd 1. Default "pipe". */
  stdout?: StdioEntry | undefined;
  /** The child's fd 2. Default "pipe". */
  stderr?: StdioEntry | undefined;
  /** Any of the child's fds, by number. */
  fds?: { readonly [fd: number]: StdioEntry | undefined } | undefined;
  /** All of them at once, in Node's form: an array by fd, or one word for fds 0 to 2. */
  stdio?: StdioWord | readonly (StdioEntry | null | undefined)[] | undefined;
  /** Whether fds that aren't mentioned are closed. Default true; false: those without close-on-exec stay. */
  closeFds?: boolean | undefined;
  /** Fds of ours, from 3 up, that the child gets under the same number. */
  passFds?: readonly number[] | undefined;

  /** Makes the child the leader of a new session, and so of a process group. setsid(2) */
  session?: boolean | undefined;
  /** The child's process group: "new", or one of its session to join. setpgid(2) */
  processGroup?: "new" | number | undefined;
  /** The child's fd whose terminal becomes the controlling one of its session; true: fd 0. Needs `session`. */
  controllingTerminal?: boolean | number | undefined;
  /**
   * The child's fd on whose terminal its process group becomes the foreground one; true: fd 0. Needs
   * `processGroup`: a session's leader that takes a terminal has its foreground. Done before exec; taking it back
   * is the caller's, except where the spawn fails. tcsetpgrp(3)
   */
  foreground?: boolean | number | undefined;

  /** User id: real, effective and saved. Without `gid` or `groups` they are those of that account. setresuid(2) */
  uid?: number | undefined;
  /** Group id: real, effective and saved. setresgid(2) */
  gid?: number | undefined;
  /** Supplementary groups. setgroups(2) */
  groups?: readonly number[] | undefined;
  /** User name: its uid, its group, its groups. Not together with `uid`. */
  user?: string | undefined;

  /** File mode creation mask, 0 to 0o777. umask(2) */
  umask?: number | undefined;
  /** Nice value, -20 (most favoured) to 19, as it is to be, not an increment. setpriority(2) */
  nice?: number | undefined;
  /** Resource limits by name: `{ nofile: 1024, core: { soft: 0, hard: "unlimited" } }`. setrlimit(2) */
  rlimits?: { readonly [name in LimitName]?: Limit | undefined } | undefined;
  /** The CPUs that the child may run on. sched_setaffinity(2) */
  cpuAffinity?: readonly number[] | undefined;
  /** -1000 (never killed for memory) to 1000 (first). proc(5) */
  oomScoreAdj?: number | undefined;
  /** Whether exec can never grant more privileges. prctl(2), PR_SET_NO_NEW_PRIVS */
  noNewPrivs?: boolean | undefined;
  /** The signal that the child gets when our *process* dies, also if spawned from a worker. prctl(2) */
  parentDeathSignal?: Signal | undefined;
  /** The child's root directory. chroot(2) */
  chroot?: PathLike | undefined;

  /**
   * New namespaces that the child starts in. "user" needs no privilege where the system allows it, and gives what the
   * others need; "pid" has a process of ours as its pid 1, see `contain`; with "pid" and "mount" /proc is mounted anew.
   * namespaces(7)
   */
  namespaces?: readonly Namespace[] | undefined;
  /** The user ids of a new user namespace. Default: our own, which stays what it is. user_namespaces(7) */
  uidMap?: readonly IdRange[] | undefined;
  /** The group ids of a new user namespace. Default: our own, which stays what it is. */
  gidMap?: readonly IdRange[] | undefined;

  /**
   * Which signals that we ignore become default in the child: "runtime" (default) those that the
   * JavaScript runtime ignores on its own (SIGPIPE, SIGXFSZ); "all"; false: none.
   */
  restoreSignals?: "runtime" | "all" | false | undefined;
  /** Signals that the child starts with ignored. */
  ignoreSignals?: readonly Signal[] | undefined;
  /** Signals that the child starts with blocked. Default: none, whatever we block ourselves. */
  blockSignals?: readonly Signal[] | undefined;
}

/** The names of resource limits: those of getrlimit(2), lower-case, without RLIMIT_. */
export type LimitName =
  | "cpu"
  | "fsize"
  | "data"
  | "stack"
  | "core"
  | "rss"
  | "nproc"
  | "nofile"
  | "memlock"
  | "as"
  | "locks"
  | "sigpending"
  | "msgqueue"
  | "nice"
  | "rtprio"
  | "rttime";

/** The names of all options of this file. The type makes it complete. */
export const PROGRAM_OPTION_NAMES = Object.keys({
  argv0: 0,
  cwd: 0,
  env: 0,
  extendEnv: 0,
  path: 0,
  stdin: 0,
  stdout: 0,
  stderr: 0,
  fds: 0,
  stdio: 0,
  closeFds: 0,
  passFds: 0,
  session: 0,
  processGroup: 0,
  controllingTerminal: 0,
  foreground: 0,
  uid: 0,
  gid: 0,
  groups: 0,
  user: 0,
  umask: 0,
  nice: 0,
  rlimits: 0,
  cpuAffinity: 0,
  oomScoreAdj: 0,
  noNewPrivs: 0,
  parentDeathSignal: 0,
  chroot: 0,
  namespaces: 0,
  uidMap: 0,
  gidMap: 0,
  restoreSignals: 0,
  ignoreSignals: 0,
  blockSignals: 0,
} satisfies Record<keyof ProgramOptions, 0>);

/** What planning needs to know of the world. Injected, so that planning stays pure. */
export interface Facts {
  /** Whether an fd of ours is open. */
  isOpen(fd: number): boolean;
  /** [uid, gid, groups...] of an account, undefined if there is none. */
  account(nameOrUid: string | number): number[] | undefined;
  /** Our effective user id, if it is not 0 and the real one is. */
  unprivilegedEffectiveUid(): number | undefined;
  /** Our own effective ids. */
  identity(): { uid: number; gid: number };
  /** PATH of our own environment. */
  path(): TextLike | undefined;
  /** Our environment where it isn't the process's own (a worker's copy), else undefined. */
  environment(): { readonly [name: string]: string | undefined } | undefined;
}
