/*
 * A spawn host that is the parent itself of what it starts, since CLONE_PARENT can't work where it lives, or since it was told
 * so: a relay. It reports each change of a child's state over its socket. Runs in: host.
 *
 * waitid(2), signalfd(2).
 */
#include "host_program.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define KERNEL_SFD_CLOEXEC 02000000
#define KERNEL_SFD_NONBLOCK 04000

int relay_begin(void) {
  uint64_t child = 1ull << (KERNEL_SIGCHLD - 1);
  struct kernel_sigaction action = {0}, before = {0};
  /* Where it is ignored, children would be reaped without us. */
  raw(__NR_rt_sigaction, KERNEL_SIGCHLD, &action, &before, 8);
  host.ignores_child = before.handler == (void *)1; /* SIG_IGN */
  host.state_fd = (int)raw(__NR_signalfd4, -1, &child, sizeof child, KERNEL_SFD_CLOEXEC | KERNEL_SFD_NONBLOCK);
  return host.state_fd < 0 ? host.state_fd : 0;
}

static long wait_for(int pid, siginfo_t *info, int options) {
  long result;
  info->si_pid = 0;
  do result = raw(__NR_waitid, P_PID, pid, info, options, 0);
  while (result == -EINTR);
  return result;
}

/* The same questions as came_through() of launch_judge.c asks, which a client that is the parent asks by itself. */
int relay_judge(struct host_answer *a, int pid) {
  siginfo_t info;
  int failed = a->report.phase == PROGRAM_PHASE_FAILED;
  if (!failed && a->report.phase == PROGRAM_PHASE_EXEC) {
    if (wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE) != 0) return 1;
    if (wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return 1;
  }
  long result = wait_for(pid, &info, WEXITED | __WALL);
  a->outcome = HOST_REAPED;
  a->result = !failed && result == 0 && info.si_code != CLD_EXITED ? info.si_status : 0;
  return 0;
}

/* Ends a child that its client has no pidfd of. */
void serve_end(struct endpoint *e) {
  siginfo_t info;
  struct host_answer a = {.outcome = HOST_DONE};
  int pid = e->have == sizeof(struct host_request) ? request_of(e)->argument : 0;
  /* A child of ours that has not been waited for: the number is its own. */
  if (pid > 0 && wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0) raw(__NR_kill, pid, SIGKILL);
  answer(e, &a, -1);
}

static int64_t microseconds(const struct timeval *time) {
  return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

/* A namespace's init has adopted others besides. They are reaped, and told of like its own: the client knows which it asked for. */
void tell_states(const struct endpoint *e) {
  char drained[1024];
  if (raw(__NR_read, host.state_fd, drained, sizeof drained) <= 0) return;
  while (raw(__NR_read, host.state_fd, drained, sizeof drained) > 0) {
  }
  for (;;) {
    siginfo_t info;
    struct rusage usage;
    info.si_pid = 0;
    long result = raw(__NR_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | __WALL, &usage);
    if (result == -EINTR) continue;
    if (result < 0 || info.si_pid == 0) return;
    struct host_state state = {
        .pid = info.si_pid,
        .code = info.si_code,
        .status = info.si_status,
        .uid = (int32_t)info.si_uid,
        .usage = {microseconds(&usage.ru_utime), microseconds(&usage.ru_stime), usage.ru_maxrss, usage.ru_minflt,
                  usage.ru_majflt, usage.ru_inblock, usage.ru_oublock, usage.ru_nvcsw, usage.ru_nivcsw},
    };
    send_packet(e, HOST_STATE, 0, &state, sizeof state, -1);
  }
}
