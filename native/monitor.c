/*
 * See monitor.h. The life of an exit: the kernel makes the pidfd readable, the epoll set becomes
 * readable, the delivery calls ready(), monitor_collect() reaps everything that has ended before
 * the first callback runs, JavaScript is called once with all of it.
 */
#include "monitor.h"

#include <stdlib.h>
#include <string.h>

#include "exit_status.h"
#include "host_link.h"
#include "orphans.h"
#include "stop_watch.h"
#include "sys.h"

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2)
#endif

#define KEY_MAILBOX UINT64_MAX
#define EPOLL_BATCH 192 /* the rest of MONITOR_EVENTS is room for the mailbox */
#define CAPTURE_MUCH ((size_t)1024 * 1024)
#define CAPTURE_TURN ((size_t)1024 * 1024) /* what one pipe may give before the others have their turn */

/* ---- the table ---------------------------------------------------------------------------------- */

static uint64_t key_of(const struct monitor *m, uint32_t index) {
  return (uint64_t)m->watches[index].generation << 32 | index;
}

static int64_t take(struct monitor *m) {
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

static void drop_capture(struct monitor *m, struct watch *watch) {
  if (watch->capture == NULL) return;
  capture_drop(watch->capture);
  free(watch->capture);
  watch->capture = NULL;
  m->n_captures--;
}

static void give_back(struct monitor *m, uint32_t index) {
  struct watch *watch = &m->watches[index];
  drop_capture(m, watch);
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
static void close_fd(struct monitor *m, struct watch *watch) {
  if (watch->fd < 0) return;
  if (watch->link != NULL) host_link_close(watch->link, watch->fd);
  watch->link = NULL;
  if (watch->registered) epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
  watch->registered = 0;
  close(watch->fd);
  watch->fd = -1;
}

/* ---- opening and closing ------------------------------------------------------------------------ */

int monitor_open(struct monitor *m) {
  m->free = m->freed = NO_WATCH;
  m->epoll = sys_epoll_create();
  return m->epoll < 0 ? -errno : 0;
}

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

/* It has its signal, once: to many a program a second one means "at once". */
static void mark_cleaned(struct watch *watch) {
  watch->cleanup.signal = 0;
  watch->cleaned = 1;
  watch->kill_at = watch->cleanup.grace < 0 ? -1 : sys_now_ms() + watch->cleanup.grace;
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
  orphans_adopt(watch->pid, watch->fd, (int)left);
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

void monitor_close(struct monitor *m, int process_ends) {
  if (m->epoll < 0) return;
  monitor_cleanup(m, process_ends);
  for (uint32_t i = 0; i < m->n_watches; i++) {
    struct watch *watch = &m->watches[i];
    if (watch->kind == WATCH_FREE) continue;
    if (watch->kind == WATCH_CHILD && !watch->reaped && !process_ends) hand_over(m, watch);
    close_fd(m, watch);
    drop_capture(m, watch);
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

static struct watch *fill(struct monitor *m, int64_t index, int kind, pid_t pid, int pidfd,
                          struct cleanup cleanup) {
  struct watch *watch = &m->watches[index];
  watch->kind = (uint8_t)kind;
  watch->fd = pidfd;
  watch->pid = pid;
  watch->peak = -1;
  watch->cleanup = cleanup;
  return watch;
}

/* The pidfd is the entry's on success, else still the caller's. */
static int64_t add(struct monitor *m, int kind, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = take(m);
  if (index < 0) return index;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, pidfd, EPOLLIN | EPOLLET,
                    key_of(m, (uint32_t)index)) != 0) {
    int error = errno;
    give_back(m, (uint32_t)index);
    return -error;
  }
  fill(m, index, kind, pid, pidfd, cleanup)->registered = 1;
  return index;
}

int64_t monitor_add_relayed(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = take(m);
  if (index < 0) {
    sys_pidfd_send_signal(pidfd, SIGKILL, 0);
    close(pidfd);
    return index;
  }
  fill(m, index, WATCH_CHILD, pid, pidfd, cleanup)->kept = 1;
  return index;
}

int64_t monitor_add_child(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = add(m, WATCH_CHILD, pid, pidfd, cleanup);
  if (index < 0) orphans_end(pid, pidfd);
  return index;
}

int64_t monitor_add_keeper(struct monitor *m, pid_t pid, int pidfd) {
  return add(m, WATCH_CHILD, pid, pidfd, (struct cleanup){0, -1});
}

int monitor_has_child(const struct monitor *m, pid_t pid) {
  for (uint32_t i = 0; i < m->n_watches; i++) {
    const struct watch *watch = &m->watches[i];
    if (watch->kind == WATCH_CHILD && !watch->reaped && watch->pid == pid) return 1;
  }
  return 0;
}

int64_t monitor_adopt_child(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  siginfo_t info;
  int64_t index;
  /* A look, which takes nothing: only children of this process can be waited for at all. */
  if (sys_wait_child(pid, pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) != 0)
    index = -errno;
  /* Of two that wait for the same child only one would get its status. */
  else if (monitor_has_child(m, pid)) index = -EBUSY;
  else index = add(m, WATCH_CHILD, pid, pidfd, cleanup);
  if (index < 0) close(pidfd);
  return index;
}

int64_t monitor_add_process(struct monitor *m, pid_t pid, int pidfd) {
  int64_t index = add(m, WATCH_PROCESS, pid, pidfd, (struct cleanup){0, -1});
  if (index < 0) close(pidfd);
  else m->n_processes++;
  return index;
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
  give_back(m, index);
}

int64_t monitor_add_pipe(struct monitor *m, int fd, uint64_t far_inode) {
  int64_t index = take(m);
  if (index < 0) {
    close(fd);
    return index;
  }
  m->watches[index].kind = WATCH_PIPE;
  m->watches[index].fd = fd;
  m->watches[index].far_inode = far_inode;
  return index;
}

int monitor_arm(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL) return -EBADF;
  if (watch->registered) return 0;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, watch->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    key_of(m, index)) != 0)
    return -errno;
  watch->registered = 1;
  return 0;
}

