/* See terminal.h. */
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
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

/* The slave is asked for by its master (Linux 4.13): its path may be that of another mount of devpts, and is not needed. */
int terminal_open(int pair[2]) {
  const int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  int locked = 0;
  int master = open("/dev/ptmx", flags);
  if (master < 0) return -errno;
  int slave = ioctl(master, TIOCSPTLCK, &locked) == 0 ? ioctl(master, TIOCGPTPEER, flags) : -1;
  if (slave < 0) {
    int error = errno;
    close(master);
    return -error;
  }
  pair[0] = master;
  pair[1] = slave;
  return 0;
}

int terminal_set_size(int fd, unsigned short columns, unsigned short rows) {
  struct winsize size = {.ws_row = rows, .ws_col = columns};
  return ioctl(fd, TIOCSWINSZ, &size) == 0 ? 0 : -errno;
}
