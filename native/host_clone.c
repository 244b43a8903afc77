/*
 * The clones of a spawn host: a child in its own memory that execs, and a copy of itself. Both are children of its client
 * but where it is a relay. Runs in: host.
 *
 * clone(2), pidfd_open(2), sched(7) for SCHED_BATCH.
 */
#include "host_program.h"

#include <sched.h>
#include <sys/prctl.h>

#include "clone_call.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

/*
 * A batch process that is woken up does not take the CPU from the one that runs. So the client's sendmsg(2) returns, and its
 * event loop goes on, before we begin: without this, where both have one CPU, the call lasts as long as the clone and more.
 * Children inherit the policy, so it is one of the sleep alone. Whoever was started with another policy keeps that.
 */
void yield_to_client(int on) {
  struct sched_param none = {0};
  if (host.yields) raw(__NR_sched_setscheduler, 0, on ? SCHED_BATCH : SCHED_OTHER, &none);
}

void restore_dumpable(void) {
  if (raw(__NR_prctl, PR_GET_DUMPABLE) != host.dumpable) raw(__NR_prctl, PR_SET_DUMPABLE, host.dumpable);
}

/* Born in its cgroup (clone3(2), CLONE_INTO_CGROUP, 5.7) it need not join it. */
static long clone_into(struct child_start *start, const struct clone3_args *args) {
  const struct child_containment *joining = start->contain;
  struct child_containment born = *joining;
  struct clone3_args into = *args;
  into.flags |= CLONE_INTO_CGROUP;
  into.cgroup = (uint64_t)joining->cgroup;
  born.cgroup = -1;
  start->contain = &born;
  long result = clone3_onto(&into, child_main, start);
  start->contain = joining;
  return result;
}

long clone_shared(struct child_start *start, uint64_t flags, int *pidfd) {
  flags |= CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (host.relay ? 0 : CLONE_PARENT);
  if (host.legacy)
    return clone_legacy_onto(flags | CLONE_CHILD_SETTID, host.stack + STACK_GUARD + STACK_SIZE, pidfd,
                             &host.shared->child, child_main, start);
  struct clone3_args args = {
      .flags = flags | CLONE_CLEAR_SIGHAND | CLONE_PARENT_SETTID,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .parent_tid = (uint64_t)(uintptr_t)&host.shared->child,
      .stack = (uint64_t)(uintptr_t)(host.stack + STACK_GUARD),
      .stack_size = STACK_SIZE,
  };
  long into = start->contain != NULL && start->contain->cgroup >= 0 ? clone_into(start, &args) : -1;
  return into >= 0 ? into : clone3_onto(&args, child_main, start);
}

/* The child is to know that it need not join what it is born in: its copy of `contain` is made by the clone. */
static long copy_into(struct child_containment *contain, const struct clone3_args *args) {
  struct clone3_args into = *args;
  int cgroup = contain->cgroup;
  into.flags |= CLONE_INTO_CGROUP;
  into.cgroup = (uint64_t)cgroup;
  contain->cgroup = -1;
  long result = raw(__NR_clone3, &into, sizeof into);
  if (result < 0) contain->cgroup = cgroup;
  return result;
}

/*
 * A copy without clone3, where CLONE_PIDFD takes the place of CLONE_PARENT_SETTID. It is opened by its number, which nobody can
 * give up before its client hears of it. Where a filter forbids that, the child writes its number itself, for it has the page,
 * too: only when it runs, and as it is in its own pid namespace.
 */
static long copy_legacy(uint64_t flags, int *pidfd) {
  int self = (int)raw(__NR_pidfd_open, raw(__NR_getpid), 0);
  if (self >= 0) {
    raw(__NR_close, self);
    long pid = raw(__NR_clone, (flags & ~(uint64_t)CLONE_PIDFD) | CLONE_PARENT_SETTID, 0, &host.shared->child, 0, 0);
    if (pid > 0) *pidfd = (int)raw(__NR_pidfd_open, pid, 0);
    return pid;
  }
  flags |= CLONE_CHILD_SETTID;
#if defined(__x86_64__)
  return raw(__NR_clone, flags, 0, pidfd, &host.shared->child, 0);
#else
  return raw(__NR_clone, flags, 0, pidfd, 0, &host.shared->child);
#endif
}

long clone_copy(struct child_containment *contain, uint64_t flags, int *pidfd) {
  /* Of a child that is to be another's the kernel sets the exit signal itself; a relay is to hear of its own. */
  uint64_t exit_signal = host.relay ? KERNEL_SIGCHLD : 0;
  flags |= CLONE_PIDFD | (host.relay ? 0 : CLONE_PARENT);
  if (host.legacy) return copy_legacy(flags | exit_signal, pidfd);
  struct clone3_args args = {
      .flags = flags | CLONE_CLEAR_SIGHAND | CLONE_PARENT_SETTID,
      .exit_signal = exit_signal,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .parent_tid = (uint64_t)(uintptr_t)&host.shared->child,
  };
  long into = contain->cgroup >= 0 ? copy_into(contain, &args) : -1;
  return into >= 0 ? into : raw(__NR_clone3, &args, sizeof args);
}
