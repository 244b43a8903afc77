/* Processes that aren't our children, and files of the kernel that tell of a change. See convert.h. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "sys.h"

/* keptEnded(index): a keeper has told that its child has ended. Gives an enum group_left. */
napi_value export_keptEnded(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_kept_ended(&call.environment->monitor,
                                         (uint32_t)argument(env, &call, 0)));
}

/* When a process was started, in clock ticks since the boot; -1 if there is none. proc(5), field 22 of stat. */
static int64_t started(pid_t pid) {
  char path[32], text[1024];
  /* The /proc of another pid namespace has other numbers than those that signals take. */
  ssize_t size = readlink("/proc/self", text, sizeof text - 1);
  text[size > 0 ? size : 0] = 0;
  if (atoi(text) != getpid()) return -1;
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *at = strrchr(text, ')'); /* the end of field 2, which may hold anything */
  for (int field = 2; at != NULL && field < 22; field++) at = strchr(at + 1, ' ');
  return at == NULL ? -1 : strtoll(at, NULL, 10);
}

/*
 * signalStarted(pid, started, signal): 1: sent. 0: that process is gone; its number may be another's. The process is held
 * by a pidfd before it is looked at, so nobody else is hit; where there are no pidfds, a recycled number could be. It is no
 * child of ours: its number may be another's even between two calls, so that a refusal of the pidfd's is an answer.
 */
napi_value export_signalStarted(napi_env env, napi_callback_info info) {
  struct call call;
  int64_t wanted = -1;
  begin(env, info, &call);
  pid_t pid = argument(env, &call, 0);
  napi_get_value_int64(env, call.arguments[1], &wanted);
  int signal = argument(env, &call, 2);
  if (pid <= 1 || wanted < 0) return integer(env, -EINVAL); /* never everyone, and never the first process */
  int pidfd = sys_pidfd_open(pid);
  if (pidfd < 0 && errno == ESRCH) return integer(env, 0);
  int result = 1;
  if (started(pid) == wanted) result = pidfd >= 0 ? sys_pidfd_send_signal(pidfd, signal, 0) : kill(pid, signal);
  int error = errno;
  if (pidfd >= 0) close(pidfd);
  if (result == 0) return integer(env, 1);
  return integer(env, result == 1 || error == ESRCH ? 0 : -error);
}

/* clockTicks(): the unit of process times, in a second. */
napi_value export_clockTicks(napi_env env, napi_callback_info info) {
  (void)info;
  return integer(env, (int32_t)sysconf(_SC_CLK_TCK));
}

/* watchFile(path): the index of an entry whose events tell that the kernel has changed a file, such as cgroup.events. */
napi_value export_watchFile(napi_env env, napi_callback_info info) {
  struct call call;
  char path[4096];
  size_t length;
  begin(env, info, &call);
  if (napi_get_value_string_utf8(env, call.arguments[0], path, sizeof path, &length) != napi_ok)
    return integer(env, -EINVAL);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return integer(env, -errno);
  int64_t index = monitor_add_pipe(&call.environment->monitor, fd, 0);
  if (index < 0) return integer(env, (int32_t)index);
  int result = monitor_arm(&call.environment->monitor, (uint32_t)index);
  if (result < 0) {
    monitor_remove(&call.environment->monitor, (uint32_t)index);
    return integer(env, result);
  }
  return integer(env, (int32_t)index);
}
