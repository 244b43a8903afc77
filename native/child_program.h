/*
 * The child program: what a child does between clone and exec, as data.
 *
 * TypeScript (src/program/) compiles the options of a spawn into one flat buffer: a header, a list
 * of small operations, and the strings and tables that they name by offset. This header holds the
 * three things that C does with such a buffer:
 *
 *   program_validate()  runs in: parent.  Checks every offset, count and string once.
 *   program_relocate()  runs in: parent.  Turns the offsets in pointer tables into pointers.
 *   program_run()       runs in: child.   Interprets it, execs, or reports and exits.
 *
 * It is freestanding and header-only: raw system calls, no allocation, no lock, no libc, no TLS,
 * no return from the child. It has no policy: which operations there are in which order is
 * decided where the buffer was compiled.
 *
 * An operation's failure is reported as {step, errno, detail} in memory shared with the parent,
 * or, where memory is not shared, written to a socket.
 */
#ifndef BROOD_CHILD_PROGRAM_H
#define BROOD_CHILD_PROGRAM_H

#include <linux/errno.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>

#include "raw_syscall.h"

/* The kernel's values, under names of our own: its headers and libc's can't both be included. */
#define KERNEL_O_RDONLY 0
#define KERNEL_O_WRONLY 01
#define KERNEL_O_CREAT 0100
#define KERNEL_O_EXCL 0200
#define KERNEL_O_NOCTTY 0400
#define KERNEL_O_TRUNC 01000
#define KERNEL_O_NONBLOCK 04000
#define KERNEL_O_CLOEXEC 02000000
#define KERNEL_O_PATH 010000000
#define KERNEL_F_SETFD 2
#define KERNEL_F_GETFL 3
#define KERNEL_F_SETFL 4
#define KERNEL_F_DUPFD_CLOEXEC 1030
#define KERNEL_AT_FDCWD (-100)
#define KERNEL_AT_EMPTY_PATH 0x1000
#define KERNEL_TIOCSCTTY 0x540e
#define KERNEL_TIOCGPGRP 0x540f
#define KERNEL_TIOCSPGRP 0x5410
#define KERNEL_CLOSE_RANGE_UNSHARE (1u << 1)
#define KERNEL_CLOSE_RANGE_CLOEXEC (1u << 2)
#define KERNEL_CLONE_FILES 0x400
#define KERNEL_MS_NOSUID 2
#define KERNEL_MS_NODEV 4
#define KERNEL_MS_NOEXEC 8
#define KERNEL_MS_REC 0x4000
#define KERNEL_MS_PRIVATE 0x40000
/* struct stat differs by architecture: its size, and where st_mode is. */
#if defined(__x86_64__)
#define KERNEL_O_DIRECTORY 0200000
#define KERNEL_STAT_SIZE 144
#define KERNEL_STAT_MODE 24
#else
#define KERNEL_O_DIRECTORY 040000
#define KERNEL_STAT_SIZE 128
#define KERNEL_STAT_MODE 16
#endif

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

/* ---- runs in: parent ---------------------------------------------------------------------- */

static inline int program_range(const struct program_header *p, uint64_t offset, uint64_t size,
                                uint32_t align) {
  return offset >= sizeof *p && offset % align == 0 && offset <= p->size &&
         size <= p->size - offset;
}

/* A table: 64-bit offsets of strings, ended by a 0. Returns its length without the end, or -1. */
static inline long program_table(const struct program_header *p, uint64_t offset) {
  if (!program_range(p, offset, 8, 8)) return -1;
  const uint64_t *cells = (const uint64_t *)((const char *)p + offset);
  uint64_t room = (p->size - offset) / 8;
  for (uint64_t i = 0; i < room; i++) {
    if (cells[i] == 0) return (long)i;
    if (!program_range(p, cells[i], 1, 1)) return -1;
  }
  return -1;
}

struct program_span {
  uint64_t offset;
  uint64_t size;
};

/* Whether no two of the spans share a byte. An empty one shares none. */
static inline int program_disjoint(const struct program_span *spans, int n) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < i; k++)
      if (spans[i].size != 0 && spans[k].size != 0 &&
          spans[i].offset < spans[k].offset + spans[k].size &&
          spans[k].offset < spans[i].offset + spans[i].size)
        return 0;
  return 1;
}

