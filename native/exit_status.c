/* See exit_status.h. */
#include "exit_status.h"

#include <stdio.h>
#include <string.h>

#include "monitor.h"
#include "sys.h"

/* struct pidfd_info of linux/pidfd.h, as far as it is used; older headers lack it. */
struct pidfd_info_exit {
  uint64_t mask;
  uint64_t cgroupid;
  uint32_t ids[11];
  int32_t exit_code;
};
#define PIDFD_INFO_EXIT_BIT (1ull << 3)
#define PIDFD_GET_INFO_CALL _IOWR(0xff, 11, struct pidfd_info_exit)

/* A status as wait(2) encodes it. */
static void write_status(int status, double *event) {
  event[FIELD_CODE] = WIFEXITED(status) ? CLD_EXITED : WCOREDUMP(status) ? CLD_DUMPED : CLD_KILLED;
  event[FIELD_STATUS] = WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status);
}

static void write_unknown(enum unknown_cause cause, double *event) {
  event[FIELD_CODE] = 0;
  event[FIELD_STATUS] = cause;
}

/* 1: the kernel has kept the status of one that has been reaped. */
static int kept_status(int pidfd, int *status) {
  struct pidfd_info_exit info = {.mask = PIDFD_INFO_EXIT_BIT};
  if (ioctl(pidfd, PIDFD_GET_INFO_CALL, &info) != 0 || !(info.mask & PIDFD_INFO_EXIT_BIT)) return 0;
  *status = info.exit_code;
  return 1;
}

/*
 * Whether a peak, in KiB, is the child's own. A child that shared our memory until exec starts with our
 * peak as its own (kernel: exec_mmap), so only a larger value is the child's. Ours only ever grows: it
 * is asked for again only by a child that seems to be larger.
 */
static int above_ours(long peak) {
  static _Atomic long ours;
  struct rusage usage;
  if (peak <= ours) return 0;
  if (getrusage(RUSAGE_SELF, &usage) != 0) return 0;
  ours = usage.ru_maxrss;
  return peak > ours;
}

void exit_status_known(const siginfo_t *info, const struct rusage *usage, int64_t peak, double *event) {
  int its_own = peak >= 0 ? usage->ru_maxrss > peak : above_ours(usage->ru_maxrss);
  event[FIELD_CODE] = info->si_code;
  event[FIELD_STATUS] = info->si_status;
  event[FIELD_UID] = info->si_uid;
  event[FIELD_USAGE] = 1;
  event[FIELD_UTIME] = (double)usage->ru_utime.tv_sec * 1e6 + (double)usage->ru_utime.tv_usec;
  event[FIELD_STIME] = (double)usage->ru_stime.tv_sec * 1e6 + (double)usage->ru_stime.tv_usec;
  event[FIELD_MAXRSS] = its_own ? (double)usage->ru_maxrss : -1;
  event[FIELD_MINFLT] = (double)usage->ru_minflt;
  event[FIELD_MAJFLT] = (double)usage->ru_majflt;
  event[FIELD_INBLOCK] = (double)usage->ru_inblock;
  event[FIELD_OUBLOCK] = (double)usage->ru_oublock;
  event[FIELD_NVCSW] = (double)usage->ru_nvcsw;
  event[FIELD_NIVCSW] = (double)usage->ru_nivcsw;
}

void exit_status_stolen(int pidfd, double *event) {
  int status;
  event[FIELD_UID] = -1;
  event[FIELD_USAGE] = 0;
  if (kept_status(pidfd, &status)) {
    write_status(status, event);
    return;
  }
  struct sigaction action;
  int ignored = sigaction(SIGCHLD, NULL, &action) == 0 &&
                (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT));
  write_unknown(ignored ? UNKNOWN_IGNORED : UNKNOWN_STOLEN, event);
}

/*
 * The last field of a zombie's stat. To those who may not trace it the kernel shows 0 there, so a 0 counts only
 * where the same right has been shown by readlink(exe): EACCES without it, ENOENT with it, as a zombie has no exe.
 */
static int zombie_status(pid_t pid, int *status) {
  char path[64], text[1024], link[1];
  snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
  if (readlink(path, link, sizeof link) < 0 && errno != ENOENT) return 0;
  snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 0;
  text[n] = 0;
  char *last = strrchr(text, ' ');
  const char *name_end = strrchr(text, ')');
  if (last == NULL || name_end == NULL || name_end[1] != ' ' || name_end[2] != 'Z') return 0;
  *status = atoi(last + 1);
  return 1;
}

/* Whether it has been reaped: nothing can be sent to it any more. */
static int is_reaped(int pidfd) {
  return sys_pidfd_send_signal(pidfd, 0, 0) != 0 && errno != EPERM;
}

void exit_status_look(pid_t pid, int pidfd, double *event) {
  siginfo_t info;
  struct rusage usage;
  int status;
  info.si_pid = 0;
  if (sys_waitid(P_PIDFD, pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, &usage) == 0 &&
      info.si_pid != 0) {
    exit_status_known(&info, &usage, -1, event);
    return;
  }
  event[FIELD_UID] = -1;
  event[FIELD_USAGE] = 0;
  /* Its number is its own until it is reaped: what was read by it counts if it still is not. */
  if (zombie_status(pid, &status) && !is_reaped(pidfd)) write_status(status, event);
  else if (kept_status(pidfd, &status)) write_status(status, event);
  else write_unknown(is_reaped(pidfd) ? UNKNOWN_FOREIGN : UNKNOWN_UNREAPED, event);
}
