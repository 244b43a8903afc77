/*
 * The child half: from the clone to the exec. Compiled freestanding, without stack protector and
 * sanitizers, since it may run in its parent's memory. test/unit/child-object.test.ts checks that
 * this object has no undefined symbol: nothing here can allocate, lock, or reach libc.
 */
#include "child.h"

#include "keep.h"
#include "program_run.h"

/* A host enters what contains a copy of it by this, too. In the addon nothing here is called from elsewhere. */
#ifdef BROOD_HOST
#define CHILD_ENTER
#else
#define CHILD_ENTER static inline __attribute__((always_inline))
#endif

/* Writes "0", which is the writer itself, to the cgroup's list of processes. What is allowed to whoever opened that is
 * allowed then (cgroups(7), since Linux 5.16). */
static long join(int cgroup, int procs) {
  long fd = procs >= 0 ? procs : raw(__NR_openat, cgroup, "cgroup.procs", KERNEL_O_WRONLY | KERNEL_O_CLOEXEC, 0);
  if (fd < 0) return fd;
  long written = raw(__NR_write, fd, "0", 1);
  if (fd != procs) raw(__NR_close, fd);
  return written < 0 ? written : 0;
}

/* Has the id maps of this user namespace written from outside, where privileges for it may be. The number that is sent
 * is that in the namespace of /proc, which is the parent's; who reads the sender from the socket does without it. */
static long ask_for_maps(int socket) {
  char self[16];
  int32_t error = EIO;
  long n = raw(__NR_readlinkat, KERNEL_AT_FDCWD, "/proc/self", self, sizeof self);
  if (n <= 0) self[0] = '0';
  n = raw(__NR_write, socket, self, n <= 0 ? 1 : n);
  if (n < 0) return n;
  do n = raw(__NR_read, socket, &error, sizeof error);
  while (n == -EINTR);
  return n < 0 ? n : -error;
}

/* In the keeper's own group it would take what is meant for the command's along. Where the other is gone, with its last
 * member, one of its own is as good. */
static void enter_group(int group) {
  if (group < 0 || raw(__NR_setpgid, 0, group) < 0) raw(__NR_setpgid, 0, 0);
}

CHILD_ENTER long child_enter(const struct child_containment *contain, enum child_step *step) {
  if (contain->group != 0) enter_group(contain->group);
  *step = CHILD_STEP_CGROUP;
  long error = contain->cgroup >= 0 ? join(contain->cgroup, contain->procs) : 0;
  if (error < 0) return error;
  *step = CHILD_STEP_MAPS;
  return contain->maps >= 0 ? ask_for_maps(contain->maps) : 0;
}

void child_main(void *argument) {
  struct child_start *start = argument;
  if (start->gate >= 0) {
    char leave;
    long n;
    raw(__NR_close, start->gate_far);
    while ((n = raw(__NR_read, start->gate, &leave, 1)) == -EINTR) {
    }
    /* The parent gave up (it could not open our pidfd) or died. */
    if (n != 1)
      for (;;) raw(__NR_exit_group, 127);
  }
  const struct child_containment *contain = start->contain;
  if (contain != 0) {
    enum child_step step;
    long error = child_enter(contain, &step);
    if (error < 0) keep_fail(start, step, error);
#ifndef BROOD_HOST
    if (contain->keeper >= 0) keep_main(start);
#endif
  }
  if (start->ignores_child) program_ignore_child();
  program_run(start->program, &start->context);
}
