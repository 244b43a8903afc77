/* See orphans.h. */
#include "orphans.h"

#include "sys.h"

struct orphan {
  pid_t pid;
  int pidfd;
  int64_t kill_at; /* sys_now_ms(), -1: never */
  struct orphan *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct orphan *orphans; /* while there are any, a thread waits for them */
static int running;
static pthread_cond_t tended = PTHREAD_COND_INITIALIZER;
static pid_t awaited; /* in this process exit(3) waits */
static int epoll = -1;
static int wake = -1; /* an eventfd in the set: a deadline has come that the thread does not know */

/* 1: it has ended, and is reaped, or it is not ours to reap. 0: it lives, or someone traces it. */
static int is_over(pid_t pid, int pidfd, int to_be_killed) {
  siginfo_t info;
  if (pid < 0) return !to_be_killed || sys_pidfd_ended(pidfd);
  int result = sys_wait_child(pid, pidfd, &info, WEXITED | WNOHANG | __WALL, NULL);
  return result != 0 || info.si_pid != 0;
}

/* Reaps what has ended, kills what has had its time. Returns how long to sleep, -1: until an event. */
static int tend(void) {
  int64_t now = sys_now_ms(), sleep = -1;
  for (struct orphan **link = &orphans; *link != NULL;) {
    struct orphan *orphan = *link;
    if (orphan->kill_at >= 0 && orphan->kill_at <= now) {
      sys_signal_child(orphan->pid, orphan->pidfd, SIGKILL);
      orphan->kill_at = -1;
    }
    if (is_over(orphan->pid, orphan->pidfd, orphan->kill_at >= 0)) {
      *link = orphan->next;
      epoll_ctl(epoll, EPOLL_CTL_DEL, orphan->pidfd, NULL);
      close(orphan->pidfd);
      free(orphan);
      continue;
    }
    if (orphan->kill_at >= 0 && (sleep < 0 || orphan->kill_at - now < sleep))
      sleep = orphan->kill_at - now;
    link = &orphan->next;
  }
  return (int)sleep;
}

static void *run(void *unused) {
  int more = 1, timeout = 0;
  while (more) {
    struct epoll_event ready[16];
    epoll_wait(epoll, ready, 16, timeout);
    pthread_mutex_lock(&lock);
    uint64_t count;
    if (read(wake, &count, sizeof count) < 0) {
      /* It was another event. */
    }
    timeout = tend();
    pthread_cond_broadcast(&tended);
    if (orphans == NULL) {
      close(epoll);
      close(wake);
      epoll = wake = -1;
      running = more = 0;
    }
    pthread_mutex_unlock(&lock);
  }
  return unused;
}

static int start(void) {
  if (running) return 0;
  epoll = sys_epoll_create();
  if (epoll < 0) return errno;
  wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int error = wake < 0 || sys_epoll_ctl(epoll, EPOLL_CTL_ADD, wake, EPOLLIN, 0) != 0 ? errno : 0;
  if (error == 0) error = sys_start_thread(run, NULL);
  if (error == 0) {
    running = 1;
  } else {
    if (wake >= 0) close(wake);
    close(epoll);
    epoll = wake = -1;
  }
  return error;
}

/* Runs in: exit(3), when the workers have ended; or the main thread. Meanwhile the thread goes on, which a copy of this process, by
 * fork(2), does not have. */
void orphans_await(void) {
  if (getpid() != awaited) return;
  pthread_mutex_lock(&lock);
  for (struct orphan *orphan = orphans; orphan != NULL;) {
    if (orphan->kill_at < 0) {
      orphan = orphan->next;
      continue;
    }
    pthread_cond_wait(&tended, &lock);
    orphan = orphans;
  }
  pthread_mutex_unlock(&lock);
}

/* gcc 12's analyzer forgets what a list reached through a global holds, and calls it a leak. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int add(pid_t pid, int pidfd, int kill_after) {
  struct orphan *orphan = sys_malloc(sizeof *orphan);
  if (orphan == NULL) return ENOMEM;
  int error = start();
  if (error == 0 && sys_epoll_ctl(epoll, EPOLL_CTL_ADD, pidfd, EPOLLIN | EPOLLET, 0) != 0)
    error = errno;
  if (error != 0) {
    free(orphan);
    return error;
  }
  int64_t kill_at = kill_after < 0 ? -1 : sys_now_ms() + kill_after;
  if (kill_at >= 0 && awaited == 0 && atexit(orphans_await) == 0) awaited = getpid();
  *orphan = (struct orphan){pid, pidfd, kill_at, orphans};
  orphans = orphan;
  uint64_t one = 1;
  if (write(wake, &one, sizeof one) < 0) {
    /* The counter is full: readable all the same. */
  }
  return 0;
}
#pragma GCC diagnostic pop

void orphans_adopt(pid_t pid, int pidfd, int kill_after) {
  pthread_mutex_lock(&lock);
  /* Without a thread or memory to be had it is a zombie, when it ends, until the process does. */
  if (is_over(pid, pidfd, kill_after >= 0) || add(pid, pidfd, kill_after) != 0) close(pidfd);
  pthread_mutex_unlock(&lock);
}

void orphans_end(pid_t pid, int pidfd) {
  siginfo_t info;
  /* One that has changed its user is beyond our reach: its end can't be waited for here. */
  if (sys_signal_child(pid, pidfd, SIGKILL) != 0 && errno != ESRCH) {
    orphans_adopt(pid, pidfd, -1);
    return;
  }
  sys_wait_child(pid, pidfd, &info, WEXITED | __WALL, NULL);
  close(pidfd);
}
