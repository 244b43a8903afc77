/*
 * Holds a file open for writing (argv[1]) until a child of the process argv[2] sleeps in nanosleep(2), as one
 * does between two tries to execute that file. Prints "ready", then "closed". Gives up at the end of fd 0.
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int slurp(const char *path, char *text, size_t size) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
  if (fd >= 0) close(fd);
  text[n < 0 ? 0 : n] = 0;
  return n > 0;
}

static int sleeps(const char *pid) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/%.16s/syscall", pid);
  if (!slurp(path, text, sizeof text)) return 0;
  long number = strtol(text, NULL, 10);
  return number == SYS_nanosleep;
}

int main(int argc, char **argv) {
  char path[64], children[4096];
  if (argc != 3) return 1;
  int fd = open(argv[1], O_RDWR | O_CLOEXEC);
  if (fd < 0) return 2;
  if (write(1, "ready\n", 6) != 6) return 3;
  snprintf(path, sizeof path, "/proc/%.16s/task/%.16s/children", argv[2], argv[2]);
  struct pollfd end = {.fd = 0, .events = POLLIN};
  while (poll(&end, 1, 0) == 0) {
    if (!slurp(path, children, sizeof children)) continue;
    for (char *pid = strtok(children, " "); pid != NULL; pid = strtok(NULL, " ")) {
      if (!sleeps(pid)) continue;
      close(fd);
      return write(1, "closed\n", 7) == 7 ? 0 : 3;
    }
  }
  return 0;
}