static inline int program_source_valid(const struct program_header *p, int32_t source) {
  return source >= 0 || (uint32_t)~source < p->n_slots;
}

/*
 * Checks a whole buffer. Runs in: parent. Owns nothing.
 * Returns 0, or -1 with *bad set to the index of the operation at fault (-1: the header).
 */
static inline int program_validate(const void *buffer, size_t length, int *bad) {
  static const struct {
    uint8_t kind;
    uint8_t unit;
    uint32_t min;
    uint32_t max;
  } schema[PROGRAM_CODES] = {
#define X(name, kind, unit, min, max) {PROGRAM_DATA_##kind, unit, min, max},
      PROGRAM_OPS(X)
#undef X
  };
  const struct program_header *p = buffer;
  *bad = -1;
  if (length < sizeof *p || (uintptr_t)buffer % 8 != 0) return -1;
  if (p->magic != PROGRAM_MAGIC || p->size != length) return -1;
  if (((const char *)buffer)[length - 1] != 0) return -1;
  if (p->n_ops == 0 ||
      !program_range(p, p->ops, (uint64_t)p->n_ops * sizeof(struct program_op), 8))
    return -1;
  if (p->n_slots != 0 && !program_range(p, p->slots, (uint64_t)p->n_slots * 4, 4)) return -1;
  if (p->n_inputs > p->n_slots) return -1;
  if (p->n_targets != 0 && !program_range(p, p->targets, (uint64_t)p->n_targets * 4, 4)) return -1;

  const struct program_op *ops = (const struct program_op *)((const char *)buffer + p->ops);
  /* What relocation and the child write to must not lie over each other, or over what was checked. */
  enum { OPS, SLOTS, TARGETS, MAP, CANDIDATES, ARGV, ENVP, SPANS };
  struct program_span spans[SPANS] = {
      [OPS] = {p->ops, (uint64_t)p->n_ops * sizeof *ops},
      [SLOTS] = {p->slots, (uint64_t)p->n_slots * 4},
      [TARGETS] = {p->targets, (uint64_t)p->n_targets * 4},
  };
  for (uint32_t i = 0; i < p->n_ops; i++) {
    const struct program_op *op = &ops[i];
    *bad = (int)i;
    if (op->code >= PROGRAM_CODES) return -1;
    if ((op->code == PROGRAM_EXEC) != (i == p->n_ops - 1)) return -1;
    uint8_t kind = schema[op->code].kind;
    if (op->size < schema[op->code].min || op->size > schema[op->code].max) return -1;
    if (op->size % schema[op->code].unit != 0) return -1;
    if (kind != PROGRAM_DATA_NONE && op->size != 0 &&
        !program_range(p, op->data, op->size,
                       schema[op->code].unit > 8 ? 8 : schema[op->code].unit))
      return -1;
    const char *data = (const char *)buffer + op->data;
    if (kind == PROGRAM_DATA_STRING && data[op->size - 1] != 0) return -1;
    switch (op->code) {
      /* The input slots are the launcher's: it closes what it finds there. */
      case PROGRAM_OPEN:
        if (op->a < 0 || (uint32_t)op->a >= p->n_slots || (uint32_t)op->a < p->n_inputs) return -1;
        break;
      case PROGRAM_PARK:
        if (op->a < 0 || (uint32_t)op->a >= p->n_slots || (uint32_t)op->a < p->n_inputs) return -1;
        if (!program_source_valid(p, op->b)) return -1;
        break;
      case PROGRAM_FCHDIR:
      case PROGRAM_SETNS:
        if (!program_source_valid(p, op->a)) return -1;
        break;
      case PROGRAM_BLOCKING:
      case PROGRAM_CLOSE:
      case PROGRAM_TIOCSCTTY:
      case PROGRAM_TIOCSPGRP:
        if (op->a < 0) return -1;
        break;
      case PROGRAM_FDMAP: {
        const struct program_fd *map = (const struct program_fd *)data;
        for (uint32_t k = 0; k < op->size / sizeof *map; k++)
          if (map[k].target < 0 || !program_source_valid(p, map[k].source)) return -1;
        if (spans[MAP].size != 0) return -1; /* one map, in which everything can be said */
        spans[MAP] = (struct program_span){op->data, op->size};
        break;
      }
      case PROGRAM_CLOSE_RANGE: {
        const int32_t *kept = (const int32_t *)data;
        if (op->a < 0) return -1;
        if (op->flags & PROGRAM_CLOSE_RANGE_UNSHARE && (i != 0 || op->size != 0)) return -1;
        for (uint32_t k = 0; k < op->size / 4; k++)
          if (kept[k] < op->a || (k > 0 && kept[k] <= kept[k - 1])) return -1;
        break;
      }
      case PROGRAM_EXEC: {
        long candidates = program_table(p, op->data);
        long argv = op->b > 0 ? program_table(p, (uint32_t)op->b) : -1;
        long envp = op->c > 0 ? program_table(p, (uint32_t)op->c) : -1;
        if (candidates < 1 || argv < 0 || envp < 0) return -1;
        if ((op->flags & PROGRAM_EXEC_BY_FD) && p->n_slots == p->n_inputs) return -1;
        spans[CANDIDATES] = (struct program_span){op->data, (uint64_t)(candidates + 1) * 8};
        spans[ARGV] = (struct program_span){(uint32_t)op->b, (uint64_t)(argv + 1) * 8};
        spans[ENVP] = (struct program_span){(uint32_t)op->c, (uint64_t)(envp + 1) * 8};
        if (!program_disjoint(spans, SPANS)) return -1;
        break;
      }
    }
  }
  *bad = -1;
  return 0;
}

