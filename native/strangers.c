/* See strangers.h. */
#include "strangers.h"

#include <sys/prctl.h>

#include "sys.h"

int strangers_come(void) {
  int subreaper = 0;
  if (getpid() == 1) return 1;
  return prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0) == 0 && subreaper != 0;
}

/*
 * A look first, which shows one that has ended and leaves it: only what is not ours is then reaped, by its
 * number. An ended child of ours hides the strangers behind it: they come into view when it has been reaped.
 */
int strangers_reap(const struct monitor *m) {
  for (int n = 0;;) {
    siginfo_t info;
    info.si_pid = 0;
    int result = sys_waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL);
    if (result != 0 && errno == EINTR) continue;
    if (result != 0) return errno == ECHILD ? n : -errno;
    if (info.si_pid == 0 || monitor_has_child(m, info.si_pid)) return n;
    if (sys_waitid(P_PID, info.si_pid, &info, WEXITED | WNOHANG | __WALL, NULL) == 0) n++;
  }
}
