/*
 * What the keeper and the watcher of cgroups have in common: the kernel's values, and text without a libc. Freestanding;
 * not to be included together with libc's headers.
 */
#ifndef BROOD_KEEPER_CALLS_H
#define BROOD_KEEPER_CALLS_H

#include <linux/errno.h>
#include <linux/prctl.h>
#include <stddef.h>
#include <stdint.h>

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

__attribute__((noreturn)) static inline void leave(void) {
  for (;;) raw(__NR_exit_group, 0);
}

/* The beginning of either: whatever else was inherited is others', who may wait for its end. */
static inline void settle_in(int first_fd) {
  uint64_t all = ~0ull;
  if (raw(__NR_close_range, first_fd, ~0u, 0) < 0)
    for (int fd = first_fd; fd < 65536; fd++) raw(__NR_close, fd);
  raw(__NR_chdir, "/");
  raw(__NR_prctl, PR_SET_NAME, "brood-keeper", 0, 0, 0);
  raw(__NR_rt_sigprocmask, 2 /* SIG_SETMASK */, &all, 0, 8);
}

static inline long parse(const char *text) {
  long value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

static inline char *put_text(char *to, const char *text) {
  while (*text != 0) *to++ = *text++;
  *to = 0;
  return to;
}

static inline char *put_number(char *to, long value) {
  char digits[20];
  int n = 0;
  do digits[n++] = (char)('0' + value % 10);
  while ((value /= 10) > 0);
  while (n > 0) *to++ = digits[--n];
  *to = 0;
  return to;
}

static inline int is(const char *text, const char *other) {
  for (; *text == *other; text++, other++)
    if (*text == 0) return 1;
  return 0;
}

static inline void sleep_ms(long ms) {
  struct time pause;
  pause.seconds = 0;
  pause.nanoseconds = ms * 1000000;
  raw(__NR_nanosleep, &pause, 0);
}

/* Waits for any of the fds, or so many milliseconds (-1: for ever). */
static inline void wait_for(struct poll_fd *fds, unsigned n, long ms) {
  struct time time;
  time.seconds = ms / 1000;
  time.nanoseconds = ms % 1000 * 1000000;
  for (unsigned i = 0; i < n; i++) fds[i].revents = 0;
  raw(__NR_ppoll, fds, n, ms < 0 ? 0 : &time, 0, 8);
}

#endif
