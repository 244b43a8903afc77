/**
 * The operations of a child program, in the order of their codes in native/child_program.h (a test
 * compares the two), the stage that each belongs to, and words for each stage.
 */

export const OPERATIONS = [
  "SIGDEFAULT",
  "SIGIGNORE",
  "MOUNT_PROC",
  "SETSID",
  "SETPGID",
  "OOM_SCORE_ADJ",
  "SETPRIORITY",
  "SCHED_SETAFFINITY",
  "OPEN",
  "PARK",
  "FDMAP",
  "BLOCKING",
  "CLOSE",
  "TIOCSCTTY",
  "TIOCSPGRP",
  "CHROOT",
  "CHDIR",
  "FCHDIR",
  "UMASK",
  "SETRLIMIT",
  "SETEUID",
  "SETGROUPS",
  "SETRESGID",
  "SETRESUID",
  "PDEATHSIG",
  "NO_NEW_PRIVS",
  "UNSHARE",
  "SETNS",
  "PRCTL",
  "CLOSE_RANGE",
  "SIGMASK",
  "EXEC",
] as const;

export type Operation = (typeof OPERATIONS)[number];

/** Gives the code of an operation. */
export const CODE = Object.fromEntries(OPERATIONS.map((name, code) => [name, code])) as Record<Operation, number>;

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

/** The stage of each operation. The type makes it complete. */
export const STAGE_OF: Record<Operation, ChildStage> = {
  SIGDEFAULT: "signals",
  SIGIGNORE: "signals",
  MOUNT_PROC: "mount",
  SETSID: "setsid",
  SETPGID: "setpgid",
  OOM_SCORE_ADJ: "oomScoreAdj",
  SETPRIORITY: "nice",
  SCHED_SETAFFINITY: "cpuAffinity",
  OPEN: "open",
  PARK: "dup",
  FDMAP: "dup",
  BLOCKING: "blocking",
  CLOSE: "close",
  TIOCSCTTY: "controllingTerminal",
  TIOCSPGRP: "foreground",
  CHROOT: "chroot",
  CHDIR: "chdir",
  FCHDIR: "chdir",
  UMASK: "umask",
  SETRLIMIT: "setrlimit",
  SETEUID: "setuid",
  SETGROUPS: "setgroups",
  SETRESGID: "setgid",
  SETRESUID: "setuid",
  PDEATHSIG: "parentDeathSignal",
  NO_NEW_PRIVS: "noNewPrivs",
  UNSHARE: "unshare",
  SETNS: "setns",
  PRCTL: "prctl",
  CLOSE_RANGE: "closeFds",
  SIGMASK: "signals",
  EXEC: "exec",
};

/** What a stage does, to follow "cannot spawn X: cannot ...". The type makes it complete. */
export const STAGE_WORDS: Record<Stage, string> = {
  signals: "set the child's signals",
  mount: "mount",
  setsid: "start a session",
  setpgid: "join the process group",
  oomScoreAdj: "set the OOM score adjustment",
  nice: "set the nice value",
  cpuAffinity: "set the CPU affinity",
  open: "open",
  dup: "map the child's fd",
  blocking: "make blocking the child's fd",
  close: "close the child's fd",
  controllingTerminal: "take the controlling terminal on fd",
  foreground: "take the foreground of the terminal on fd",
  chroot: "change the root directory to",
  chdir: "change the directory to",
  umask: "set the umask",
  setrlimit: "set the limit",
  setgroups: "set the supplementary groups",
  setgid: "set the group id to",
  setuid: "set the user id to",
  parentDeathSignal: "set the parent-death signal",
  noNewPrivs: "set no_new_privs",
  unshare: "leave the namespaces",
  setns: "join the namespace of",
  prctl: "set the process attribute",
  closeFds: "close the other fds",
  exec: "execute",
  pipe: "create a pipe",
  memory: "allocate memory",
  clone: "create a process",
  pidfd: "open a pidfd",
  report: "hear from the child",
  watch: "watch the child",
  setup: "set up the child",
  cgroup: "join the cgroup",
  idMap: "write the id maps of the user namespace",
  keeper: "start the keeper",
  host: "use the spawn host",
  preexec: "run preexec",
};
