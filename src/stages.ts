/**
 * The stages of a spawn, as its error names them. Types only: a leaf, like errors.ts. What each does is in docs/errors.md.
 */

/** Where a spawn can fail in the child: the `stage` of its SpawnError. */
export type ChildStage =
  | "signals"
  | "mount"
  | "setsid"
  | "setpgid"
  | "oomScoreAdj"
  | "nice"
  | "cpuAffinity"
  | "open"
  | "dup"
  | "blocking"
  | "close"
  | "controllingTerminal"
  | "foreground"
  | "chroot"
  | "chdir"
  | "umask"
  | "setrlimit"
  | "setgroups"
  | "setgid"
  | "setuid"
  | "parentDeathSignal"
  | "noNewPrivs"
  | "unshare"
  | "setns"
  | "prctl"
  | "closeFds"
  | "exec";

/** Where a spawn can fail before the child's own steps. */
export type ParentStage =
  | "pipe"
  | "memory"
  | "clone"
  | "pidfd"
  | "report"
  | "watch"
  | "setup"
  | "cgroup"
  | "idMap"
  | "keeper"
  | "host"
  | "preexec";

/** Where a spawn can fail. docs/errors.md says of each what it does, and by which option it comes. */
export type Stage = ChildStage | ParentStage;
