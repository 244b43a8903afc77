/*
 * Starts processes in all the ways in which they get away from whoever started them. Each carries the environment that
 * this one was given, by which a test finds it. Its arguments:
 *
 *   stay    writes a line to fd 1 when all are there, then waits for ever; leave: exits with 5 instead
 *   polite  ends by itself on SIGTERM; else ignores every signal that can be ignored
 *   burst   those that have got away start more, again and again, for as long as they live
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static int ready[2]; /* each that has got away writes a byte here */
static int polite, burst;

static void ignore_all(void) {
  for (int i = 1; i < 65; i++) signal(i, polite && i == SIGTERM ? SIG_DFL : SIG_IGN);
}

static void stay(const char *name) {
  char byte = 1;
  prctl(PR_SET_NAME, name);
  ignore_all();
  if (write(ready[1], &byte, 1) != 1) _exit(3);
  close(ready[0]);
  close(ready[1]);
  if (burst) {
    signal(SIGCHLD, SIG_DFL);
    for (int left = 40;;) {
      pid_t pid = left > 0 ? fork() : -1;
      if (pid == 0) left = 0;
      else if (pid > 0) left--;
      else for (;;) {
        if (left == 0 && waitpid(-1, NULL, 0) > 0) left++;
        pause();
      }
    }
  }
  for (;;) pause();
}

static void plain(void) { stay("plain"); }
static void own_group(void) {
  setpgid(0, 0);
  stay("own group");
}
static void own_session(void) {
  setsid();
  stay("own session");
}
static void orphan(void) {
  if (fork() != 0) _exit(0);
  stay("orphan");
}
static void orphan_session(void) {
  setsid();
  if (fork() != 0) _exit(0);
  setsid();
  stay("orphan session");
}
static void without_fds(void) {
  /* It keeps the pipe until it has said that it is there. */
  for (int fd = 0; fd < 1024; fd++)
    if (fd != ready[0] && fd != ready[1]) close(fd);
  if (fork() != 0) _exit(0);
  stay("without fds");
}
static void renamed(void) {
  if (fork() != 0) _exit(0);
  stay("kworker/0:1");
}
static void daemonised(void) {
  if (daemon(0, 0) != 0) _exit(4);
  stay("daemonised");
}
static void reparented(void) {
  /* A chain whose links end one after the other, while the last lives on. */
  for (int i = 0; i < 5; i++)
    if (fork() != 0) _exit(0);
  setsid();
  stay("reparented");
}

int main(int argc, char **argv) {
  static void (*const ways[])(void) = {plain,       own_group, own_session, orphan,    orphan_session,
                                       without_fds, renamed,   daemonised,  reparented};
  int leave = 0;
  for (int i = 1; i < argc; i++) {
    leave |= !strcmp(argv[i], "leave");
    polite |= !strcmp(argv[i], "polite");
    burst |= !strcmp(argv[i], "burst");
  }
  signal(SIGCHLD, SIG_DFL);
  if (pipe(ready) != 0) return 2;
  int n = sizeof ways / sizeof *ways;
  for (int i = 0; i < n; i++) {
    pid_t pid = fork();
    if (pid < 0) return 2;
    if (pid == 0) ways[i]();
  }
  char bytes[64];
  for (int seen = 0; seen < n;) {
    ssize_t got = read(ready[0], bytes, sizeof bytes);
    if (got > 0) seen += (int)got;
    else if (errno != EINTR) return 2;
  }
  close(ready[0]);
  close(ready[1]);
  if (!leave) { /* before it says that it is there: a signal may come from then on */
    ignore_all();
    signal(SIGCHLD, SIG_DFL);
  }
  char line[32];
  int size = snprintf(line, sizeof line, "%d away\n", n);
  if (write(1, line, (size_t)size) != size) return 2;
  if (leave) return 5;
  for (;;) pause();
}
