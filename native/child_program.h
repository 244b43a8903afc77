/*
 * The child program: what a child does between clone and exec, as data.
 *
 * TypeScript (src/program/) compiles the options of a spawn into one flat buffer: a header, a list
 * of small operations, and the strings and tables that they name by offset. This header says what such a buffer
 * holds, and what comes back. What C does with it:
 *
 *   program_check.h  program_validate()  runs in: parent.  Checks every offset, count and string once.
 *                    program_relocate()  runs in: parent.  Turns the offsets in pointer tables into pointers.
 *   program_run.h    program_run()       runs in: child.   Interprets it, execs, or reports and exits.
 *
 * All are freestanding and header-only: raw system calls, no allocation, no lock, no libc, no TLS,
 * no return from the child. They have no policy: which operations there are in which order is
 * decided where the buffer was compiled.
 *
 * An operation's failure is reported as {step, errno, detail} in memory shared with the parent,
 * or, where memory is not shared, written to a socket.
 */
#ifndef BROOD_CHILD_PROGRAM_H
#define BROOD_CHILD_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#define PROGRAM_MAGIC 0x31647262u /* "brd1" */

struct program_header {
  uint32_t magic;
  uint32_t size;      /* of the whole buffer; its last byte is 0, so every string in it ends */
  uint32_t n_ops;     /* at least one; the last is EXEC, and no other is */
  uint32_t ops;       /* offset of struct program_op[n_ops] */
  uint32_t n_slots;   /* fds whose numbers are known only at run time */
  uint32_t slots;     /* offset of int32_t[n_slots] */
  uint32_t n_inputs;  /* the first slots, filled in by the launcher before the child runs */
  uint32_t n_targets; /* fd numbers that the fd map will fill: nothing may be parked there */
  uint32_t targets;   /* offset of int32_t[n_targets] */
  uint32_t reserved;
};

struct program_op {
  uint16_t code;
  uint16_t flags;
  int32_t a;
  int32_t b;
  int32_t c;
  uint32_t data; /* offset of this operation's data, 0 if it has none */
  uint32_t size; /* of that data, in bytes */
};

/* One entry of FDMAP. A source >= 0 is an fd of the parent, one < 0 is the slot ~source. */
struct program_fd {
  int32_t target;
  int32_t source;
};

struct program_rlimit {
  uint64_t soft;
  uint64_t hard;
};

/*
 * Every operation: name, kind of data, unit in bytes, minimum and maximum size of the data.
 *   SIGDEFAULT   signals of the 64-bit set that are ignored become default
 *   SIGIGNORE    signals of the set are ignored
 *   MOUNT_PROC   in a new mount namespace: a /proc of the own pid namespace, seen by nobody else
 *   SETSID, SETPGID a (0: its own)
 *   OOM_SCORE_ADJ data: the decimal text to write
 *   SETPRIORITY  a: nice value        SCHED_SETAFFINITY  data: bit set of CPUs
 *   OPEN         a: slot, b: flags, c: mode, data: path. A FIFO is refused
 *   PARK         a: slot, b: source, as in FDMAP: a copy that the fd map will not overwrite
 *   FDMAP        data: struct program_fd[]; any permutation, cycles and repeats too
 *   BLOCKING     a: fd; O_NONBLOCK is cleared, for all who share the open file
 *   CLOSE        a: fd; closed already is no error
 *   TIOCSCTTY    a: fd
 *   TIOCSPGRP    a: fd; the own process group becomes the foreground one of that terminal
 *   CHROOT, CHDIR data: path          FCHDIR a: source, as in FDMAP
 *   UMASK a      SETRLIMIT a: resource, data: struct program_rlimit
 *   SETEUID      a: the effective user id alone; a process whose real one is 0 gets its capabilities back by it
 *   SETGROUPS    data: uint32_t[]     SETRESGID, SETRESUID a: all three ids
 *   PDEATHSIG    a: signal; ESRCH if the parent is gone already
 *                (IDS_EACH: a real, b effective, c saved; -1 leaves one as it is)
 *   NO_NEW_PRIVS
 *   UNSHARE a: flags of clone(2)      SETNS a: source, as in FDMAP, b: kind of namespace, 0: any
 *   PRCTL        data: int64_t[5], as prctl(2) takes them
 *   CLOSE_RANGE  a: first fd, data: int32_t[] of kept fds, ascending, all >= a; flag
 *                CLOSE_RANGE_UNSHARE, of the first operation only and without kept fds
 *   SIGMASK      the signal mask is set to the 64-bit set
 *   EXEC         data: table of candidate paths, b: offset of the argv table, c: of the envp
 *                table, a: how often ETXTBSY is tried again; flags EXEC_EXTEND_ENV, EXEC_FIRST
 */
