/*
 * Does what its arguments say, one after the other, and exits with 0:
 *
 *   say FD TEXT      writes a line            fill FD COUNT   writes COUNT bytes, in order 0..250, again and again
 *   read             reads one byte of fd 0   drain           reads fd 0 to its end
 *   fillup FD        as fill, as much as FD takes; writes how many bytes that were to fd 2
 *   count FD         reads FD to its end, writes how many bytes to fd 1
 *   ignore N         ignores a signal         on N TEXT       writes TEXT to fd 1 when the signal comes, then exits with 7
 *   hear N TEXT      as on, and lives on
 *   raise N          a signal to itself       pause           for ever
 *   touch MB         uses so much memory      uid N           becomes that user
 *   close FD         closes an fd             exit N          exits with N
 *   traceme          lets its parent trace it setsid, setpgid as the calls of these names
 *   fork ... ;       a child does what is between, and exits; it is waited for by:
 *   reap             waits for every child
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

static char words[64][128];

static void put(int fd, const char *data, size_t size) {
  while (size > 0) {
    ssize_t n = write(fd, data, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) _exit(100 + (errno & 31));
    data += n;
    size -= (size_t)n;
  }
}

static void say(int fd, const char *text) {
  char line[512];
  put(fd, line, (size_t)snprintf(line, sizeof line, "%s\n", text));
}

static void say_number(int fd, long number) {
  char text[32];
  snprintf(text, sizeof text, "%ld", number);
  say(fd, text);
}

static void on_signal(int number) {
  put(1, words[number], strlen(words[number]));
  _exit(7);
}

static void on_heard(int number) {
  put(1, words[number], strlen(words[number]));
}

/* What is written, in order. */
static char block[251 * 256];

static void fill(int fd, long count) {
  for (; count > 0; count -= (long)sizeof block)
    put(fd, block, count < (long)sizeof block ? (size_t)count : sizeof block);
}

/* Leaves the file, which others may have, as it was. */
static long fill_up(int fd) {
  int flags = fcntl(fd, F_GETFL);
  long total = 0;
  ssize_t n;
  fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  for (size_t at; at = (size_t)total % sizeof block, (n = write(fd, block + at, sizeof block - at)) > 0;) total += n;
  fcntl(fd, F_SETFL, flags);
  return total;
}

static long count(int fd) {
  static char block[65536];
  long total = 0;
  ssize_t n;
  while ((n = read(fd, block, sizeof block)) != 0) {
    if (n > 0) total += n;
    else if (errno != EINTR) return -errno;
  }
  return total;
}

int main(int argc, char **argv) {
  static const struct {
    const char *name;
    int operands;
  } commands[] = {{"say", 2},  {"fill", 2},  {"fillup", 1}, {"read", 0},  {"drain", 0}, {"count", 1},
                  {"ignore", 1}, {"on", 2}, {"hear", 2},   {"raise", 1}, {"pause", 0}, {"touch", 1}, {"uid", 1},     {"close", 1},
                  {"exit", 1}, {"fork", 0},  {";", 0},     {"reap", 0},  {"traceme", 0},
                  {"setsid", 0}, {"setpgid", 0}};
  int forked = 0;
  for (size_t i = 0; i < sizeof block; i++) block[i] = (char)(i % 251);
  for (int i = 1; i < argc; i++) {
    const char *name = argv[i];
    size_t c = 0;
    while (c < sizeof commands / sizeof *commands && strcmp(commands[c].name, name) != 0) c++;
    if (c == sizeof commands / sizeof *commands || i + commands[c].operands >= argc) {
      fprintf(stderr, "act: what is %s?\n", name);
      return 99;
    }
    const char *one = commands[c].operands > 0 ? argv[i + 1] : "";
    const char *two = commands[c].operands > 1 ? argv[i + 2] : "";
    int n = atoi(one);
    char byte;
    i += commands[c].operands;
    if (!strcmp(name, "say")) say(n, two);
    else if (!strcmp(name, "fill")) fill(n, atol(two));
    else if (!strcmp(name, "read")) while (read(0, &byte, 1) < 0 && errno == EINTR) {}
    else if (!strcmp(name, "drain")) count(0);
    else if (!strcmp(name, "fillup")) say_number(2, fill_up(n));
    else if (!strcmp(name, "count")) say_number(1, count(n));
    else if (!strcmp(name, "ignore")) signal(n, SIG_IGN);
    else if (!strcmp(name, "on") || !strcmp(name, "hear")) {
      snprintf(words[n & 63], sizeof words[0], "%s\n", two);
      signal(n, !strcmp(name, "on") ? on_signal : on_heard);
    }
    else if (!strcmp(name, "raise")) kill(getpid(), n); // raise(3) refuses the two that libc keeps for itself
    else if (!strcmp(name, "pause")) for (;;) pause();
    else if (!strcmp(name, "touch")) {
      // Without huge pages, so that each page is a fault that can be counted.
      prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
      char *memory = malloc((size_t)n << 20);
      if (memory == NULL) return 98;
      for (long at = 0; at < (long)n << 20; at += 4096) ((volatile char *)memory)[at] = 1;
    }
    else if (!strcmp(name, "uid") && setresuid((uid_t)n, (uid_t)n, (uid_t)n) != 0) return 97;
    else if (!strcmp(name, "close")) close(n);
    else if (!strcmp(name, "exit")) _exit(n);
    else if (!strcmp(name, "traceme")) ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    else if (!strcmp(name, "setsid")) setsid();
    else if (!strcmp(name, "setpgid")) setpgid(0, 0);
    else if (!strcmp(name, "fork")) {
      forked = fork() == 0;
      if (!forked) while (i + 1 < argc && strcmp(argv[i], ";") != 0) i++;
    }
    else if (!strcmp(name, ";") && forked) return 0;
    else if (!strcmp(name, "reap")) while (wait(NULL) > 0 || errno == EINTR) {}
  }
  return 0;
}