static inline void program_relocate_table(char *buffer, uint64_t offset) {
  for (uint64_t *cell = (uint64_t *)(buffer + offset); *cell != 0; cell++)
    *cell = (uint64_t)(uintptr_t)(buffer + *cell);
}

static inline struct program_op *program_exec_op(void *buffer) {
  struct program_header *p = buffer;
  return (struct program_op *)((char *)buffer + p->ops) + (p->n_ops - 1);
}

/* Whether its first step gives the child a table of fds of its own, so that none need be copied before. */
static inline int program_shares_fds(const void *buffer) {
  const struct program_header *p = buffer;
  const struct program_op *first = (const struct program_op *)((const char *)buffer + p->ops);
  return first->code == PROGRAM_CLOSE_RANGE && first->flags & PROGRAM_CLOSE_RANGE_UNSHARE;
}

static inline int32_t *program_slots(void *buffer) {
  struct program_header *p = buffer;
  return (int32_t *)((char *)buffer + p->slots);
}

/* Makes the tables of a validated buffer into arrays of pointers, once. Runs in: parent. */
static inline void program_relocate(void *buffer) {
  struct program_op *exec = program_exec_op(buffer);
  program_relocate_table(buffer, exec->data);
  program_relocate_table(buffer, (uint32_t)exec->b);
  program_relocate_table(buffer, (uint32_t)exec->c);
}

/* ---- runs in: child ----------------------------------------------------------------------- */

struct program_child {
  char *buffer;
  const struct program_header *header;
  int32_t *slots;
  const int32_t *targets;
  struct program_context *context;
  struct program_report *report;
  int executable;   /* -1, or the fd that EXEC is to execute */
  int terminal;     /* whose foreground we took, */
  int group_before; /* and from which group; 0: from none that we can name */
};

static inline int program_is_target(const struct program_child *c, int fd) {
  for (uint32_t i = 0; i < c->header->n_targets; i++)
    if (c->targets[i] == fd) return 1;
  return 0;
}

/* Whether a later step fills or closes that number: nothing that is needed longer may stand there. */
static inline int program_is_taken(const struct program_child *c, int fd) {
  const struct program_op *ops = (const struct program_op *)(c->buffer + c->header->ops);
  for (uint32_t i = 0; i < c->header->n_ops; i++)
    if (ops[i].code == PROGRAM_CLOSE && ops[i].a == fd) return 1;
  return program_is_target(c, fd);
}

/*
 * Duplicates fd, close-on-exec, to the lowest free number that no later step fills or closes. Tried
 * from the bottom: a fixed high minimum would fail under a low RLIMIT_NOFILE.
 */