/* Level-triggered, where all else is edge-triggered: what one turn leaves in the pipe is told again. */
int monitor_capture(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL || watch->capture != NULL) return -EBADF;
  struct capture *capture = sys_malloc(sizeof *capture);
  if (capture == NULL) return -ENOMEM;
  const int operation = watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (sys_epoll_ctl(m->epoll, operation, watch->fd, EPOLLIN, key_of(m, index)) != 0) {
    int error = errno;
    free(capture);
    return -error;
  }
  memset(capture, 0, sizeof *capture);
  watch->registered = 1;
  watch->capture = capture;
  m->n_captures++;
  return 0;
}

int monitor_add_link(struct monitor *m, uint32_t index, struct host_link *link) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL || watch->registered) return -EBADF;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, watch->fd, EPOLLIN | EPOLLRDHUP | EPOLLET, key_of(m, index)) != 0)
    return -errno;
  watch->registered = 1;
  watch->kind = WATCH_HOST;
  watch->link = link;
  return 0;
}

int monitor_want_output(struct monitor *m, uint32_t index, int wanted) {
  struct watch *watch = monitor_watch(m, index, WATCH_HOST);
  if (watch == NULL) return -EBADF;
  uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (wanted ? (uint32_t)EPOLLOUT : 0);
  return sys_epoll_ctl(m->epoll, EPOLL_CTL_MOD, watch->fd, events, key_of(m, index)) == 0 ? 0 : -errno;
}

int monitor_remove(struct monitor *m, uint32_t index) {
  if (index >= m->n_watches || m->watches[index].kind == WATCH_FREE) return -EBADF;
  struct watch *watch = &m->watches[index];
  if (watch->kind == WATCH_CHILD && !watch->reaped) return -EBUSY;
  if (watch->kind == WATCH_PROCESS) m->n_processes--;
  close_fd(m, watch);
  give_back(m, index);
  return 0;
}

/* ---- signals -------------------------------------------------------------------------------------- */

int monitor_signal(struct monitor *m, uint32_t index, int signal, int ends) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL || watch->reaped) return 0;
  if (ends && watch->cleanup.signal != 0) mark_cleaned(watch);
  /* A signal to a zombie "succeeds": the pidfd tells the living from the dead. */
  if (sys_pidfd_ended(watch->fd)) return 0;
  if (sys_signal_child(watch->pid, watch->fd, signal) == 0) return 1;
  return errno == ESRCH ? 0 : -errno;
}

/* By its pidfd or not at all: the number of one that is not our child may be another's by now. */
int monitor_signal_process(struct monitor *m, uint32_t index, int signal) {
  struct watch *watch = monitor_watch(m, index, WATCH_PROCESS);
  if (watch == NULL || sys_pidfd_ended(watch->fd)) return 0;
  if (sys_pidfd_send_signal(watch->fd, signal, 0) == 0) return 1;
  return errno == ESRCH ? 0 : -errno;
}

int monitor_signal_group(struct monitor *m, uint32_t index, int signal) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL) return 0;
  int result;
  if (!watch->reaped) {
    if (watch->pid <= 0) return 0; /* a relay's, that had ended before its number could be read */
    /* Of one that has ended a keeper or relay may have given the number away: only its pidfd is left. */
    int numberless = watch->kept && sys_pidfd_ended(watch->fd);
    if (!numberless && getpgid(watch->pid) != watch->pid) return -ENOTSUP;
    result = sys_pidfd_send_signal(watch->fd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
    /* Filtered, or older than 6.9: by number, which is the group's own until its leader has been reaped. */
    if (result != 0 && errno != ESRCH) {
      if (numberless) return -ENOSYS;
      result = kill(-watch->pid, signal);
    }
  } else {
    if (watch->fd < 0) return 0;
    result = sys_pidfd_send_signal(watch->fd, signal, PIDFD_SIGNAL_PROCESS_GROUP);
  }
  if (result == 0) return 1;
  if (errno != ESRCH) return -errno;
  if (watch->reaped) close_fd(m, watch);
  return 0;
}

int monitor_watch_stops(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL || watch->reaped || watch->stops || watch->kept) return 0;
  if (m->mailbox == NULL) {
    struct mailbox *mailbox;
    int error = mailbox_open(&mailbox);
    if (error != 0) return -error;
    if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, mailbox_fd(mailbox), EPOLLIN, KEY_MAILBOX) != 0) {
      error = errno;
      mailbox_close(mailbox);
      return -error;
    }
    m->mailbox = mailbox;
  }
  int error = stop_watch_start(m->mailbox, watch->fd, index, watch->generation);
  if (error != 0) return -error;
  watch->stops = 1;
  return 0;
}

/* ---- collecting ----------------------------------------------------------------------------------- */

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
    close_fd(m, watch);
    left = GROUP_LEFT;
  } else if (left == GROUP_LEFT) {
    epoll_ctl(m->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->registered = 0;
  } else {
    close_fd(m, watch);
    give_back(m, index);
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
  if (key == KEY_MAILBOX || index >= m->n_watches || key_of(m, index) != key) return NULL;
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
      n++;
    }
  }
  return n;
}
