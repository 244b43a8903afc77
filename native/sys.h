/*
 * The one system-call seam of the parent half.
 *
 * Every call whose failure has to be handled, and that a test can't make the kernel refuse at will,
 * goes through a sys_... function here. In an ordinary build each is the plain call; a build with
 * -DBROOD_FAULTS (make faults) asks sys_fault() first, which tests program to fail the n-th call.
 *
 * The child half has its own raw calls (raw_syscall.h) and no seam.
 */
#ifndef BROOD_SYS_H
#define BROOD_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/types.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif
#ifndef SYS_clone3
#define SYS_clone3 435
#endif

#define SYS_CALLS(X) \
  X(pipe2) X(socketpair) X(fcntl) X(mmap) X(malloc) X(clone) X(pidfd_open) X(waitid) X(epoll_create) \
  X(epoll_ctl) X(epoll_wait) X(read) X(write) X(pidfd_send_signal) X(pthread_create) X(realloc) \
  X(ppoll) X(sendmsg) X(recvmsg) X(madvise)

enum sys_call {
#define X(name) SYS_CALL_##name,
  SYS_CALLS(X)
#undef X
      SYS_CALL_COUNT
};

#ifdef BROOD_FAULTS
/* Returns the errno that this call is to fail with, or 0. Defined in sys_fault.c. */
int sys_fault(enum sys_call call);
int sys_fault_inject(const char *name, int skip, int count, int error);
#define SYS_FAULT(name, failed)                 \
  do {                                          \
    int sys_error = sys_fault(SYS_CALL_##name); \
    if (sys_error != 0) {                       \
      errno = sys_error;                        \
      return failed;                            \
    }                                           \
  } while (0)
#else
#define SYS_FAULT(name, failed) \
  do {                          \
  } while (0)
#endif

static inline int sys_pipe2(int fds[2], int flags) {
  SYS_FAULT(pipe2, -1);
  return pipe2(fds, flags);
}

static inline int sys_socketpair(int type, int fds[2]) {
  SYS_FAULT(socketpair, -1);
  return socketpair(AF_UNIX, type, 0, fds);
}

static inline int sys_fcntl(int fd, int command, long argument) {
  SYS_FAULT(fcntl, -1);
  return fcntl(fd, command, argument);
}

static inline void *sys_mmap(size_t length, int protection, int flags) {
  SYS_FAULT(mmap, MAP_FAILED);
  return mmap(NULL, length, protection, flags, -1, 0);
}

static inline void *sys_malloc(size_t size) {
  SYS_FAULT(malloc, NULL);
  return malloc(size);
}

static inline void *sys_realloc(void *memory, size_t size) {
  SYS_FAULT(realloc, NULL);
  return realloc(memory, size);
}

static inline int sys_madvise(void *start, size_t size, int advice) {
  SYS_FAULT(madvise, -1);
  return madvise(start, size, advice);
}

static inline int sys_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *time) {
  SYS_FAULT(ppoll, -1);
  return ppoll(fds, n, time, NULL);
}

static inline int sys_pidfd_open(pid_t pid) {
  SYS_FAULT(pidfd_open, -1);
  return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_send_signal(int pidfd, int signal, unsigned flags) {
  SYS_FAULT(pidfd_send_signal, -1);
  return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, flags);
}

/* The kernel's waitid(2), whose fifth argument libc's hides. */
static inline int sys_waitid(int type, int id, siginfo_t *info, int options, struct rusage *usage) {
  SYS_FAULT(waitid, -1);
  return (int)syscall(SYS_waitid, type, id, info, options, usage);
}

static inline int sys_epoll_create(void) {
  SYS_FAULT(epoll_create, -1);
  return epoll_create1(EPOLL_CLOEXEC);
}

static inline int sys_epoll_ctl(int epoll, int operation, int fd, uint32_t events, uint64_t key) {
  SYS_FAULT(epoll_ctl, -1);
  struct epoll_event event = {.events = events, .data = {.u64 = key}};
  return epoll_ctl(epoll, operation, fd, &event);
}

