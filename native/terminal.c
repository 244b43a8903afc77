/* See terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* Blocks SIGTTOU in this thread; gives the mask before. */
static sigset_t quiet(void) {
  sigset_t ttou, before;
  sigemptyset(&ttou);
  sigaddset(&ttou, SIGTTOU);
  pthread_sigmask(SIG_BLOCK, &ttou, &before);
  return before;
}

pid_t terminal_group(int fd) {
  pid_t group = tcgetpgrp(fd);
  return group < 0 ? -errno : group;
}

int terminal_set_group(int fd, pid_t group) {
  sigset_t before = quiet();
  int result = tcsetpgrp(fd, group) == 0 ? 0 : -errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}

int terminal_modes(int fd, void *modes, size_t size) {
  struct termios now;
  memset(&now, 0, sizeof now);
  if (size < sizeof now) return -ERANGE;
  if (tcgetattr(fd, &now) != 0) return -errno;
  memcpy(modes, &now, sizeof now);
  return (int)sizeof now;
}

/* At once, not after pending output: that may be held by Ctrl-S for ever. */
int terminal_set_modes(int fd, const void *modes, size_t size) {
  struct termios wanted;
  if (size < sizeof wanted) return -ERANGE;
  memcpy(&wanted, modes, sizeof wanted);
  sigset_t before = quiet();
  int result;
  do result = tcsetattr(fd, TCSANOW, &wanted) == 0 ? 0 : -errno;
  while (result == -EINTR);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return result;
}