static inline long program_park(const struct program_child *c, int fd) {
  int minimum = 0;
  for (;;) {
    long copy = raw(__NR_fcntl, fd, KERNEL_F_DUPFD_CLOEXEC, minimum);
    if (copy < 0 || !program_is_taken(c, (int)copy)) return copy;
    raw(__NR_close, copy);
    minimum = (int)copy + 1;
  }
}

static inline int program_source(const struct program_child *c, int32_t source) {
  return source >= 0 ? source : c->slots[~source];
}

/* The kernel's, not libc's. Both architectures have the restorer (arm64 for the sake of AArch32). */
struct program_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

#define PROGRAM_HANDLER (-1)
#define PROGRAM_ANY (-2)

/* For each signal of the set: if its disposition is `from` (0 = SIG_DFL, 1 = SIG_IGN, or a handler, or
 * any), sets it to `to`. */
static inline long program_dispose(uint64_t set, intptr_t from, intptr_t to) {
  for (int signal = 1; signal <= 64; signal++) {
    if (!(set >> (signal - 1) & 1) || signal == 9 || signal == 19) continue;
    struct program_sigaction action;
    long error;
    if (from != PROGRAM_ANY) {
      error = raw(__NR_rt_sigaction, signal, 0, &action, 8);
      if (error < 0) return error;
      intptr_t now = (intptr_t)action.handler;
      if (from == PROGRAM_HANDLER ? now == 0 || now == 1 : now != from) continue;
    }
    action.handler = (void *)to;
    action.flags = 0;
    action.restorer = 0;
    action.mask = 0;
    error = raw(__NR_rt_sigaction, signal, &action, 0, 8);
    if (error < 0) return error;
  }
  return 0;
}

/* Whether fd is a FIFO: 1, 0, or a negated errno. */
static inline long program_is_fifo(int fd) {
  char status[KERNEL_STAT_SIZE] __attribute__((aligned(8)));
  long error = raw(__NR_fstat, fd, status);
  if (error < 0) return error;
  return (*(const uint32_t *)(status + KERNEL_STAT_MODE) & 0170000) == 0010000;
}

/*
 * Opens a file for the child. A FIFO is refused: its opening waits for the other side, and while a
 * vfork'ed child waits so does the caller. O_NONBLOCK covers a file swapped for a FIFO meanwhile.
 */
static inline long program_open(struct program_child *c, const struct program_op *op) {
  const char *path = c->buffer + op->data;
  if (op->flags & PROGRAM_OPEN_TRUSTED) {
    long trusted = raw(__NR_openat, KERNEL_AT_FDCWD, path, op->b | KERNEL_O_CLOEXEC, op->c);
    if (trusted >= 0) c->slots[op->a] = (int32_t)trusted;
    return trusted;
  }
  long fifo = 0;
  long fd = raw(__NR_openat, KERNEL_AT_FDCWD, path, KERNEL_O_PATH | KERNEL_O_CLOEXEC, 0);
  if (fd >= 0) {
    fifo = program_is_fifo((int)fd);
    raw(__NR_close, fd);
  }
  if (fifo == 0) {
    fd = raw(__NR_openat, KERNEL_AT_FDCWD, path,
             op->b | KERNEL_O_CLOEXEC | KERNEL_O_NONBLOCK | KERNEL_O_NOCTTY, op->c);
    if (fd < 0) return fd;
    fifo = program_is_fifo((int)fd);
  }
  if (fifo < 0) return fifo;
  if (fifo) {
    c->report->detail = PROGRAM_DETAIL_FIFO;
    return -EOPNOTSUPP;
  }
  c->slots[op->a] = (int32_t)fd;
  return raw(__NR_fcntl, fd, KERNEL_F_SETFL,
             op->b & ~(KERNEL_O_CREAT | KERNEL_O_TRUNC | KERNEL_O_EXCL));
}

/*
 * Fills every target. First each source that stands on a target number, and is not there to stay,
 * is parked elsewhere; from then on no dup can overwrite a source that is still to be used.
 */
