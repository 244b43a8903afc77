/*
 * arena CPU COMMAND [ARG...]: runs a command pinned to one CPU, and does not return before the command
 * and all of its descendants are gone: what one contestant leaves behind must not cost the next. Its exit
 * status is the command's.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* The orphans have become our children. */
static void kill_orphans(void) {
  static char pids[1 << 20];
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t length = 0, n;
  while ((n = read(fd, pids + length, sizeof pids - 1 - (size_t)length)) > 0) length += n;
  close(fd);
  pids[length] = 0;
  for (char *next = pids;;) {
    char *end;
    pid_t pid = (pid_t)strtol(next, &end, 10);
    if (end == next) return;
    kill(pid, SIGKILL);
    next = end;
  }
}

int main(int argc, char **argv) {
  if (argc < 3) return 125;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[1]), &cpus);
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0 || prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    perror("arena");
    return 125;
  }
  pid_t command = fork();
  if (command == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    _exit(127);
  }
  int result = 125;
  for (;;) {
    int status;
    pid_t pid = wait(&status);
    if (pid < 0) return result;
    if (pid != command) continue;
    result = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    kill_orphans();
  }
}
