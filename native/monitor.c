/*
 * See monitor.h. The life of an exit: the kernel makes the pidfd readable, the epoll set becomes
 * readable, the delivery calls ready(), monitor_collect() reaps everything that has ended before
 * the first callback runs, JavaScript is called once with all of it.
 *
 * Here is the table. monitor_add.c has what enters it, monitor_collect.c what is told of it, monitor_signal.c the signals,
 * monitor_end.c the end of the environment.
 */
#include "monitor_table.h"

#include <stdlib.h>
#include <string.h>

#include "host_link.h"
#include "sys.h"

uint64_t watch_key(const struct monitor *m, uint32_t index) {
  return (uint64_t)m->watches[index].generation << 32 | index;
}

int64_t watch_take(struct monitor *m) {
  if (m->free == NO_WATCH) {
    uint32_t more = m->n_watches == 0 ? 64 : m->n_watches * 2;
    struct watch *watches = sys_realloc(m->watches, more * sizeof *watches);
    if (watches == NULL) return -ENOMEM;
    memset(watches + m->n_watches, 0, (more - m->n_watches) * sizeof *watches);
    m->watches = watches;
    for (uint32_t i = more; i-- > m->n_watches;) {
      watches[i].next = m->free;
      m->free = i;
    }
    m->n_watches = more;
  }
  uint32_t index = m->free;
  struct watch *watch = &m->watches[index];
  m->free = watch->next;
  uint32_t generation = watch->generation + 1;
  memset(watch, 0, sizeof *watch);
  watch->generation = generation;
  return index;
}

void watch_drop_capture(struct monitor *m, struct watch *watch) {
  if (watch->capture == NULL) return;
  capture_drop(watch->capture);
  free(watch->capture);
  watch->capture = NULL;
  m->n_captures--;
}

void watch_give_back(struct monitor *m, uint32_t index) {
  struct watch *watch = &m->watches[index];
  watch_drop_capture(m, watch);
  watch->kind = WATCH_FREE;
  watch->fd = -1;
  watch->next = m->freed;
  m->freed = index;
}

void monitor_settle(struct monitor *m) {
  while (m->freed != NO_WATCH) {
    uint32_t index = m->freed;
    m->freed = m->watches[index].next;
    m->watches[index].next = m->free;
    m->free = index;
  }
}

struct watch *monitor_watch(struct monitor *m, uint32_t index, int kind) {
  if (index >= m->n_watches || m->watches[index].kind != kind) return NULL;
  return &m->watches[index];
}

/* Out of the epoll set before the close: a copy of the fd in a child that has not exec'ed yet would
 * keep the registration alive. */
void watch_close_fd(struct monitor *m, struct watch *watch) {
  if (watch->fd < 0) return;
  if (watch->link != NULL) host_link_close(watch->link, watch->fd);
  watch->link = NULL;
  if (watch->registered) epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->registered = 0;
  close(watch->fd);
  watch->fd = -1;
}

int monitor_open(struct monitor *m) {
  m->free = m->freed = NO_WATCH;
  m->epoll = sys_epoll_create();
  return m->epoll < 0 ? -errno : 0;
}

int monitor_remove(struct monitor *m, uint32_t index) {
  if (index >= m->n_watches || m->watches[index].kind == WATCH_FREE) return -EBADF;
  struct watch *watch = &m->watches[index];
  if (watch->kind == WATCH_CHILD && !watch->reaped) return -EBUSY;
  if (watch->kind == WATCH_PROCESS) m->n_processes--;
  watch_close_fd(m, watch);
  watch_give_back(m, index);
  return 0;
}
