/*
 * Prints what it finds itself to be, as one line of JSON, to the fd given as its first argument: nothing
 * here relies on what fd 0, 1 or 2 is. Arguments and environment are in hexadecimal, since they are bytes.
 * With a second argument "wait" it then waits for the end of fd 0.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;
static char text[1 << 20];
static size_t used;

__attribute__((format(printf, 1, 2))) static void put(const char *format, ...) {
  va_list args;
  va_start(args, format);
  used += (size_t)vsnprintf(text + used, sizeof text - used, format, args);
  va_end(args);
  if (used >= sizeof text) exit(90);
}

static void put_string(const char *string) {
  put("\"");
  for (; *string != 0; string++) {
    if (*string == '"' || *string == '\\') put("\\");
    put("%c", *string);
  }
  put("\"");
}

static void put_hex(char **strings) {
  put("[");
  for (int i = 0; strings[i] != NULL; i++) {
    put(i > 0 ? ",\"" : "\"");
    for (const char *at = strings[i]; *at != 0; at++) put("%02x", (unsigned char)*at);
    put("\"");
  }
  put("]");
}

static const char *kind(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFIFO: return "pipe";
    case S_IFSOCK: return "socket";
    case S_IFREG: return "file";
    case S_IFCHR: return "device";
    case S_IFDIR: return "directory";
  }
  return "other";
}

static void put_fds(void) {
  static const char *const access[] = {"r", "w", "rw", "none"};
  DIR *directory = opendir("/proc/self/fd");
  if (directory == NULL) exit(91);
  const char *separator = "";
  put(",\"fds\":{");
  for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
    int fd = atoi(entry->d_name);
    char link[4096];
    struct stat status;
    if (entry->d_name[0] == '.' || fd == dirfd(directory)) continue;
    ssize_t n = readlinkat(dirfd(directory), entry->d_name, link, sizeof link - 1);
    if (n < 0 || fstat(fd, &status) != 0) exit(92);
    link[n] = 0;
    int flags = fcntl(fd, F_GETFL);
    put("%s\"%d\":{\"link\":", separator, fd);
    put_string(link);
    put(",\"kind\":\"%s\",\"access\":\"%s\",\"append\":%s,\"nonblock\":%s,\"cloexec\":%s", kind(status.st_mode),
        access[flags & O_ACCMODE], flags & O_APPEND ? "true" : "false", flags & O_NONBLOCK ? "true" : "false",
        fcntl(fd, F_GETFD) & FD_CLOEXEC ? "true" : "false");
    put(",\"file\":\"%lu:%lu\",\"rdev\":%lu}", (unsigned long)status.st_dev, (unsigned long)status.st_ino,
        (unsigned long)status.st_rdev);
    separator = ",";
  }
  put("}");
  closedir(directory);
}

static void put_limits(void) {
  static const char *const names[] = {"cpu",     "fsize", "data",  "stack",      "core",     "rss",  "nproc",  "nofile",
                                      "memlock", "as",    "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};
  put(",\"rlimits\":{");
  for (int i = 0; i < 16; i++) {
    struct rlimit limit;
    getrlimit(i, &limit);
    put("%s\"%s\":[\"%llu\",\"%llu\"]", i > 0 ? "," : "", names[i], (unsigned long long)limit.rlim_cur,
        (unsigned long long)limit.rlim_max);
  }
  put("}");
}

/* The words of one line of /proc/self/status. */
static void put_status(const char *status, const char *key, const char *name) {
  const char *line = strstr(status, key);
  if (line == NULL) exit(93);
  line += strlen(key);
  size_t length = strcspn(line, "\n");
  put(",\"%s\":[", name);
  const char *separator = "";
  for (size_t at = 0; at < length;) {
    at += strspn(line + at, " \t");
    size_t word = strcspn(line + at, " \t\n");
    if (word == 0) break;
    put("%s\"%.*s\"", separator, (int)word, line + at);
    separator = ",";
    at += word;
  }
  put("]");
}

static char *slurp(const char *path) {
  static char content[1 << 16];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, content, sizeof content - 1);
  if (n < 0) exit(94);
  content[n] = 0;
  close(fd);
  return content;
}

int main(int argc, char **argv) {
  char path[4096];
  struct stat root;
  cpu_set_t cpus;
  int signal = -1;
  if (argc < 2) return 95;
  put("{\"argv\":");
  put_hex(argv);
  put(",\"environ\":");
  put_hex(environ);
  put_fds();
  put(",\"cwd\":");
  put_string(getcwd(path, sizeof path) == NULL ? "" : path);
  stat("/", &root);
  put(",\"root\":\"%lu:%lu\"", (unsigned long)root.st_dev, (unsigned long)root.st_ino);
  put(",\"pid\":%d,\"ppid\":%d,\"pgid\":%d,\"sid\":%d", getpid(), getppid(), getpgid(0), getsid(0));
  mode_t mask = umask(0);
  put(",\"umask\":%u,\"nice\":%d", (unsigned)mask, getpriority(PRIO_PROCESS, 0));
  put(",\"cpus\":[");
  const char *separator = "";
  CPU_ZERO(&cpus);
  sched_getaffinity(0, sizeof cpus, &cpus);
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (!CPU_ISSET(i, &cpus)) continue;
    put("%s%d", separator, i);
    separator = ",";
  }
  put("]");
  put_limits();
  const char *status = slurp("/proc/self/status");
  put_status(status, "\nUid:", "uids");
  put_status(status, "\nGid:", "gids");
  put_status(status, "\nGroups:", "groups");
  put_status(status, "\nSigBlk:", "blocked");
  put_status(status, "\nSigIgn:", "ignored");
  put_status(status, "\nNoNewPrivs:", "noNewPrivs");
  put(",\"oomScoreAdj\":%d", atoi(slurp("/proc/self/oom_score_adj")));
  prctl(PR_GET_PDEATHSIG, &signal);
  put(",\"parentDeathSignal\":%d", signal);
  /* After the name in parentheses: state ppid pgrp session tty_nr tpgid */
  unsigned tty = 0;
  int foreground = 0;
  const char *stat_line = slurp("/proc/self/stat");
  if (sscanf(strrchr(stat_line, ')') + 1, " %*c %*d %*d %*d %u %d", &tty, &foreground) != 2) return 96;
  put(",\"tty\":%u,\"foreground\":%d}\n", tty, foreground);
  int fd = atoi(argv[1]);
  for (size_t at = 0; at < used;) {
    ssize_t n = write(fd, text + at, used - at);
    if (n < 0) return 97;
    at += (size_t)n;
  }
  if (argc > 2 && strcmp(argv[2], "wait") == 0) {
    char byte;
    while (read(0, &byte, 1) > 0) {
    }
  }
  return 0;
}
