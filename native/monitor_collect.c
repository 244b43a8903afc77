/*
 * What has happened, one batch at a time: states, ends, readiness, and what was captured meanwhile.
 */
#include "monitor_table.h"

#include "exit_status.h"
#include "stop_watch.h"
#include "sys.h"

#define EPOLL_BATCH 192 /* the rest of MONITOR_EVENTS is room for the mailbox */
#define CAPTURE_MUCH ((size_t)1024 * 1024)
#define CAPTURE_TURN ((size_t)1024 * 1024) /* what one pipe may give before the others have their turn */

/* After the reaping the pidfd, and with it the entry, is of use only to reach what is left of a group
 * that the child led. Returns an enum group_left. */
static int keep_or_close(struct monitor *m, uint32_t index, int led_group) {
  struct watch *watch = &m->watches[index];
  int left = led_group ? GROUP_GONE : GROUP_NONE;
  if (led_group) {
    if (sys_pidfd_send_signal(watch->fd, 0, PIDFD_SIGNAL_PROCESS_GROUP) == 0 || errno == EPERM)
      left = GROUP_LEFT;
    else if (errno != ESRCH)
      left = GROUP_LOST;
  }
  if (watch->held && left != GROUP_LEFT) {
    /* Who drives it still has the entry, and gives it back. */
    watch_close_fd(m, watch);
    left = GROUP_LEFT;
  } else if (left == GROUP_LEFT) {
    epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->registered = 0;
  } else {
    watch_close_fd(m, watch);
    watch_give_back(m, index);
  }
  return left;
}

void monitor_keep_child(struct monitor *m, uint32_t index) {
  struct watch *watch = &m->watches[index];
  epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->registered = 0;
  watch->kept = 1;
}

int monitor_kept_ended(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL || watch->reaped || !watch->kept) return GROUP_GONE;
  watch->reaped = 1;
  return keep_or_close(m, index, 1); /* whether it led a group can't be asked any more */
}

/* Reaps one child. Returns the number of records written: 0 where it is readable but not waitable,
 * because someone traces it; the kernel wakes us again when the tracer lets go. */
static int reap(struct monitor *m, uint32_t index, double *event) {
  struct watch *watch = &m->watches[index];
  siginfo_t info;
  struct rusage usage;
  if (watch->reaped || watch->kept) return 0;
  pid_t group = getpgid(watch->pid);
  int result = sys_wait_child(watch->pid, watch->fd, &info, WEXITED | WNOHANG | __WALL, &usage);
  if (result == 0 && info.si_pid == 0) return 0;
  event[FIELD_INDEX] = index;
  event[FIELD_TYPE] = EVENT_CHILD;
  if (result == 0) exit_status_known(&info, &usage, watch->peak, event);
  else exit_status_stolen(watch->fd, event);
  watch->reaped = 1;
  /* Of one that someone else has reaped, its pidfd will tell whether there is a group. */
  event[FIELD_GROUP] = keep_or_close(m, index, group == watch->pid || result != 0);
  return 1;
}

/* Looks at one that is not ours to reap. Its event may come twice: when it ends, and when it is reaped. */
static int look(struct monitor *m, uint32_t index, double *event) {
  struct watch *watch = &m->watches[index];
  event[FIELD_INDEX] = index;
  event[FIELD_TYPE] = EVENT_CHILD;
  exit_status_look(watch->pid, watch->fd, event);
  return 1;
}

static int collect_states(struct monitor *m, double *events, int room) {
  struct state_note note;
  int n = 0;
  while (n < room && mailbox_take(m->mailbox, &note)) {
    struct watch *watch = monitor_watch(m, note.index, WATCH_CHILD);
    if (watch == NULL || watch->generation != note.generation || watch->reaped) continue;
    double *event = events + (size_t)n++ * MONITOR_FIELDS;
    event[FIELD_INDEX] = note.index;
    event[FIELD_TYPE] = EVENT_STATE;
    event[FIELD_CODE] = note.code;
    event[FIELD_STATUS] = note.status;
    event[FIELD_UID] = note.uid;
  }
  return n;
}

