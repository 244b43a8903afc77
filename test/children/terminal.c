/*
 * A terminal for tests: FILE ARGS... runs as a session's leader on a new pseudo-terminal of 24 x 80.
 * Lines on stdin, answers on stdout, bytes in hexadecimal:
 *   type HEX                          what the user types
 *   size ROWS COLUMNS                 the window changes
 *   state     -> state GROUP LFLAG    the foreground group, and the local modes
 *   hangup                            the user closes the window
 *             -> out HEX              what appeared
 *             -> stopped SIGNAL       the leader stopped
 *             -> end STATUS           the leader ended, as wait(2) tells it
 * At the end of stdin the whole session is killed.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static int master;

static int show(void) {
  unsigned char bytes[4096];
  ssize_t n = read(master, bytes, sizeof bytes);
  if (n <= 0) return 0;
  printf("out ");
  for (ssize_t i = 0; i < n; i++) printf("%02x", bytes[i]);
  printf("\n");
  return 1;
}

static void type(const char *hex) {
  unsigned byte;
  for (; sscanf(hex, "%2x", &byte) == 1; hex += 2) {
    char c = (char)byte;
    if (write(master, &c, 1) != 1) return;
  }
}

static void obey(const char *line) {
  struct winsize size = {0};
  if (strncmp(line, "type ", 5) == 0) {
    type(line + 5);
  } else if (sscanf(line, "size %hu %hu", &size.ws_row, &size.ws_col) == 2) {
    ioctl(master, TIOCSWINSZ, &size);
  } else if (strcmp(line, "state") == 0) {
    struct termios modes;
    int group = 0;
    memset(&modes, 0, sizeof modes);
    ioctl(master, TIOCGPGRP, &group);
    tcgetattr(master, &modes);
    printf("state %d %u\n", group, (unsigned)modes.c_lflag);
  } else if (strcmp(line, "hangup") == 0) {
    close(master);
    master = -1;
  }
}

static int start(char **argv) {
  struct winsize size = {.ws_row = 24, .ws_col = 80};
  sigset_t none;
  master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0) return -1;
  ioctl(master, TIOCSWINSZ, &size);
  const char *name = ptsname(master);
  int leader = fork();
  if (leader != 0) return leader;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setsid();
  int slave = open(name, O_RDWR);
  if (slave < 0 || ioctl(slave, TIOCSCTTY, 0) != 0) _exit(126);
  for (int fd = 0; fd < 3; fd++) dup2(slave, fd);
  if (slave > 2) close(slave);
  execvp(argv[0], argv);
  _exit(127);
}

/* Kills every process of the session. Gives how many there were. */
static int end_session(int session) {
  DIR *all = opendir("/proc");
  int n = 0;
  for (struct dirent *entry; all != NULL && (entry = readdir(all)) != NULL;) {
    int pid = atoi(entry->d_name);
    if (pid > 0 && getsid(pid) == session && kill(pid, SIGKILL) == 0) n++;
  }
  if (all != NULL) closedir(all);
  return n;
}

int main(int argc, char **argv) {
  char line[65536];
  size_t length = 0;
  sigset_t chld;
  if (argc < 2) return 2;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, NULL);
  int changes = signalfd(-1, &chld, SFD_CLOEXEC);
  int leader = start(argv + 1);
  const int session = leader;
  if (leader < 0) return 1;
  setvbuf(stdout, NULL, _IOFBF, 65536);
  for (;;) {
    fflush(stdout);
    struct pollfd fds[] = {{0, POLLIN, 0}, {master, POLLIN, 0}, {changes, POLLIN, 0}};
    if (poll(fds, 3, -1) < 0) continue;
    if (fds[1].revents != 0 && !show() && errno == EIO) {
      /* Nobody has the slave open. Somebody may open it again, but no test does. */
      close(master);
      master = -1;
    }
    if (fds[2].revents != 0) {
      struct signalfd_siginfo info;
      int status;
      if (read(changes, &info, sizeof info) < 0) continue;
      while (leader > 0 && waitpid(leader, &status, WNOHANG | WUNTRACED) > 0) {
        if (WIFSTOPPED(status)) {
          printf("stopped %d\n", WSTOPSIG(status));
          continue;
        }
        struct pollfd left = {master, POLLIN, 0};
        while (poll(&left, 1, 0) > 0 && show()) {
        }
        printf("end %d\n", status);
        leader = -1;
      }
    }
    if (fds[0].revents != 0) {
      ssize_t n = read(0, line + length, sizeof line - 1 - length);
      if (n <= 0) break;
      length += (size_t)n;
      line[length] = 0;
      for (char *end; (end = strchr(line, '\n')) != NULL;) {
        *end = 0;
        obey(line);
        length -= (size_t)(end + 1 - line);
        memmove(line, end + 1, length + 1);
      }
    }
  }
  /* Zombies can be signalled, too: those that nobody has reaped by then are not counted on. */
  for (int i = 0; i < 100 && end_session(session) > 0; i++)
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
  return 0;
}
