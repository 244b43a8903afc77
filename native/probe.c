/*
 * Which rung of the clone ladder works here. Asked once per process.
 *
 * A seccomp filter may answer a call by an errno, or by SIGSYS, whose core dump could take along
 * everyone who shares the memory. So a rung is tried in this process only where no filter is
 * installed; elsewhere in a forked child with an address space of its own, whose death tells that
 * the rung is not to be used. The forked child has exit signal 0: nobody gets a SIGCHLD for it.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "launch.h"
#include "sys.h"

static int probed;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static int filtered(void) {
  char text[4096];
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 1;
  text[n] = 0;
  const char *line = strstr(text, "\nSeccomp:\t");
  return line == NULL || line[10] != '0';
}

static int try_apart(int rung, struct launch_stack *stack) {
  pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
  if (pid < 0) return errno;
  if (pid == 0) _exit(launch_try(rung, stack) == 0 ? 0 : 1);
  siginfo_t info;
  int result;
  do result = sys_waitid(P_PID, pid, &info, WEXITED | __WALL, NULL);
  while (result != 0 && errno == EINTR);
  return result == 0 && info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : ENOSYS;
}

static void probe(void) {
  struct launch_stack stack = {NULL};
  int apart = filtered();
  /* FORK is not tried: there is nothing below it, and its own error is the one to tell. */
  for (probed = LAUNCH_CLONE3; probed < LAUNCH_FORK; probed++) {
    int error = apart ? try_apart(probed, &stack) : launch_try(probed, &stack);
    /* No process, memory or fd to be had says nothing about the rung. */
    if (error == 0 || error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE)
      break;
  }
  launch_stack_free(&stack);
}

int launch_probe(void) {
  int saved_errno = errno;
  pthread_once(&once, probe);
  errno = saved_errno;
  return probed;
}