/* Keeps what has come. Returns the number of records written: one at the end, and one, as of any pipe, when it is seen that
 * much comes. At its end it is out of the set, which would tell of it again and again. */
static int gather(struct monitor *m, uint32_t index, uint32_t events, double *event) {
  struct watch *watch = &m->watches[index];
  int result = capture_gather(watch->capture, watch->fd, events, CAPTURE_TURN);
  event[FIELD_INDEX] = index;
  if (result == 0) {
    if (watch->much || watch->capture->size < CAPTURE_MUCH) return 0;
    watch->much = 1;
    event[FIELD_TYPE] = EVENT_PIPE;
    event[FIELD_CODE] = EPOLLIN;
    return 1;
  }
  epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->registered = 0;
  event[FIELD_TYPE] = EVENT_CAPTURED;
  event[FIELD_STATUS] = result < 0 ? -result : 0;
  event[FIELD_UTIME] = watch->capture->moved_at;
  return 1;
}

/* The entry that an event is for; NULL: it has gone, or it is the mailbox. */
static const struct watch *entry_of(const struct monitor *m, uint64_t key) {
  uint32_t index = (uint32_t)key;
  if (key == KEY_MAILBOX || index >= m->n_watches || watch_key(m, index) != key) return NULL;
  return &m->watches[index];
}

int monitor_collect(struct monitor *m) {
  struct epoll_event ready[EPOLL_BATCH];
  int n_ready, n = 0, states = 0;
  do n_ready = sys_epoll_wait(m->epoll, ready, EPOLL_BATCH, 0);
  while (n_ready < 0 && errno == EINTR);
  if (n_ready < 0) return -errno;
  /* States first: those of a child come before its end, and are dropped after it. */
  for (int i = 0; i < n_ready; i++)
    if (ready[i].data.u64 == KEY_MAILBOX) states = 1;
  if (states) n = collect_states(m, m->events, MONITOR_EVENTS - EPOLL_BATCH);
  /* A look before the reaping: the process may be a child of ours, too. */
  for (int i = 0; m->n_processes > 0 && i < n_ready; i++) {
    const struct watch *watch = entry_of(m, ready[i].data.u64);
    if (watch == NULL || watch->kind != WATCH_PROCESS) continue;
    n += look(m, (uint32_t)ready[i].data.u64, m->events + (size_t)n * MONITOR_FIELDS);
  }
  /* Before the ends of their children, which wait for theirs. */
  for (int i = 0; m->n_captures > 0 && i < n_ready; i++) {
    const struct watch *watch = entry_of(m, ready[i].data.u64);
    if (watch == NULL || watch->capture == NULL) continue;
    n += gather(m, (uint32_t)ready[i].data.u64, ready[i].events, m->events + (size_t)n * MONITOR_FIELDS);
  }
  for (int i = 0; i < n_ready; i++) {
    const struct watch *watch = entry_of(m, ready[i].data.u64);
    if (watch == NULL || watch->capture != NULL) continue;
    uint32_t index = (uint32_t)ready[i].data.u64;
    double *event = m->events + (size_t)n * MONITOR_FIELDS;
    if (m->watches[index].kind == WATCH_CHILD) {
      n += reap(m, index, event);
    } else if (m->watches[index].kind == WATCH_PIPE || m->watches[index].kind == WATCH_HOST) {
      event[FIELD_INDEX] = index;
      event[FIELD_TYPE] = m->watches[index].kind == WATCH_PIPE ? EVENT_PIPE : EVENT_HOST;
      event[FIELD_CODE] = ready[i].events;
      if (ready[i].events & EPOLLIN) m->watches[index].moved_at = sys_clock_ms();
      n++;
    }
  }
  return n;
}