static inline long program_fdmap(struct program_child *c, const struct program_op *op) {
  struct program_fd *map = (struct program_fd *)(c->buffer + op->data);
  uint32_t n = op->size / sizeof *map;
  for (uint32_t i = 0; i < n; i++) {
    c->report->detail = (int32_t)i;
    int source = program_source(c, map[i].source);
    if (source != map[i].target && program_is_target(c, source)) {
      long parked = program_park(c, source);
      if (parked < 0) return parked;
      source = (int)parked;
    }
    map[i].source = source;
  }
  for (uint32_t i = 0; i < n; i++) {
    c->report->detail = (int32_t)i;
    long error = map[i].source == map[i].target
                     ? raw(__NR_fcntl, map[i].target, KERNEL_F_SETFD, 0)
                     : raw(__NR_dup3, map[i].source, map[i].target, 0);
    if (error < 0) return error;
  }
  c->report->detail = PROGRAM_DETAIL_NONE;
  return 0;
}

static inline long program_park_slot(struct program_child *c, const struct program_op *op) {
  long copy = program_park(c, program_source(c, op->b));
  if (copy >= 0) c->slots[op->a] = (int32_t)copy;
  return copy;
}

static inline int program_kept(const struct program_child *c, const struct program_op *op, int fd) {
  const int32_t *kept = (const int32_t *)(c->buffer + op->data);
  uint32_t low = 0, high = op->size / 4;
  while (low < high) {
    uint32_t middle = (low + high) / 2;
    if (kept[middle] == fd) return 1;
    if (kept[middle] < fd) low = middle + 1;
    else high = middle;
  }
  return fd == c->context->report_socket || fd == c->executable;
}

static inline long program_close_gap(unsigned first, unsigned last) {
  if (first > last) return 0;
  return raw(__NR_close_range, first, last, KERNEL_CLOSE_RANGE_CLOEXEC);
}

/* Marks all but the kept fds close-on-exec, gap by gap. ENOSYS before Linux 5.9, EINVAL for the
 * flag before 5.11: the next rung takes over. */
static inline long program_close_by_range(struct program_child *c, const struct program_op *op) {
  const int32_t *kept = (const int32_t *)(c->buffer + op->data);
  unsigned first = (unsigned)op->a;
  for (uint32_t i = 0; i < op->size / 4; i++) {
    if ((unsigned)kept[i] > first) {
      long error = program_close_gap(first, (unsigned)kept[i] - 1);
      if (error < 0) return error;
    }
    first = (unsigned)kept[i] + 1;
  }
  return program_close_gap(first, ~0u);
}

/* linux_dirent64 without its struct: inode, offset, length, type, name. */
#define PROGRAM_DIRENT_LENGTH 16
#define PROGRAM_DIRENT_NAME 19

static inline long program_close_by_getdents(struct program_child *c, const struct program_op *op) {
  long directory = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/self/fd",
                       KERNEL_O_RDONLY | KERNEL_O_DIRECTORY | KERNEL_O_CLOEXEC, 0);
  if (directory < 0) return directory;
  char entries[2048] __attribute__((aligned(8)));
  long result;
  /* The kernel iterates this directory by fd number, so closing what was listed skips nothing. */
  while ((result = raw(__NR_getdents64, directory, entries, sizeof entries)) > 0) {
    for (long at = 0; at < result;) {
      const char *name = entries + at + PROGRAM_DIRENT_NAME;
      int fd = 0;
      for (; *name >= '0' && *name <= '9'; name++) fd = fd * 10 + (*name - '0');
      uint16_t length = *(uint16_t *)(entries + at + PROGRAM_DIRENT_LENGTH);
      at += length;
      if (*name != 0) continue; /* "." and ".." */
      /* Not repeated when interrupted: Linux has released the number by then. */
      if (fd >= op->a && fd != directory && !program_kept(c, op, fd)) raw(__NR_close, fd);
    }
  }
  raw(__NR_close, directory);
  return result;
}

/* The last rung: each number up to the highest that can be open. RLIMIT_NOFILE is no bound, since
 * it may have been lowered below open fds, so the table's size is taken where /proc tells it. */
