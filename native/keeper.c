/*
 * The keeper: a program of its own, without libc, in one of three roles.
 *
 *   keep   the parent of a command and, as a subreaper, of every descendant of the command that loses its own
 *          parent: by double fork, by setsid, by the death of whoever started it. What it is told to end, it ends by
 *          killing its children until it has none: the children of those become its own.
 *   init   the same as pid 1 of a pid namespace, where everything can be reached by one call, and where the kernel
 *          ends everything when it is gone.
 *   watch  the watcher of a cgroup: when its parent is gone, it ends everything in the cgroup and removes it.
 *
 * In each it ends everything when the other end of its socket (fd 0) is closed: the parent's death, by whatever cause.
 * It starts nothing, has every signal blocked, and has no file open but its own. keeper.h has what is said.
 *
 * Linux 5.4: pidfd_open(2) (5.3), cgroup.freeze (5.2), cgroup.kill (5.14), /proc/PID/task/TID/children.
 */
#include <linux/errno.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>

#include "keeper.h"
#include "raw_syscall.h"

#ifndef __NR_pidfd_open
#define __NR_pidfd_open 434
#endif
#ifndef __NR_pidfd_send_signal
#define __NR_pidfd_send_signal 424
#endif
#ifndef __NR_close_range
#define __NR_close_range 436
#endif

#define AT_FDCWD (-100)
#define AT_REMOVEDIR 0x200
#define O_RDONLY 0
#define O_WRONLY 1
#define O_CLOEXEC 02000000
#if defined(__x86_64__)
#define O_DIRECTORY 0200000
#define O_NOFOLLOW 0400000
#else
#define O_DIRECTORY 040000
#define O_NOFOLLOW 0100000
#endif
#define MSG_DONTWAIT 0x40
#define MSG_NOSIGNAL 0x4000
#define SIGKILL 9
#define SIGCHLD 17
#define POLLIN 1
#define POLLOUT 4
#define P_ALL 0
#define WNOHANG 1
#define WSTOPPED 2
#define WEXITED 4
#define WCONTINUED 8
#define WNOWAIT 0x01000000
#define WALL 0x40000000
#define CLD_KILLED 2
#define CLD_DUMPED 3

/* The compiler may call these by itself. */
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size) {
  for (volatile char *at = to; size > 0; size--) *at++ = (char)value;
  return to;
}
void *memcpy(void *to, const void *from, size_t size) {
  volatile char *at = to;
  for (const char *source = from; size > 0; size--) *at++ = *source++;
  return to;
}

struct poll_fd {
  int fd;
  short events;
  short revents;
};
struct time {
  long seconds;
  long nanoseconds;
};
/* siginfo_t as waitid(2) fills it. */
struct child_info {
  int signal;
  int error;
  int code;
  int padding;
  int pid;
  int uid;
  int status;
  char rest[100];
};
struct usage {
  struct time user, system;
  long maxrss, ixrss, idrss, isrss, minflt, majflt, nswap, inblock, oublock, msgsnd, msgrcv,
      nsignals, nvcsw, nivcsw;
};

static void leave(void) {
  for (;;) raw(__NR_exit_group, 0);
}

