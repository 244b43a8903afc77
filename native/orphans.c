/* See orphans.h. */
#include "orphans.h"

#include "sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int epoll = -1;
static int running; /* there is a thread, and an epoll set for it */
static int alive;   /* when none is left, it ends */

/* Key of the epoll set: both numbers. The pid serves where waiting by pidfd is refused. */
static uint64_t key_of(pid_t pid, int pidfd) { return (uint64_t)(uint32_t)pid << 32 | (uint32_t)pidfd; }

static int reap(pid_t pid, int pidfd) {
  siginfo_t info;
  int result = sys_wait_child(pid, pidfd, &info, WEXITED | WNOHANG | __WALL, NULL);
  return result != 0 || info.si_pid != 0;
}

static void *run(void *unused) {
  int more = 1;
  while (more) {
    struct epoll_event ready[64];
    int n = epoll_wait(epoll, ready, 64, -1);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n; i++) {
      int pidfd = (int)(uint32_t)ready[i].data.u64;
      if (!reap((pid_t)(ready[i].data.u64 >> 32), pidfd)) continue; /* traced: the kernel wakes us again */
      epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, NULL);
      close(pidfd);
      alive--;
    }
    if (alive == 0) {
      close(epoll);
      epoll = -1;
      running = more = 0;
    }
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static int start(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  if (running) return 0;
  epoll = sys_epoll_create();
  if (epoll < 0) return errno;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = sys_pthread_create(&thread, &attributes, run, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error == 0) {
    running = 1;
  } else {
    close(epoll);
    epoll = -1;
  }
  return error;
}

void orphans_adopt(pid_t pid, int pidfd) {
  pthread_mutex_lock(&lock);
  if (reap(pid, pidfd)) {
    close(pidfd);
  } else if (start() == 0 && sys_epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, EPOLLIN | EPOLLET,
                                           key_of(pid, pidfd)) == 0) {
    alive++;
  } else {
    close(pidfd); /* no thread or memory to be had: a zombie until the process ends */
  }
  pthread_mutex_unlock(&lock);
}

void orphans_end(pid_t pid, int pidfd) {
  siginfo_t info;
  /* One that has changed its user is beyond our reach: its end can't be waited for here. */
  if (sys_signal_child(pid, pidfd, SIGKILL) != 0 && errno != ESRCH) {
    orphans_adopt(pid, pidfd);
    return;
  }
  sys_wait_child(pid, pidfd, &info, WEXITED | __WALL, NULL);
  close(pidfd);
}
