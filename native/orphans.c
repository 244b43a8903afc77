/* See orphans.h. */
#include "orphans.h"

#include <pthread.h>

#include "sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int epoll = -1;
static int alive; /* while there are any, there is a thread and an epoll set */

static int reap(int pidfd) {
  siginfo_t info;
  int result;
  do {
    info.si_pid = 0;
    result = sys_waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | __WALL, NULL);
  } while (result != 0 && errno == EINTR);
  return result != 0 || info.si_pid != 0;
}

static void *run(void *unused) {
  int more = 1;
  while (more) {
    struct epoll_event ready[64];
    int n = epoll_wait(epoll, ready, 64, -1);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < n; i++) {
      int pidfd = (int)ready[i].data.u64;
      if (!reap(pidfd)) continue; /* traced: the kernel wakes us again */
      epoll_ctl(epoll, EPOLL_CTL_DEL, pidfd, NULL);
      close(pidfd);
      alive--;
    }
    if (alive == 0) {
      close(epoll);
      epoll = -1;
      more = 0;
    }
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static int start(void) {
  pthread_t thread;
  pthread_attr_t attributes;
  sigset_t all, before;
  epoll = sys_epoll_create();
  if (epoll < 0) return errno;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 128 * 1024);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = pthread_create(&thread, &attributes, run, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  if (error != 0) {
    close(epoll);
    epoll = -1;
  }
  return error;
}

void orphans_adopt(int pidfd) {
  pthread_mutex_lock(&lock);
  if (reap(pidfd)) {
    close(pidfd);
  } else if (alive == 0 && start() != 0) {
    close(pidfd); /* no thread to be had: a zombie until the process ends */
  } else if (sys_epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, EPOLLIN | EPOLLET, (uint64_t)pidfd) == 0) {
    alive++;
  } else {
    close(pidfd);
  }
  pthread_mutex_unlock(&lock);
}
