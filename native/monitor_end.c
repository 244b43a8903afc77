/*
 * The end of an environment, for its children: a signal, a grace, SIGKILL, or the orphans' reaper.
 */
#include "monitor_table.h"

#include <stdlib.h>

#include "orphans.h"
#include "stop_watch.h"
#include "sys.h"

struct deadline {
  int64_t kill_at;
  uint32_t index;
};

static int by_time(const void *a, const void *b) {
  int64_t one = ((const struct deadline *)a)->kill_at, other = ((const struct deadline *)b)->kill_at;
  return one < other ? -1 : one > other;
}

static void wait_or_kill(struct watch *watch) {
  for (;;) {
    int64_t left = watch->kill_at - sys_now_ms();
    struct pollfd end = {.fd = watch->fd, .events = POLLIN};
    int ended = poll(&end, 1, left > 0 ? (int)left : 0);
    if (ended > 0) return;
    if (ended < 0 && errno == EINTR) continue;
    sys_signal_child(watch->pid, watch->fd, SIGKILL);
    return;
  }
}

/* One after the other in the order of their deadlines: the turn of each comes in time. */
static void wait_for_cleaned(struct monitor *m) {
  struct deadline *deadlines = sys_malloc((m->n_watches + 1) * sizeof *deadlines);
  size_t n = 0;
  for (uint32_t i = 0; i < m->n_watches; i++) {
    struct watch *watch = &m->watches[i];
    if (watch->kind != WATCH_CHILD || watch->reaped || !watch->cleaned || watch->kill_at < 0) continue;
    if (deadlines == NULL) wait_or_kill(watch); /* without memory: in any order, killed no sooner */
    else deadlines[n++] = (struct deadline){watch->kill_at, i};
  }
  if (n > 0) qsort(deadlines, n, sizeof *deadlines, by_time);
  for (size_t i = 0; i < n; i++) wait_or_kill(&m->watches[deadlines[i].index]);
  free(deadlines);
}

int monitor_cleanup(struct monitor *m, int wait) {
  int n = 0;
  for (uint32_t i = 0; i < m->n_watches; i++) {
    struct watch *watch = &m->watches[i];
    if (watch->kind != WATCH_CHILD || watch->reaped || watch->cleanup.signal == 0) continue;
    if (monitor_signal(m, i, watch->cleanup.signal, 1) == 1) n++;
  }
  if (wait) wait_for_cleaned(m);
  return n;
}

/* To the orphans' reaper, with what is left of its grace. */
static void hand_over(struct monitor *m, struct watch *watch) {
  int64_t left = watch->cleaned && watch->kill_at >= 0 ? watch->kill_at - sys_now_ms() : -1;
  if (watch->cleaned && watch->kill_at >= 0 && left < 0) left = 0;
  epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  orphans_adopt(watch->kept ? -1 : watch->pid, watch->fd, (int)left);
  watch->fd = -1;
  watch->registered = 0;
}

void monitor_abandon(struct monitor *m) {
  m->delivery->halt(m);
  monitor_cleanup(m, 0);
  for (uint32_t i = 0; i < m->n_watches; i++) {
    struct watch *watch = &m->watches[i];
    if (watch->kind != WATCH_CHILD || watch->reaped) continue;
    hand_over(m, watch);
    watch->reaped = 1; /* as far as this table is concerned */
  }
}

void monitor_close_links(struct monitor *m) {
  for (uint32_t i = 0; i < m->n_watches; i++)
    if (m->watches[i].kind == WATCH_HOST) watch_close_fd(m, &m->watches[i]);
}

void monitor_close(struct monitor *m, int process_ends) {
  if (m->epoll < 0) return;
  monitor_cleanup(m, process_ends);
  for (uint32_t i = 0; i < m->n_watches; i++) {
    struct watch *watch = &m->watches[i];
    if (watch->kind == WATCH_FREE) continue;
    if (watch->kind == WATCH_CHILD && !watch->reaped && !process_ends) hand_over(m, watch);
    watch_close_fd(m, watch);
    watch_drop_capture(m, watch);
  }
  if (m->mailbox != NULL) mailbox_close(m->mailbox);
  m->mailbox = NULL;
  close(m->epoll);
  m->epoll = -1;
  free(m->watches);
  m->watches = NULL;
  m->n_watches = 0;
  launch_stack_free(&m->stack);
}

void monitor_end_child(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL || watch->reaped) return;
  epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  if (watch->kept) {
    sys_pidfd_send_signal(watch->fd, SIGKILL, 0);
    close(watch->fd);
  } else {
    orphans_end(watch->pid, watch->fd);
  }
  watch->fd = -1;
  watch_give_back(m, index);
}
