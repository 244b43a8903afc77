/*
 * The first half of a keeper's life: a child between clone and exec, which may share its parent's memory.
 *
 * It becomes a subreaper, which it stays through exec, clones the command (whose program runs in the same memory and
 * reports in it, as in a plain spawn), sends the command's pidfd over its socket, and executes keeper.c. So a keeper needs
 * no protocol for starting anything, and costs one clone and one exec more than a plain spawn.
 *
 * prctl(2), PR_SET_CHILD_SUBREAPER (3.4). Freestanding, as child_program.h.
 */
#ifndef BROOD_KEEP_H
#define BROOD_KEEP_H

#include <linux/prctl.h>

#include "child.h"
#include "clone_call.h"
#include "keeper.h"
#include "program_run.h"

#define KEEP_CLONE_VM 0x00000100
#define KEEP_CLONE_VFORK 0x00004000
#define KEEP_P_ALL 0
#define KEEP_P_PID 1
#define KEEP_WNOHANG 1
#define KEEP_WEXITED 4
#define KEEP_WALL 0x40000000
#define KEEP_SIGKILL 9
#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif

/* siginfo_t as waitid(2) fills it. */
struct keep_child_info {
  int signal, error, code, padding, pid;
  char rest[108];
};

/* The kernel's struct user_msghdr and struct cmsghdr with one fd in it. */
struct keep_iov {
  const void *base;
  unsigned long length;
};
struct keep_header {
  void *name;
  int name_length;
  struct keep_iov *iov;
  unsigned long n_iov;
  void *control;
  unsigned long control_length;
  unsigned flags;
};
struct keep_rights {
  unsigned long length;
  int level;
  int type;
  int fd;
  int padding;
};

/* Sends the command's number, as it is here, and its pidfd. Returns 0 or a negated errno. */
static inline long keep_send(int socket, int pid, int pidfd) {
  struct keep_iov iov;
  struct keep_header header;
  struct keep_rights rights;
  long result;
  iov.base = &pid;
  iov.length = sizeof pid;
  rights.length = offsetof(struct keep_rights, padding);
  rights.level = 1; /* SOL_SOCKET */
  rights.type = 1;  /* SCM_RIGHTS */
  rights.fd = pidfd;
  rights.padding = 0;
  header.name = 0;
  header.name_length = 0;
  header.iov = &iov;
  header.n_iov = 1;
  header.control = &rights;
  header.control_length = sizeof rights;
  header.flags = 0;
  do result = raw(__NR_sendmsg, socket, &header, 0x4000 /* MSG_NOSIGNAL */);
  while (result == -EINTR);
  return result < 0 ? result : 0;
}

static inline void keep_reap(int pid) {
  while (raw(__NR_waitid, KEEP_P_PID, pid, 0, KEEP_WEXITED | KEEP_WALL, 0) == -EINTR) {
  }
}

/* Runs in: child. Reports a step that no operation stands for, and exits. */
__attribute__((noreturn)) static inline void keep_fail(struct child_start *start, int step,
                                                       long error) {
  struct program_report *report = start->context.report;
  report->phase = PROGRAM_PHASE_FAILED;
  report->step = step;
  report->err = (int32_t)-error;
  if (start->context.report_socket >= 0)
    while (raw(__NR_write, start->context.report_socket, report, sizeof *report) == -EINTR) {
    }
  for (;;) raw(__NR_exit_group, 127);
}

/* Sends SIGKILL to all our children. */
static inline void keep_kill_children(void) {
  char numbers[512];
  long file = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/thread-self/children", KERNEL_O_RDONLY | KERNEL_O_CLOEXEC, 0);
  long size, pid = 0;
  if (file < 0) return;
  while ((size = raw(__NR_read, file, numbers, sizeof numbers)) > 0) {
    for (long i = 0; i < size; i++) {
      if (numbers[i] >= '0' && numbers[i] <= '9') {
        pid = pid * 10 + (numbers[i] - '0');
      } else {
        /* Not reaped yet: the number is its own. */
        if (pid > 0) raw(__NR_kill, pid, KEEP_SIGKILL);
        pid = 0;
      }
    }
  }
  raw(__NR_close, file);
}

/* Others may not be ours to signal; who waits for us is not to wait for ever. */
#define KEEP_MOST_SWEEPS 2000

/* Ends the command and what it has started, where there can be no keeper: whoever has lost its parent is our child by now, or
 * becomes it when that is killed. (Where the kernel lists no children, the command alone.) */
static inline void keep_end_all(int command) {
  raw(__NR_kill, command, KEEP_SIGKILL);
  for (int i = 0; i < KEEP_MOST_SWEEPS; i++) {
    keep_kill_children();
    struct keep_child_info info;
    long result;
    do {
      info.pid = 0;
      result = raw(__NR_waitid, KEEP_P_ALL, 0, &info, KEEP_WEXITED | KEEP_WNOHANG | KEEP_WALL, 0);
    } while (result == -EINTR || (result == 0 && info.pid != 0));
    if (result < 0) return; /* ECHILD */
    long pause[2] = {0, 1000000};
    raw(__NR_nanosleep, pause, 0);
  }
}