static inline long program_close_by_force(struct program_child *c, const struct program_op *op) {
  long highest = 1 << 20;
  long limit = 0;
  long file = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/self/status", KERNEL_O_RDONLY | KERNEL_O_CLOEXEC, 0);
  if (file >= 0) {
    char text[2048];
    long n = raw(__NR_read, file, text, sizeof text);
    raw(__NR_close, file);
    const char key[] = "\nFDSize:\t";
    for (long i = 0; i + (long)sizeof key < n; i++) {
      unsigned k = 0;
      while (k < sizeof key - 1 && text[i + k] == key[k]) k++;
      if (k != sizeof key - 1) continue;
      for (long j = i + k; j < n && text[j] >= '0' && text[j] <= '9'; j++)
        limit = limit * 10 + (text[j] - '0');
      break;
    }
  }
  if (limit > 0) highest = limit;
  for (long fd = op->a; fd < highest; fd++)
    if (!program_kept(c, op, (int)fd)) raw(__NR_close, fd);
  return 0;
}

/* A table of our own with the fds below the first closed one: the others are never copied. Before Linux
 * 5.9 all of them are, and closed as elsewhere. Nothing may touch an fd before. */
static inline long program_unshare_fds(struct program_child *c, const struct program_op *op) {
  if (c->context->close_rung == PROGRAM_BY_RANGE &&
      raw(__NR_close_range, op->a, ~0u, KERNEL_CLOSE_RANGE_UNSHARE) == 0)
    return 1;
  return raw(__NR_unshare, KERNEL_CLONE_FILES);
}

static inline long program_close_range(struct program_child *c, const struct program_op *op) {
  if (c->context->shares_fds) {
    long unshared = program_unshare_fds(c, op);
    if (unshared != 0) return unshared < 0 ? unshared : 0;
  }
  switch (c->context->close_rung) {
    case PROGRAM_BY_RANGE:
      if (program_close_by_range(c, op) == 0) return 0;
      /* fall through */
    case PROGRAM_BY_GETDENTS:
      if (program_close_by_getdents(c, op) == 0) return 0;
      /* fall through */
    default:
      return program_close_by_force(c, op);
  }
}

/* In a vfork'ed child this file sets the child's own value only (kernel: vfork_done). */
static inline long program_oom_score_adj(struct program_child *c, const struct program_op *op) {
  long fd = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/self/oom_score_adj", KERNEL_O_WRONLY | KERNEL_O_CLOEXEC, 0);
  if (fd < 0) return fd;
  long written = raw(__NR_write, fd, c->buffer + op->data, op->size - 1);
  raw(__NR_close, fd);
  return written < 0 ? written : 0;
}

static inline long program_death_signal(struct program_child *c, int signal) {
  long error = raw(__NR_prctl, PR_SET_PDEATHSIG, signal, 0, 0, 0);
  if (error < 0) return error;
  /* The parent may have died before the line above: then nobody will ever send the signal. */
  long parent = raw(__NR_getppid);
  return parent != 0 && parent != c->context->parent_pid ? -ESRCH : 0;
}

static inline void program_send(const struct program_child *c) {
  if (c->context->report_socket < 0 || c->context->silent) return;
  while (raw(__NR_write, c->context->report_socket, c->report, sizeof *c->report) == -EINTR) {
  }
}

/* Whether a candidate's error says that it is not this one: it is not there, or not for us. */
static inline int program_passes(long error) {
  return error == -ENOENT || error == -ENOTDIR || error == -EACCES || error == -ESTALE ||
         error == -ENODEV || error == -ETIMEDOUT;
}

static inline long program_execute(const struct program_op *op, const struct program_child *c,
                                   const char *path) {
  char *const *argv = (char *const *)(c->buffer + op->b);
  if (op->flags & PROGRAM_EXEC_BY_FD)
    return raw(__NR_execveat, c->slots[c->header->n_slots - 1], "", argv, c->context->envp,
               KERNEL_AT_EMPTY_PATH);
  return raw(__NR_execve, path, argv, c->context->envp);
}

/*
 * Tries each candidate past any error (with EXEC_FIRST: past those that pass). The error told is the first that is neither ENOENT nor
 * ENOTDIR, else the last: "permission denied" on one entry of PATH says more than "not found" on
 * the others. ETXTBSY is tried again: another thread's child may hold the fd by which the file
 * was just written until it execs, which takes microseconds.
 */
