/*
 * The clone ladder: clone3(2), clone(2), vfork(2), fork.
 *
 * Children are cloned with exit signal 0: one that fails before exec is invisible to the waits of
 * others and sends no SIGCHLD. exec makes it SIGCHLD (kernel: begin_new_exec). Only vfork(2), which
 * takes no flags, gives SIGCHLD from the start.
 *
 * Needs: pidfds in waitid (5.4). CLONE_CLEAR_SIGHAND is from 5.5, CLONE_PIDFD from 5.2.
 */
#include <linux/sched.h>
#include <sched.h>

#include "clone_call.h"
#include "launch_parts.h"
#include "sys.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

const char *const launch_rung_names[LAUNCH_RUNGS] = {"clone3", "clone", "vfork", "fork"};

/* ---- the stack. runs in: parent ---------------------------------------------------------------- */

int launch_stack_ready(struct launch_stack *stack) {
  if (stack->base != NULL) return 0;
  char *base = sys_mmap(STACK_GUARD + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
  if (base == MAP_FAILED) return -1;
  if (mprotect(base + STACK_GUARD, STACK_SIZE, PROT_READ | PROT_WRITE) != 0) {
    munmap(base, STACK_GUARD + STACK_SIZE);
    return -1;
  }
  stack->base = base;
  return 0;
}

void launch_stack_free(struct launch_stack *stack) {
  if (stack->base != NULL) munmap(stack->base, STACK_GUARD + STACK_SIZE);
  stack->base = NULL;
}

/* ---- the rungs. Each returns the pid, or -1 with errno. runs in: parent, child_main in: child -- */

/* As many fds as may be open, none is copied into a child that keeps none but the first three. */
static int fds_flag(const struct child_start *start) {
  return start->context.shares_fds ? CLONE_FILES : 0;
}

static pid_t rung_clone3(struct child_start *start, struct launch_stack *stack,
                         const struct launch_containment *contain, int *pidfd) {
  struct clone3_args args = {
      .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (uint64_t)fds_flag(start),
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .stack = (uint64_t)(uintptr_t)(stack->base + STACK_GUARD),
      .stack_size = STACK_SIZE,
  };
  long result;
  if (contain != NULL) {
    args.flags |= contain->namespaces;
    if (contain->cgroup >= 0) {
      /* Older than 5.7: E2BIG. Anything else is the cgroup's own refusal, which joining it would meet, too. */
      struct child_containment joined = *start->contain;
      struct clone3_args into = args;
      into.flags |= CLONE_INTO_CGROUP;
      into.cgroup = (uint64_t)contain->cgroup;
      joined.cgroup = -1;
      const struct child_containment *before = start->contain;
      start->contain = &joined;
      result = clone3_onto(&into, child_main, start);
      start->contain = before;
      if (result >= 0) return (pid_t)result;
    }
  }
  result = clone3_onto(&args, child_main, start);
  if (result >= 0) return (pid_t)result;
  errno = (int)-result;
  return -1;
}

/* On a stack of its own, which the address sanitizer would take for a corrupt one. */
__attribute__((no_sanitize("address"))) static int clone_entry(void *start) { child_main(start); }

static pid_t rung_clone(struct child_start *start, struct launch_stack *stack, uint64_t namespaces,
                        int *pidfd) {
  start->context.reset_handlers = 1;
  return clone(clone_entry, stack->base + STACK_GUARD + STACK_SIZE,
               CLONE_VM | CLONE_VFORK | CLONE_PIDFD | fds_flag(start) | (int)namespaces, start, pidfd);
}

/* The child runs below this frame and never returns through it. */
__attribute__((noinline)) static pid_t rung_vfork(struct child_start *start) {
  start->context.reset_handlers = 1;
  pid_t pid = vfork();
  if (pid == 0) child_main(start);
  return pid;
}

/* Raw, so that no atfork handler runs: one may wait for a lock that another thread holds. */
static pid_t rung_fork(struct child_start *start, uint64_t namespaces) {
  start->context.reset_handlers = 1;
  pid_t pid = (pid_t)syscall(SYS_clone, namespaces, 0, 0, 0, 0);
  if (pid == 0) child_main(start);
  return pid;
}

/*
 * vfork: the child has exec'ed before there can be a pidfd for it. So one for ourselves is opened
 * first: it tells whether such a call is allowed at all, and holds the fd number until then.
 */
static void run_vfork(struct launch *launch, struct child_start *start) {
  int held = sys_pidfd_open(getpid());
  if (held < 0) {
    launch_fail(launch, LAUNCH_FAILED_PIDFD, errno);
    return;
  }
  pid_t pid = rung_vfork(start);
  int error = errno;
  close(held);
  if (pid < 0) {
    launch_fail(launch, LAUNCH_FAILED_CLONE, error);
    return;
  }
  if (launch->report.phase == PROGRAM_PHASE_EXEC) {
    launch->pidfd = sys_pidfd_open(pid);
    if (launch->pidfd < 0) {
      siginfo_t info;
      error = errno;
      kill(pid, SIGKILL);
      launch_reap(launch, pid, &info);
      launch_fail(launch, LAUNCH_FAILED_PIDFD, error);
      return;
    }
  }
  launch_judge(launch, pid);
}

/*
 * fork: nothing is shared, so the report comes over a SEQPACKET socket, one message before exec and
 * one if it fails; its end without the first means that the child was killed. The child waits at
 * the gate until its pidfd is open.
 */
static void run_fork(struct launch *launch, struct child_start *start) {
  int pair[2];
  if (sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair) != 0) {
    launch_fail(launch, LAUNCH_FAILED_REPORT, errno);
    return;
  }
  start->context.report_socket = pair[1];
  start->gate = pair[1];
  start->gate_far = pair[0];
  pid_t pid = rung_fork(start, launch_namespaces(launch));
  int error = errno;
  close(pair[1]);
  if (pid < 0) {
    launch_fail(launch, LAUNCH_FAILED_CLONE, error);
    close(pair[0]);
    return;
  }
  launch->pidfd = sys_pidfd_open(pid);
  if (launch->pidfd < 0) {
    siginfo_t info;
    error = errno;
    kill(pid, SIGKILL); /* it waits at the gate */
    close(pair[0]);
    launch_reap(launch, pid, &info);
    launch_fail(launch, LAUNCH_FAILED_PIDFD, error);
    return;
  }
  /* Its end, should the child have been killed already, is found by the reading. */
  ssize_t n = send(pair[0], "", 1, MSG_NOSIGNAL);
  if (n == 1 || errno == EPIPE) {
    do n = sys_read(pair[0], &launch->report, sizeof launch->report);
    while (n == (ssize_t)sizeof launch->report || (n < 0 && errno == EINTR));
  }
  error = n < 0 && errno != ECONNRESET ? errno : 0;
  close(pair[0]);
  if (error != 0) {
    /* A report that can't be read is no success: how far the child came is not known. */
    siginfo_t info;
    sys_signal_child(pid, launch->pidfd, SIGKILL);
    launch_reap(launch, pid, &info);
    launch_fail(launch, LAUNCH_FAILED_REPORT, error);
    return;
  }
  launch_judge(launch, pid);
}

