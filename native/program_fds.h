/*
 * A child's fds between clone and exec: what is opened, put where it belongs, kept out of the way meanwhile, and closed.
 * dup(2), open(2), close_range(2) (5.9; CLOSE_RANGE_CLOEXEC 5.11). Freestanding, as child_program.h. Runs in: child.
 */
#ifndef BROOD_PROGRAM_FDS_H
#define BROOD_PROGRAM_FDS_H

#include <linux/errno.h>

#include "child_program.h"
#include "kernel_values.h"
#include "raw_syscall.h"

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

#endif