static inline long program_exec(struct program_child *c, const struct program_op *op) {
  char *const *candidates = (char *const *)(c->buffer + op->data);
  long told = 0;
  int told_index = 0;
  c->report->phase = PROGRAM_PHASE_EXEC;
  program_send(c);
  for (int i = 0; candidates[i] != 0; i++) {
    long error = program_execute(op, c, candidates[i]);
    long pause = 100000;
    for (int again = 0; error == -ETXTBSY && again < op->a; again++) {
      long wait[2] = {0, pause};
      raw(__NR_nanosleep, wait, 0);
      pause *= 2;
      error = program_execute(op, c, candidates[i]);
    }
    if (i < PROGRAM_TRIED_MAX) {
      c->report->tried[i] = (uint8_t)-error;
      c->report->n_tried = i + 1;
    }
    int last = (op->flags & PROGRAM_EXEC_FIRST) && !program_passes(error);
    if (last || told == 0 || told == -ENOENT || told == -ENOTDIR) {
      told = error;
      told_index = i;
    }
    if (last) break;
  }
  c->report->detail = told_index;
  return told;
}

static inline long program_blocking(int fd) {
  long flags = raw(__NR_fcntl, fd, KERNEL_F_GETFL, 0);
  if (flags < 0 || !(flags & KERNEL_O_NONBLOCK)) return flags;
  return raw(__NR_fcntl, fd, KERNEL_F_SETFL, flags & ~KERNEL_O_NONBLOCK);
}

static inline long program_mount_proc(void) {
  long error = raw(__NR_mount, "none", "/", 0, KERNEL_MS_REC | KERNEL_MS_PRIVATE, 0);
  if (error < 0) return error;
  return raw(__NR_mount, "proc", "/proc", "proc", KERNEL_MS_NOSUID | KERNEL_MS_NODEV | KERNEL_MS_NOEXEC, 0);
}

/* Every signal is blocked, SIGTTOU too, which would else stop a background process that does this. */
static inline long program_foreground(struct program_child *c, int fd) {
  int own = (int)raw(__NR_getpgid, 0), before = 0;
  long error = raw(__NR_ioctl, fd, KERNEL_TIOCGPGRP, &before);
  if (error >= 0) error = raw(__NR_ioctl, fd, KERNEL_TIOCSPGRP, &own);
  if (error < 0) return error;
  c->terminal = fd;
  c->group_before = before;
  return 0;
}

static inline long program_set_ids(long call, const struct program_op *op) {
  int each = op->flags & PROGRAM_IDS_EACH;
  return raw(call, op->a, each ? op->b : op->a, each ? op->c : op->a);
}

