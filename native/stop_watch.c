/* See stop_watch.h. waitid(2): WSTOPPED, WCONTINUED, WNOWAIT. */
#include "stop_watch.h"

#include <stdlib.h>

#include "sys.h"

struct mailbox {
  pthread_mutex_t lock;
  int holders; /* the monitor and each thread */
  int open;
  int event;
  struct state_note *notes; /* those from `taken` to `count` are to be taken */
  size_t taken;
  size_t count;
  size_t room;
};

struct stop_watch {
  struct mailbox *mailbox;
  int pidfd;
  uint32_t index;
  uint32_t generation;
};

int mailbox_open(struct mailbox **result) {
  struct mailbox *box = sys_malloc(sizeof *box);
  if (box == NULL) return ENOMEM;
  box->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (box->event < 0) {
    int error = errno;
    free(box);
    return error;
  }
  pthread_mutex_init(&box->lock, NULL);
  box->holders = 1;
  box->open = 1;
  box->notes = NULL;
  box->taken = box->count = box->room = 0;
  *result = box;
  return 0;
}

int mailbox_fd(const struct mailbox *box) { return box->event; }

int mailbox_take(struct mailbox *box, struct state_note *note) {
  pthread_mutex_lock(&box->lock);
  int some = box->taken < box->count;
  if (some) *note = box->notes[box->taken++];
  if (box->taken == box->count) {
    uint64_t posted;
    box->taken = box->count = 0;
    if (read(box->event, &posted, sizeof posted) < 0) {
      /* Empty already. */
    }
  }
  pthread_mutex_unlock(&box->lock);
  return some;
}

/* gcc 12's analyzer forgets what a struct reached through a pointer holds, and calls it a leak. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int grow(struct mailbox *box) {
  size_t room = box->room == 0 ? 16 : box->room * 2;
  struct state_note *notes = realloc(box->notes, room * sizeof *notes);
  if (notes == NULL) return -1;
  box->notes = notes;
  box->room = room;
  return 0;
}
#pragma GCC diagnostic pop

/* A note that there is no memory for is lost, as the kernel would merge it with the next. */
static void post(struct stop_watch *watch, const siginfo_t *info) {
  struct mailbox *box = watch->mailbox;
  pthread_mutex_lock(&box->lock);
  if (box->open && (box->count < box->room || grow(box) == 0)) {
    uint64_t one = 1;
    box->notes[box->count++] = (struct state_note){watch->index, watch->generation, info->si_code,
                                                   info->si_status, info->si_uid};
    if (write(box->event, &one, sizeof one) < 0) {
      /* The counter is full: readable all the same. */
    }
  }
  pthread_mutex_unlock(&box->lock);
}

static void leave(struct mailbox *box) {
  pthread_mutex_lock(&box->lock);
  int holders = --box->holders;
  pthread_mutex_unlock(&box->lock);
  if (holders > 0) return;
  pthread_mutex_destroy(&box->lock);
  free(box->notes);
  free(box);
}

void mailbox_close(struct mailbox *box) {
  pthread_mutex_lock(&box->lock);
  box->open = 0;
  close(box->event);
  pthread_mutex_unlock(&box->lock);
  leave(box);
}

/*
 * Looks (WNOWAIT) for whatever comes, then takes stops and continues only: the end is left for the
 * monitor to reap. Between the look and the taking the state may have changed again; what was
 * taken is what is told. The kernel itself merges a stop and a continue that follow too fast.
 */
static void *run(void *argument) {
  struct stop_watch *watch = argument;
  const int changes = WSTOPPED | WCONTINUED;
  for (;;) {
    siginfo_t info;
    info.si_pid = 0;
    int result = sys_waitid(P_PIDFD, watch->pidfd, &info,
                            changes | WEXITED | WNOWAIT | __WALL, NULL);
    if (result != 0 && errno == EINTR) continue;
    if (result != 0) break; /* reaped */
    if (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
      break;
    info.si_pid = 0;
    if (sys_waitid(P_PIDFD, watch->pidfd, &info, changes | WNOHANG | __WALL, NULL) == 0 &&
        info.si_pid != 0)
      post(watch, &info);
  }
  close(watch->pidfd);
  leave(watch->mailbox);
  free(watch);
  return NULL;
}

int stop_watch_start(struct mailbox *box, int pidfd, uint32_t index, uint32_t generation) {
  struct stop_watch *watch = sys_malloc(sizeof *watch);
  if (watch == NULL) return ENOMEM;
  *watch = (struct stop_watch){box, sys_fcntl(pidfd, F_DUPFD_CLOEXEC, 0), index, generation};
  int error = watch->pidfd < 0 ? errno : 0;
  if (error == 0) {
    pthread_mutex_lock(&box->lock);
    box->holders++;
    pthread_mutex_unlock(&box->lock);
    error = sys_start_thread(run, watch);
    if (error == 0) return 0;
    close(watch->pidfd);
    leave(box);
  }
  free(watch);
  return error;
}
