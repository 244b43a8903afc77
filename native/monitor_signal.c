/*
 * Signals to what is watched: through its pidfd, so that no stranger is ever hit.
 */
#include "monitor_table.h"

#include "sys.h"

/* It has its signal, once: to many a program a second one means "at once". */
static void mark_cleaned(struct watch *watch) {
  watch->cleanup.signal = 0;
  watch->cleaned = 1;
  watch->kill_at = watch->cleanup.grace < 0 ? -1 : sys_now_ms() + watch->cleanup.grace;
}

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
  if (watch->reaped) watch_close_fd(m, watch);
  return 0;
}
