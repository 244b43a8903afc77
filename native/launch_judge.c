/*
 * What became of a child that has been cloned: it has exec'ed, has reported a failure, or was killed before it could.
 * Runs in: parent.
 */
#include "launch_parts.h"
#include "sys.h"

int launch_reap(const struct launch *launch, pid_t pid, siginfo_t *info) {
  return sys_wait_child(pid, launch->pidfd, info, WEXITED | __WALL, NULL);
}

/*
 * Whether a child that came as far as the call of exec also came through it. One that did not is
 * still a "clone child", with exit signal 0, for which alone __WCLONE waits; exec changes that
 * before it lets go of our memory, and of the report's socket. Costs no reaping: WNOWAIT. A child
 * of vfork(2) has SIGCHLD from the start: there this can't be told.
 */
static int came_through(pid_t pid) {
  siginfo_t info;
  int result;
  do result = sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, NULL);
  while (result != 0 && errno == EINTR);
  if (result != 0) return 1;
  /* One that has let us trace it since, PTRACE_TRACEME, is waited for in any way: also in this one. */
  do result = sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

/* A child that has reported, or was killed before it could. */
void launch_judge(struct launch *launch, pid_t pid) {
  siginfo_t info;
  if (launch->report.phase == PROGRAM_PHASE_FAILED) {
    launch_dismiss_keeper(launch);
    launch_reap(launch, pid, &info);
    launch_fail(launch, LAUNCH_FAILED_CHILD, launch->report.err);
  } else if (launch->report.phase == PROGRAM_PHASE_SETUP || (!launch->hosted && !came_through(pid))) {
    launch_dismiss_keeper(launch);
    int known = launch_reap(launch, pid, &info) == 0 && info.si_code != CLD_EXITED;
    launch_fail(launch, LAUNCH_FAILED_KILLED, 0);
    launch->signal = known ? info.si_status : 0;
  } else {
    launch->pid = pid;
  }
}