#define PROGRAM_OPS(X)                 \
  X(SIGDEFAULT, BYTES, 8, 8, 8)        \
  X(SIGIGNORE, BYTES, 8, 8, 8)         \
  X(MOUNT_PROC, NONE, 1, 0, 0)         \
  X(SETSID, NONE, 1, 0, 0)             \
  X(SETPGID, NONE, 1, 0, 0)            \
  X(OOM_SCORE_ADJ, STRING, 1, 2, 16)   \
  X(SETPRIORITY, NONE, 1, 0, 0)        \
  X(SCHED_SETAFFINITY, BYTES, 8, 8, 8192) \
  X(OPEN, STRING, 1, 2, 1u << 24)       \
  X(PARK, NONE, 1, 0, 0)               \
  X(FDMAP, FDS, 8, 8, 1u << 24)        \
  X(BLOCKING, NONE, 1, 0, 0)           \
  X(CLOSE, NONE, 1, 0, 0)              \
  X(TIOCSCTTY, NONE, 1, 0, 0)          \
  X(TIOCSPGRP, NONE, 1, 0, 0)          \
  X(CHROOT, STRING, 1, 2, 1u << 24)     \
  X(CHDIR, STRING, 1, 2, 1u << 24)      \
  X(FCHDIR, NONE, 1, 0, 0)             \
  X(UMASK, NONE, 1, 0, 0)              \
  X(SETRLIMIT, BYTES, 16, 16, 16)      \
  X(SETEUID, NONE, 1, 0, 0)            \
  X(SETGROUPS, BYTES, 4, 0, 1u << 20)  \
  X(SETRESGID, NONE, 1, 0, 0)          \
  X(SETRESUID, NONE, 1, 0, 0)          \
  X(PDEATHSIG, NONE, 1, 0, 0)          \
  X(NO_NEW_PRIVS, NONE, 1, 0, 0)       \
  X(UNSHARE, NONE, 1, 0, 0)              \
  X(SETNS, NONE, 1, 0, 0)                \
  X(PRCTL, BYTES, 8, 40, 40)             \
  X(CLOSE_RANGE, BYTES, 4, 0, 1u << 24) \
  X(SIGMASK, BYTES, 8, 8, 8)           \
  X(EXEC, TABLE, 8, 16, 1u << 24)

enum program_code {
#define X(name, kind, unit, min, max) PROGRAM_##name,
  PROGRAM_OPS(X)
#undef X
      PROGRAM_CODES
};

enum program_data { PROGRAM_DATA_NONE, PROGRAM_DATA_BYTES, PROGRAM_DATA_STRING, PROGRAM_DATA_FDS,
                    PROGRAM_DATA_TABLE };

/* EXEC: the envp table holds overrides ("NAME=value", or "NAME" to remove) over the caller's own
 * environment; the launcher composes the two before the clone. */
#define PROGRAM_EXEC_EXTEND_ENV 1

/* EXEC: the first candidate that is there and may be executed is the one, whatever becomes of it: execvp(3). */
#define PROGRAM_EXEC_FIRST 2

/* CLOSE_RANGE: until here the child may share its table of fds with its parent. */
#define PROGRAM_CLOSE_RANGE_UNSHARE 1

/* EXEC: what is executed is the file whose fd stands in the last slot; the one candidate is its name. For a
 * file that the child's root or user can't reach any more. */
#define PROGRAM_EXEC_BY_FD 4

/* SETRESGID, SETRESUID: a, b and c are the three ids. */
#define PROGRAM_IDS_EACH 1

/* OPEN: not a user's path, so that it need not be looked at first. */
#define PROGRAM_OPEN_TRUSTED 1

/* Why a step failed, beyond its errno. */
enum program_detail { PROGRAM_DETAIL_NONE = -1, PROGRAM_DETAIL_FIFO = -2 };

enum program_phase { PROGRAM_PHASE_SETUP, PROGRAM_PHASE_EXEC, PROGRAM_PHASE_FAILED };

#define PROGRAM_TRIED_MAX 240

/* What a child tells its parent. `detail` is the index of the FDMAP entry or candidate concerned. */
struct program_report {
  int32_t phase;
  int32_t step;
  int32_t err;
  int32_t detail;
  int32_t n_tried;
  uint8_t tried[PROGRAM_TRIED_MAX]; /* EXEC: the errno of each candidate (all fit in a byte) */
};

enum program_close_rung { PROGRAM_BY_RANGE, PROGRAM_BY_GETDENTS, PROGRAM_BY_FORCE };

/* What the launcher knows and the buffer does not. */
struct program_context {
  struct program_report *report;
  char **envp;       /* of EXEC; composed by the launcher */
  int report_socket; /* kept open until exec; -1: there is none */
  int silent;        /* no report is written to it: memory is shared, or the caller does that */
  int parent_pid;
  int close_rung;      /* enum program_close_rung: where the ladder starts */
  int shares_fds;      /* CLONE_FILES: see program_shares_fds */
  int reset_handlers; /* the clone did not clear the parent's signal handlers */
};

#endif