static inline void keep_command(void *argument) {
  struct child_start *start = argument;
  if (start->ignores_child) program_ignore_child();
  program_run(start->program, &start->context);
}

/* Clones the command. Returns its pid and sets *pidfd, or a negated errno. */
static inline long keep_clone(struct child_start *start, int *pidfd) {
  const struct child_containment *contain = start->contain;
  if (!contain->shared) {
    long pid = raw(__NR_clone, 0, 0, 0, 0, 0);
    if (pid == 0) keep_command(start);
    if (pid < 0) return pid;
    *pidfd = (int)raw(__NR_pidfd_open, pid, 0);
    return pid;
  }
  struct clone3_args args;
  uint64_t flags = KEEP_CLONE_VM | KEEP_CLONE_VFORK | CLONE_PIDFD;
  args.flags = flags | CLONE_CLEAR_SIGHAND;
  args.pidfd = (uint64_t)(uintptr_t)pidfd;
  args.child_tid = args.parent_tid = args.exit_signal = args.tls = 0;
  args.set_tid = args.set_tid_size = args.cgroup = 0;
  args.stack = (uint64_t)(uintptr_t)contain->stack;
  args.stack_size = contain->stack_size;
  if (!start->context.reset_handlers) return clone3_onto(&args, keep_command, start);
  return clone_legacy_onto(flags, contain->stack + contain->stack_size, pidfd, 0, keep_command, start);
}

/* Where SIGCHLD is ignored, the command would be reaped without us: it may end before its keeper has been executed. Gives
 * whether it was. */
static inline int keep_heed_child(void) {
  struct kernel_sigaction action, before;
  action.handler = 0;
  action.flags = 0;
  action.restorer = 0;
  action.mask = 0;
  before.handler = 0;
  raw(__NR_rt_sigaction, KERNEL_SIGCHLD, &action, &before, 8);
  return before.handler == (void *)1; /* SIG_IGN */
}

/*
 * What is sent to the group of our parent must not reach a keeper. Where the command is in that group, the keeper leaves the session,
 * too: else it would be who connects that group with the rest of the session, and where nobody else does, the kernel sends SIGHUP to all of
 * it at the command's end, if one is stopped, and that is our parent. A command with a group of its own needs its keeper in the session:
 * or that group would be an orphaned one, which no terminal can stop. setpgid(2), _exit(2)
 */
static inline void keep_leave_group(int command) {
  if (raw(__NR_getpgid, command) != raw(__NR_getpgid, 0) || raw(__NR_setsid) < 0) raw(__NR_setpgid, 0, 0);
}

/* Runs in: child. Never returns: it becomes a keeper, or reports and exits with nothing left behind. */
__attribute__((noreturn)) static inline void keep_main(struct child_start *start) {
  const struct child_containment *contain = start->contain;
  const struct program_report *report = start->context.report;
  int pidfd = -1;
  long error = raw(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  if (error < 0) keep_fail(start, CHILD_STEP_KEEPER, error);
  start->context.parent_pid = (int)raw(__NR_getpid);
  start->ignores_child = keep_heed_child();
  long pid = keep_clone(start, &pidfd);
  if (pid < 0) keep_fail(start, CHILD_STEP_KEEPER, pid);
  if (contain->shared && report->phase != PROGRAM_PHASE_EXEC) {
    /* It has reported, or was killed in its set-up: our own end says the rest. */
    keep_reap((int)pid);
    for (;;) raw(__NR_exit_group, 127);
  }
  error = pidfd < 0 ? pidfd : keep_send(contain->keeper, (int)pid, pidfd);
  /* Nobody is there, or can be told of the command, which may have started others by now. A keeper whose socket is at its end
   * ends them all; and who waits at its other end reads that there is none. */
  if (error < 0) raw(__NR_shutdown, contain->keeper, 2 /* SHUT_RDWR */);
  keep_leave_group((int)pid);
  error = contain->keeper == KEEPER_SOCKET
              ? raw(__NR_fcntl, KEEPER_SOCKET, KERNEL_F_SETFD, 0)
              : raw(__NR_dup3, contain->keeper, KEEPER_SOCKET, 0);
  if (error >= 0) {
    char number[12];
    char *end = number + sizeof number - 1;
    *end = 0;
    for (long rest = pid; rest > 0; rest /= 10) *--end = (char)('0' + rest % 10);
    const char *argv[4];
    const char *envp[1];
    argv[0] = "brood-keeper";
    argv[1] = contain->keeper_role;
    argv[2] = end;
    argv[3] = 0;
    envp[0] = 0;
    error = raw(__NR_execve, contain->keeper_path, argv, envp);
  }
  keep_end_all((int)pid);
  keep_fail(start, CHILD_STEP_KEEPER, error);
}

#endif
