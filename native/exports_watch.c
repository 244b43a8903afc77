/* Watching processes that were not launched from here. See convert.h. */
#include "convert.h"

#include <stdlib.h>

#include "exports.h"
#include "pidfd.h"
#include "sys.h"

/* pidfdCopy(pidfd): a copy, the caller's. */
napi_value export_pidfdCopy(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  int copy = sys_fcntl(argument(env, &call, 0), F_DUPFD_CLOEXEC, 0);
  return integer(env, copy < 0 ? -errno : copy);
}

/* pidfdProcess(pidfd): the process's number. */
napi_value export_pidfdProcess(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, pidfd_process(argument(env, &call, 0)));
}

/* adoptChild(pidfd, pid, cleanupSignal, cleanupGrace, ends): the index of a child of this process that something
 * else started. Takes over pidfd. `ends` 1: one that can't be watched is killed and reaped, 0: left alone. */
napi_value export_adoptChild(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct monitor *monitor = &call.environment->monitor;
  int pidfd = argument(env, &call, 0), pid = argument(env, &call, 1);
  struct cleanup cleanup = {argument(env, &call, 2), argument(env, &call, 3)};
  int64_t index = argument(env, &call, 4) == 1 ? monitor_add_child(monitor, pid, pidfd, cleanup)
                                               : monitor_adopt_child(monitor, pid, pidfd, cleanup);
  return integer(env, (int32_t)index);
}

/* watchProcess(pidfd, pid): the index of any process. Takes over pidfd. */
napi_value export_watchProcess(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  int64_t index = monitor_add_process(&call.environment->monitor, argument(env, &call, 1),
                                      argument(env, &call, 0));
  return integer(env, (int32_t)index);
}

/* signalProcess(index, signal). */
napi_value export_signalProcess(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_signal_process(&call.environment->monitor,
                                             (uint32_t)argument(env, &call, 0),
                                             argument(env, &call, 1)));
}