static long parse(const char *text) {
  long value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

static char *put_text(char *to, const char *text) {
  while (*text != 0) *to++ = *text++;
  *to = 0;
  return to;
}

static char *put_number(char *to, long value) {
  char digits[20];
  int n = 0;
  do digits[n++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (n > 0) *to++ = digits[--n];
  *to = 0;
  return to;
}

static int is(const char *text, const char *other) {
  for (; *text == *other; text++, other++)
    if (*text == 0) return 1;
  return 0;
}

static void sleep_ms(long ms) {
  struct time pause;
  pause.seconds = 0;
  pause.nanoseconds = ms * 1000000;
  raw(__NR_nanosleep, &pause, 0);
}

/* Waits for any of the fds, or so many milliseconds (-1: for ever). */
static void wait_for(struct poll_fd *fds, unsigned n, long ms) {
  struct time time;
  time.seconds = ms / 1000;
  time.nanoseconds = ms % 1000 * 1000000;
  for (unsigned i = 0; i < n; i++) fds[i].revents = 0;
  raw(__NR_ppoll, fds, n, ms < 0 ? 0 : &time, 0, 8);
}

/* ---- the roles keep and init ------------------------------------------------------------------- */

static int command;  /* its pid, 0 when it has been reaped */
static int is_init;
static int killing;
static int parent_gone;
static struct keeper_note last; /* of the command's end */
static int last_pending;
static int refused; /* in this sweep: a process that may not be signalled */
static int hit;     /* one that may */

static int say(const struct keeper_note *note) {
  if (parent_gone) return 1;
  long n = raw(__NR_sendto, KEEPER_SOCKET, note, sizeof *note, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
  return n != -EAGAIN;
}

static void note_result(long result) {
  if (result == -EPERM) refused = 1;
  else hit = 1;
}

#define DEEPEST 24

static void sweep_children(const char *directory, int parent, int parent_pidfd, int depth);

/* One process below us. A direct child's number is its own until we reap it. Any other may be reaped, and its number
 * be another's, at any time: it is held by its pidfd, and then looked at again, before it is signalled. So is its parent,
 * whose number is its own as long as it can be signalled. */
static void sweep_one(int pid, int parent, int parent_pidfd, int depth) {
  char path[64];
  int pidfd = -1;
  if (depth > 0) {
    pidfd = (int)raw(__NR_pidfd_open, pid, 0);
    if (pidfd < 0) return; /* it becomes a child of ours when its parent has ended */
    char text[256];
    put_text(put_number(put_text(path, "/proc/"), pid), "/stat");
    long fd = raw(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    long n = fd < 0 ? fd : raw(__NR_read, fd, text, sizeof text - 1);
    if (fd >= 0) raw(__NR_close, fd);
    long end = n;
    while (end > 0 && text[end - 1] != ')') end--;
    if (n <= 0) end = 0;
    else text[n] = 0;
    if (end == 0 || end + 3 >= n || parse(text + end + 3) != parent ||
        (parent_pidfd >= 0 && raw(__NR_pidfd_send_signal, parent_pidfd, 0, 0, 0) == -ESRCH)) {
      raw(__NR_close, pidfd);
      return;
    }
  }
  /* It can't fork any more from here on: a fork of a process that is being killed fails. */
  note_result(depth > 0 ? raw(__NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0)
                        : raw(__NR_kill, pid, SIGKILL));
  if (depth < DEEPEST) {
    put_text(put_number(put_text(path, "/proc/"), pid), "/task");
    sweep_children(path, pid, pidfd, depth + 1);
  }
  if (pidfd >= 0) raw(__NR_close, pidfd);
}

/* The children that the threads of `directory` (/proc/PID/task) have. The kernel lists them as they are meanwhile:
 * what is missed is found by a later sweep. */
static void sweep_children(const char *directory, int parent, int parent_pidfd, int depth) {
  char threads[1024] __attribute__((aligned(8)));
  char numbers[1024];
  char path[96];
  long n;
  long list = raw(__NR_openat, AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
  if (list < 0) return;
  while ((n = raw(__NR_getdents64, list, threads, sizeof threads)) > 0) {
    for (long at = 0; at < n;) {
      const char *name = threads + at + 19;
      at += *(uint16_t *)(threads + at + 16);
      if (*name < '0' || *name > '9') continue;
      put_text(put_text(put_text(put_text(path, directory), "/"), name), "/children");
      long file = raw(__NR_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
      if (file < 0) continue;
      long size, pid = 0;
      while ((size = raw(__NR_read, file, numbers, sizeof numbers)) > 0) {
        for (long i = 0; i < size; i++) {
          if (numbers[i] >= '0' && numbers[i] <= '9') {
            pid = pid * 10 + (numbers[i] - '0');
          } else if (pid > 0) {
            sweep_one((int)pid, parent, parent_pidfd, depth);
            pid = 0;
          }
        }
      }
      raw(__NR_close, file);
    }
  }
  raw(__NR_close, list);
}

/* The /proc of another pid namespace has other numbers than those that signals take. */
static int proc_is_ours(void) {
  char self[16];
  long n = raw(__NR_readlinkat, AT_FDCWD, "/proc/self", self, sizeof self - 1);
  if (n <= 0) return 0;
  self[n] = 0;
  return parse(self) == raw(__NR_getpid);
}

static void sweep(void) {
  refused = hit = 0;
  if (is_init) raw(__NR_kill, -1, SIGKILL);
  else if (proc_is_ours()) sweep_children("/proc/self/task", (int)raw(__NR_getpid), -1, 0);
  else if (command != 0) note_result(raw(__NR_kill, command, SIGKILL)); /* it has not been reaped */
  else refused = 1;
}

static void fill_usage(struct keeper_note *note, const struct usage *usage) {
  note->usage[0] = usage->user.seconds * 1000000 + usage->user.nanoseconds; /* microseconds, in a timeval */
  note->usage[1] = usage->system.seconds * 1000000 + usage->system.nanoseconds;
  note->usage[2] = usage->maxrss;
  note->usage[3] = usage->minflt;
  note->usage[4] = usage->majflt;
  note->usage[5] = usage->inblock;
  note->usage[6] = usage->oublock;
  note->usage[7] = usage->nvcsw;
  note->usage[8] = usage->nivcsw;
}

/* Takes every change of state that there is. Returns 0 when no child is left. */
static int reap(void) {
  struct child_info info;
  struct usage usage;
  struct keeper_note note;
  int left;
  for (;;) {
    info.pid = 0;
    long error = raw(__NR_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WALL, &usage);
    if (error == -EINTR) continue;
    left = error == 0;
    if (error != 0 || info.pid == 0) break;
    note.pid = info.pid;
    note.code = info.code;
    note.status = info.status;
    note.uid = info.uid;
    note.left = 0;
    if (info.pid != command) {
      if (!killing || info.code != CLD_KILLED || info.status != SIGKILL) continue;
      note.type = KEEPER_ENDED;
      say(&note); /* if there is no room for it: it is only told */
    } else if (info.code > CLD_DUMPED) {
      note.type = KEEPER_STATE;
      say(&note);
    } else {
      note.type = KEEPER_EXIT;
      fill_usage(&note, &usage);
      last = note;
      last_pending = 1;
      command = 0;
    }
  }
  if (last_pending) {
    last.left = left;
    last_pending = !say(&last);
  }
  return left;
}

static void take_orders(void) {
  for (;;) {
    char order;
    long n = raw(__NR_recvfrom, KEEPER_SOCKET, &order, 1, MSG_DONTWAIT, 0, 0);
    if (n == -EINTR) continue;
    if (n == -EAGAIN) return;
    if (n <= 0) {
      parent_gone = killing = 1;
      return;
    }
    if (order == KEEPER_RELEASE) leave();
    if (order == KEEPER_KILL) killing = 1;
  }
}

/* What is left may not be signalled, and nobody is there to be told: after so many sweeps it is left alone. */
#define MOST_VAIN_SWEEPS 100

static void keep(void) {
  uint64_t mask = 1ull << (SIGCHLD - 1);
  uint64_t action[4] = {0, 0, 0, 0};
  /* Where it is ignored, children would be reaped without us. */
  raw(__NR_rt_sigaction, SIGCHLD, action, 0, 8);
  struct poll_fd fds[2];
  fds[0].fd = KEEPER_SOCKET;
  fds[1].fd = (int)raw(__NR_signalfd4, -1, &mask, 8, O_CLOEXEC | 04000 /* SFD_NONBLOCK */);
  fds[1].events = POLLIN;
  int vain = 0;
  long pause = -1;
  if (is_init) {
    char order;
    long n;
    do n = raw(__NR_read, KEEPER_SOCKET, &order, 1);
    while (n == -EINTR);
    if (n <= 0) leave();
  }
  for (;;) {
    char signals[512];
    while (fds[1].fd >= 0 && raw(__NR_read, fds[1].fd, signals, sizeof signals) > 0) {
    }
    if (!parent_gone) take_orders();
    /* pid 1 takes everything along. */
    if (parent_gone && is_init) leave();
    int left = reap();
    if (!left && !last_pending) leave();
    pause = fds[1].fd < 0 ? 10 : -1;
    if (killing && left) {
      sweep();
      /* Those that were children of children are ours when their parents have been reaped by nobody: again. */
      vain = refused && !hit ? vain + 1 : 0;
      if (vain > MOST_VAIN_SWEEPS && parent_gone) leave();
      pause = vain > 0 ? 10 + vain : 5;
    }
    fds[0].fd = parent_gone ? -1 : KEEPER_SOCKET;
    fds[0].events = last_pending ? POLLIN | POLLOUT : POLLIN;
    wait_for(fds, 2, pause);
  }
}

/* ---- the role watch ------------------------------------------------------------------------------ */

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
static void watch(const char *path) {
  char byte;
  long n;
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

/* ---- the start ------------------------------------------------------------------------------------ */

__attribute__((noreturn, used)) void keeper_main(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  /* Whatever else was inherited is others', who may wait for its end. */
  if (raw(__NR_close_range, KEEPER_SOCKET + 1, ~0u, 0) < 0)
    for (int fd = KEEPER_SOCKET + 1; fd < 65536; fd++) raw(__NR_close, fd);
  raw(__NR_chdir, "/");
  raw(__NR_prctl, PR_SET_NAME, "brood-keeper", 0, 0, 0);
  uint64_t all = ~0ull;
  raw(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, 8);
  if (argc == 3 && is(argv[1], "watch")) {
    watch(argv[2]);
    leave();
  } else if (argc == 3 && (is(argv[1], "keep") || is(argv[1], "init"))) {
    is_init = is(argv[1], "init");
    /* Anywhere else "everyone" would be everyone. */
    if (is_init && raw(__NR_getpid) != 1)
      for (;;) raw(__NR_exit_group, 2);
    command = (int)parse(argv[2]);
    keep();
  }
  for (;;) raw(__NR_exit_group, 2);
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov %rsp, %rdi\n\t"
    "and $-16, %rsp\n\t"
    "call keeper_main\n\t"
    "hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "mov x29, xzr\n\t"
    "mov x0, sp\n\t"
    "bl keeper_main\n\t"
    "brk #0\n");
#endif