static inline int sys_epoll_wait(int epoll, struct epoll_event *events, int most, int timeout) {
  SYS_FAULT(epoll_wait, -1);
  return epoll_wait(epoll, events, most, timeout);
}

static inline ssize_t sys_read(int fd, void *data, size_t size) {
  SYS_FAULT(read, -1);
  return read(fd, data, size);
}

static inline ssize_t sys_write(int fd, const void *data, size_t size) {
  SYS_FAULT(write, -1);
  return write(fd, data, size);
}

/* The faults of write(2) are its own, too. */
static inline ssize_t sys_writev(int fd, const struct iovec *parts, int count) {
  SYS_FAULT(write, -1);
  return writev(fd, parts, count);
}

static inline ssize_t sys_sendmsg(int fd, const struct msghdr *message, int flags) {
  SYS_FAULT(sendmsg, -1);
  return sendmsg(fd, message, flags);
}

static inline ssize_t sys_recvmsg(int fd, struct msghdr *message, int flags) {
  SYS_FAULT(recvmsg, -1);
  return recvmsg(fd, message, flags);
}

static inline int sys_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                                     void *(*run)(void *), void *argument) {
#ifdef BROOD_FAULTS
  int error = sys_fault(SYS_CALL_pthread_create);
  if (error != 0) return error;
#endif
  return pthread_create(thread, attributes, run, argument);
}

/* Signals a child of ours that has not been reaped. By number where the call is filtered (ENOSYS,
 * EPERM) or older than Linux 5.1: its number is its own until then. Never by 0 or less, which would be everyone. */
static inline int sys_signal_child(pid_t pid, int pidfd, int signal) {
  int result = sys_pidfd_send_signal(pidfd, signal, 0);
  if (result != 0 && pid > 0 && (errno == ENOSYS || errno == EPERM)) result = kill(pid, signal);
  return result;
}

/* Waits for one child of ours by its pidfd; by its number where there is none (-1) or that is refused.
 * ECHILD is an answer, not a refusal. */
static inline int sys_wait_child(pid_t pid, int pidfd, siginfo_t *info, int options,
                                 struct rusage *usage) {
  int result;
  info->si_pid = 0;
  if (pidfd >= 0) {
    do result = sys_waitid(P_PIDFD, pidfd, info, options, usage);
    while (result != 0 && errno == EINTR);
    if (result == 0 || errno == ECHILD) return result;
  }
  do result = sys_waitid(P_PID, pid, info, options, usage);
  while (result != 0 && errno == EINTR);
  return result;
}

/* Blocks the signals of this thread, and so of one that it starts, but for the two by which libc calls its threads; gives
 * the mask before. Raw, as libc would let those two through when it is put back. */
static inline uint64_t sys_block_signals(void) {
  uint64_t all = ~(3ull << 31), before = 0;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &before, sizeof before);
  return before;
}

static inline void sys_unblock_signals(uint64_t before) {
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &before, NULL, sizeof before);
}

/* Starts a thread that nobody waits for, with a small stack and its signals blocked. Returns 0 or an errno. */
static inline int sys_start_thread(void *(*run)(void *), void *argument) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  uint64_t before = sys_block_signals();
  int error = sys_pthread_create(&thread, &attributes, run, argument);
  sys_unblock_signals(before);
  pthread_attr_destroy(&attributes);
  return error;
}

/* Milliseconds of the monotonic clock. */
static inline int64_t sys_now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The same, with its fractions. */
static inline double sys_clock_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Whether a child has ended, zombies included, without reaping it: a pidfd polls readable then. */
static inline int sys_pidfd_ended(int pidfd) {
  struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
  int n;
  do n = poll(&poll_fd, 1, 0);
  while (n < 0 && errno == EINTR);
  return n > 0;
}

#endif
