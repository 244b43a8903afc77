/*
 * Single system calls, for brood/posix. Whatever fd one of these gives is close-on-exec and the caller's. See
 * convert.h. pipe2(2), socketpair(2), pidfd_open(2), pidfd_send_signal(2), kill(2), waitid(2), close(2), pty(7)
 */
#include "convert.h"

#include "exit_status.h"
#include "exports.h"
#include "sys.h"
#include "terminal.h"

/* Gives the two fds of a pair to JavaScript, or closes them where it has no room. */
static napi_value pair_result(napi_env env, napi_value room, int result, const int pair[2]) {
  size_t length;
  if (result != 0) return integer(env, -errno);
  int32_t *out = memory(env, room, &length);
  if (out == NULL || length < 2) {
    close(pair[0]);
    close(pair[1]);
    return integer(env, -EINVAL);
  }
  out[0] = pair[0];
  out[1] = pair[1];
  return integer(env, 0);
}

/* pipe(out: Int32Array): [reading end, writing end]. */
napi_value export_pipe(napi_env env, napi_callback_info info) {
  struct call call;
  int pair[2];
  begin(env, info, &call);
  return pair_result(env, call.arguments[0], sys_pipe2(pair, O_CLOEXEC), pair);
}

/* socketpair(type, out: Int32Array): a type of socket(2), without flags. */
napi_value export_socketpair(napi_env env, napi_callback_info info) {
  struct call call;
  int pair[2];
  begin(env, info, &call);
  int result = sys_socketpair(argument(env, &call, 0) | SOCK_CLOEXEC, pair);
  return pair_result(env, call.arguments[1], result, pair);
}

static napi_value result_of(napi_env env, int result) {
  return integer(env, result < 0 ? -errno : result);
}

napi_value export_pidfdOpen(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return result_of(env, sys_pidfd_open(argument(env, &call, 0)));
}

/* pidfdSendSignal(pidfd, signal, flags). */
napi_value export_pidfdSendSignal(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return result_of(env, sys_pidfd_send_signal(argument(env, &call, 0), argument(env, &call, 1),
                                              (unsigned)argument(env, &call, 2)));
}

/* kill(pid, signal): as kill(2), where 0 and less are groups and everybody: the caller sees to that. */
napi_value export_kill(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return result_of(env, kill(argument(env, &call, 0), argument(env, &call, 1)));
}

/* waitid(type, id, options, record: Float64Array): the pid whose state the record then tells, from FIELD_CODE
 * on (monitor.h); 0: there is none yet. Goes on when interrupted. */
napi_value export_waitid(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length;
  siginfo_t state;
  struct rusage usage;
  int result;
  begin(env, info, &call);
  double *record = memory(env, call.arguments[3], &length);
  if (record == NULL || length < MONITOR_FIELDS) return integer(env, -EINVAL);
  state.si_pid = 0;
  do
    result = sys_waitid(argument(env, &call, 0), argument(env, &call, 1), &state,
                        argument(env, &call, 2), &usage);
  while (result != 0 && errno == EINTR);
  if (result != 0) return integer(env, -errno);
  if (state.si_pid == 0) return integer(env, 0);
  if (state.si_code == CLD_EXITED || state.si_code == CLD_KILLED || state.si_code == CLD_DUMPED) {
    exit_status_known(&state, &usage, -1, record);
  } else {
    record[FIELD_CODE] = state.si_code;
    record[FIELD_STATUS] = state.si_status;
    record[FIELD_UID] = state.si_uid;
  }
  return integer(env, state.si_pid);
}

/* closeFd(fd): not repeated when interrupted: Linux has released the number by then. */
napi_value export_closeFd(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return result_of(env, close(argument(env, &call, 0)));
}

/* openpty(out: Int32Array): [master, slave]. */
napi_value export_openpty(napi_env env, napi_callback_info info) {
  struct call call;
  int pair[2];
  begin(env, info, &call);
  int result = terminal_open(pair);
  if (result != 0) return integer(env, result);
  return pair_result(env, call.arguments[0], result, pair);
}

/* setWindowSize(fd, columns, rows): each 0 to 65535. */
napi_value export_setWindowSize(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  unsigned short columns = (unsigned short)argument(env, &call, 1);
  unsigned short rows = (unsigned short)argument(env, &call, 2);
  return integer(env, terminal_set_size(argument(env, &call, 0), columns, rows));
}