static void run_shared(struct launch *launch, struct child_start *start) {
  pid_t pid = launch->rung == LAUNCH_CLONE3
                  ? rung_clone3(start, launch->stack, launch->contain, &launch->pidfd)
                  : rung_clone(start, launch->stack, launch_namespaces(launch), &launch->pidfd);
  if (pid < 0) {
    launch->pidfd = -1; /* the kernel may have written a number that it then gave up */
    launch_fail(launch, LAUNCH_FAILED_CLONE, errno);
    return;
  }
  if (launch->pidfd < 0) { /* a kernel that ignores CLONE_PIDFD */
    siginfo_t info;
    kill(pid, SIGKILL);
    launch_reap(launch, pid, &info);
    launch_fail(launch, LAUNCH_FAILED_PIDFD, ENOSYS);
    return;
  }
  launch_judge(launch, pid);
}

/* Whether the kernel reaps children by itself (SIGCHLD ignored): one that ends at once would be gone
 * before a pidfd for it could be opened. */
static int children_vanish(void) {
  struct sigaction action;
  return sigaction(SIGCHLD, NULL, &action) == 0 &&
         (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT));
}

void launch_clone(struct launch *launch, struct child_start *start) {
#ifdef BROOD_FAULTS
  int injected = sys_fault(SYS_CALL_clone);
  if (injected != 0) launch_fail(launch, LAUNCH_FAILED_CLONE, injected);
  else
#endif
      if (launch->rung == LAUNCH_FORK || (launch->rung == LAUNCH_VFORK && children_vanish()))
    run_fork(launch, start);
  else if (launch->rung == LAUNCH_VFORK) run_vfork(launch, start);
  else run_shared(launch, start);
}
