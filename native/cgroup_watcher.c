/*
 * The watcher of a cgroup: when its parent is gone, it ends everything in the cgroup and removes it. A role of the
 * program brood-keeper. Freestanding.
 *
 * cgroups(7): cgroup.freeze (5.2), cgroup.kill (5.14).
 */
#include "keeper.h"
#include "keeper_calls.h"

static long put_file(int directory, const char *name, const char *text) {
  long fd = raw(__NR_openat, directory, name, O_WRONLY | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  long size = 0;
  while (text[size] != 0) size++;
  long n = raw(__NR_write, fd, text, size);
  raw(__NR_close, fd);
  return n;
}

static long read_file(int directory, const char *name, char *text, long room) {
  long fd = raw(__NR_openat, directory, name, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return fd;
  long n = raw(__NR_read, fd, text, room - 1);
  raw(__NR_close, fd);
  text[n < 0 ? 0 : n] = 0;
  return n;
}

/* Goes through the processes of a cgroup. Returns 1 as soon as `visit` does. */
static int each_listed(int directory, int (*visit)(int directory, long pid, long argument), long argument) {
  char numbers[4096];
  int found = 0;
  long fd = raw(__NR_openat, directory, "cgroup.procs", O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return 0;
  long n, pid = 0;
  while (!found && (n = raw(__NR_read, fd, numbers, sizeof numbers)) > 0) {
    for (long i = 0; i < n && !found; i++) {
      if (numbers[i] >= '0' && numbers[i] <= '9') {
        pid = pid * 10 + (numbers[i] - '0');
      } else {
        if (pid > 0) found = visit(directory, pid, argument);
        pid = 0;
      }
    }
  }
  raw(__NR_close, fd);
  return found;
}

static int is_that(int directory, long pid, long wanted) {
  (void)directory;
  return pid == wanted;
}

/* Held by its pidfd, and then looked for again: a number alone may be another's by now. Freezing takes its time, and
 * what is frozen can be killed by others. */
static int kill_one(int directory, long pid, long unused) {
  (void)unused;
  long pidfd = raw(__NR_pidfd_open, pid, 0);
  if (pidfd < 0) return 0;
  if (each_listed(directory, is_that, pid)) raw(__NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0);
  raw(__NR_close, pidfd);
  return 0;
}

/* Before cgroup.kill. It is being frozen, so that no more of them start. */
static void kill_listed(int directory) { each_listed(directory, kill_one, 0); }

enum pass { PASS_KILL, PASS_REMOVE };

/* The cgroups below, deepest first. */
static void each_below(int directory, enum pass pass, int depth) {
  char entries[2048] __attribute__((aligned(8)));
  long n;
  raw(__NR_lseek, directory, 0, 0);
  while ((n = raw(__NR_getdents64, directory, entries, sizeof entries)) > 0) {
    for (long at = 0; at < n;) {
      const char *name = entries + at + 19;
      char type = entries[at + 18];
      at += *(uint16_t *)(entries + at + 16);
      if (type != 4 /* DT_DIR */ || name[0] == '.' || depth > 64) continue;
      long below = raw(__NR_openat, directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
      if (below < 0) continue;
      each_below((int)below, pass, depth + 1);
      if (pass == PASS_KILL) kill_listed((int)below);
      raw(__NR_close, below);
      if (pass == PASS_REMOVE) raw(__NR_unlinkat, directory, name, AT_REMOVEDIR);
    }
  }
}

static int populated(int directory) {
  char text[256];
  const char key[] = "populated 1";
  long n = read_file(directory, "cgroup.events", text, sizeof text);
  for (long i = 0; i + (long)sizeof key - 1 <= n; i++) {
    unsigned k = 0;
    while (k < sizeof key - 1 && text[i + k] == key[k]) k++;
    if (k == sizeof key - 1) return 1;
  }
  return 0;
}

/* Waits for the end of the socket, then ends everything in the cgroup and removes it. */
void cgroup_watch(const char *path) {
  char byte;
  long n;
  settle_in(KEEPER_SOCKET + 1);
  long directory = raw(__NR_openat, AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  do n = raw(__NR_read, KEEPER_SOCKET, &byte, 1);
  while (n > 0 || n == -EINTR);
  if (directory < 0) leave();
  for (long pause = 1; populated((int)directory); pause = pause < 200 ? pause * 2 : 200) {
    if (put_file((int)directory, "cgroup.kill", "1") < 0) {
      put_file((int)directory, "cgroup.freeze", "1");
      kill_listed((int)directory);
      each_below((int)directory, PASS_KILL, 0);
      put_file((int)directory, "cgroup.freeze", "0");
    }
    sleep_ms(pause);
  }
  /* A process that is just ending may hold its cgroup a little longer. */
  for (int i = 0; i < 100; i++) {
    each_below((int)directory, PASS_REMOVE, 0);
    if (raw(__NR_unlinkat, AT_FDCWD, path, AT_REMOVEDIR) != -EBUSY) break;
    sleep_ms(10);
  }
}