static inline long program_step(struct program_child *c, const struct program_op *op) {
  const char *data = c->buffer + op->data;
  long result;
  switch (op->code) {
    /* No handler is left by now: what isn't default is ignored. */
    case PROGRAM_SIGDEFAULT: return program_dispose(*(const uint64_t *)data, PROGRAM_ANY, 0);
    case PROGRAM_SIGIGNORE: return program_dispose(*(const uint64_t *)data, 0, 1);
    case PROGRAM_MOUNT_PROC: return program_mount_proc();
    case PROGRAM_SETSID: return raw(__NR_setsid);
    case PROGRAM_SETPGID: return raw(__NR_setpgid, 0, op->a);
    case PROGRAM_OOM_SCORE_ADJ: return program_oom_score_adj(c, op);
    case PROGRAM_SETPRIORITY: return raw(__NR_setpriority, 0, 0, op->a);
    case PROGRAM_SCHED_SETAFFINITY: return raw(__NR_sched_setaffinity, 0, op->size, data);
    case PROGRAM_OPEN: return program_open(c, op);
    case PROGRAM_PARK: return program_park_slot(c, op);
    case PROGRAM_FDMAP: return program_fdmap(c, op);
    case PROGRAM_BLOCKING: return program_blocking(op->a);
    case PROGRAM_CLOSE:
      result = raw(__NR_close, op->a);
      return result == -EBADF || result == -EINTR ? 0 : result;
    case PROGRAM_TIOCSCTTY: return raw(__NR_ioctl, op->a, KERNEL_TIOCSCTTY, 0);
    case PROGRAM_TIOCSPGRP: return program_foreground(c, op->a);
    case PROGRAM_CHROOT: return raw(__NR_chroot, data);
    case PROGRAM_CHDIR: return raw(__NR_chdir, data);
    case PROGRAM_FCHDIR: return raw(__NR_fchdir, program_source(c, op->a));
    case PROGRAM_UMASK: return raw(__NR_umask, op->a);
    case PROGRAM_SETRLIMIT: return raw(__NR_prlimit64, 0, op->a, data, 0);
    case PROGRAM_SETEUID: return raw(__NR_setresuid, -1, op->a, -1);
    case PROGRAM_SETGROUPS: return raw(__NR_setgroups, op->size / 4, data);
    case PROGRAM_SETRESGID: return program_set_ids(__NR_setresgid, op);
    case PROGRAM_SETRESUID: return program_set_ids(__NR_setresuid, op);
    case PROGRAM_PDEATHSIG: return program_death_signal(c, op->a);
    case PROGRAM_NO_NEW_PRIVS: return raw(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    case PROGRAM_UNSHARE: return raw(__NR_unshare, op->a);
    case PROGRAM_SETNS: return raw(__NR_setns, program_source(c, op->a), op->b);
    case PROGRAM_PRCTL: {
      const int64_t *arguments = (const int64_t *)data;
      return raw(__NR_prctl, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    }
    case PROGRAM_CLOSE_RANGE: return program_close_range(c, op);
    case PROGRAM_SIGMASK: return raw(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, data, 0, 8);
    case PROGRAM_EXEC: return program_exec(c, op);
  }
  return -ENOSYS;
}

/* Readies a validated and relocated program for its steps. */
static inline struct program_child program_begin(void *buffer, struct program_context *context) {
  struct program_child c;
  c.buffer = buffer;
  c.header = buffer;
  c.slots = (int32_t *)(c.buffer + c.header->slots);
  c.targets = (const int32_t *)(c.buffer + c.header->targets);
  c.context = context;
  c.report = context->report;
  c.report->phase = PROGRAM_PHASE_SETUP;
  c.report->step = -1;
  c.report->detail = PROGRAM_DETAIL_NONE;
  c.report->n_tried = 0;
  c.executable = -1;
  c.terminal = -1;
  c.group_before = 0;
  return c;
}

/* The report's socket must not stand where a later step writes or closes. */
static inline long program_move_socket(struct program_child *c) {
  if (c->context->report_socket < 0 || !program_is_taken(c, c->context->report_socket)) return 0;
  long copy = program_park(c, c->context->report_socket);
  if (copy < 0) return copy;
  c->context->report_socket = (int)copy;
  return 0;
}

/* Takes the steps from `first` up to `end`, and counts them in the report. Returns the last one's result, or a negated
 * errno. An exec that succeeds does not return. */
static inline long program_steps(struct program_child *c, uint32_t first, uint32_t end) {
  const struct program_op *ops = (const struct program_op *)(c->buffer + c->header->ops);
  long result = 0;
  for (uint32_t i = first; i < end && result >= 0; i++) {
    c->report->step = (int32_t)i;
    if (ops[i].code == PROGRAM_CLOSE_RANGE && (ops[c->header->n_ops - 1].flags & PROGRAM_EXEC_BY_FD))
      c->executable = c->slots[c->header->n_slots - 1];
    result = program_step(c, &ops[i]);
  }
  return result;
}

/* Writes down the step that failed. */
static inline void program_failed(struct program_child *c, long error) {
  /* A terminal must not be left to a group that ends now. We are in its foreground: no SIGTTOU. */
  if (c->group_before > 0) raw(__NR_ioctl, c->terminal, KERNEL_TIOCSPGRP, &c->group_before);
  c->report->phase = PROGRAM_PHASE_FAILED;
  c->report->err = (int32_t)-error;
}

/*
 * Runs a validated and relocated program. Runs in: child. Never returns: it execs, or reports the
 * step that failed and exits with 127. Signals are blocked from the clone until SIGMASK.
 */
__attribute__((noreturn)) static inline void program_run(void *buffer,
                                                         struct program_context *context) {
  struct program_child c = program_begin(buffer, context);
  long error = program_move_socket(&c);
  /* A handler of the parent must not run here once signals are unblocked: memory is shared. */
  if (error == 0 && context->reset_handlers) error = program_dispose(~0ull, PROGRAM_HANDLER, 0);
  if (error >= 0) error = program_steps(&c, 0, c.header->n_ops);
  program_failed(&c, error);
  program_send(&c);
  for (;;) raw(__NR_exit_group, 127);
}

#endif
