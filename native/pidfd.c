/* See pidfd.h. */
#include "pidfd.h"

#include <stdio.h>
#include <string.h>

#include "sys.h"

/* proc_pid_fdinfo(5) alone tells it: PIDFD_GET_INFO does, too, but only from 6.13 on. */
pid_t pidfd_process(int pidfd) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return errno == ENOENT ? -EBADF : -errno;
  ssize_t n = read(fd, text, sizeof text - 1);
  int error = n < 0 ? errno : 0;
  close(fd);
  if (error != 0) return -error;
  text[n] = 0;
  const char *line = strstr(text, "\nPid:");
  if (line == NULL) return -EBADF;
  int pid = atoi(line + strlen("\nPid:"));
  return pid > 0 ? pid : pid == 0 ? -ENXIO : -ESRCH;
}
