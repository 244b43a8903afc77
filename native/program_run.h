/*
 * Runs a child program: one operation after the other, the last of which is the exec. Freestanding, as child_program.h.
 * Runs in: child.
 */
#ifndef BROOD_PROGRAM_RUN_H
#define BROOD_PROGRAM_RUN_H

#include <linux/errno.h>
#include <linux/prctl.h>

#include "program_fds.h"

#define PROGRAM_HANDLER (-1)
#define PROGRAM_ANY (-2)

/* For each signal of the set: if its disposition is `from` (0 = SIG_DFL, 1 = SIG_IGN, or a handler, or
 * any), sets it to `to`. */
static inline long program_dispose(uint64_t set, intptr_t from, intptr_t to) {
  for (int signal = 1; signal <= 64; signal++) {
    if (!(set >> (signal - 1) & 1) || signal == 9 || signal == 19) continue;
    struct kernel_sigaction action;
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

/* Once it waits for nobody itself. */
static inline void program_ignore_child(void) { program_dispose(1ull << (KERNEL_SIGCHLD - 1), PROGRAM_ANY, 1); }

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
