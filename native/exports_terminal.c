/* Job control, and what a reaper needs. See convert.h. */
#include "convert.h"

#include "exports.h"
#include "signal_sender.h"
#include "strangers.h"
#include "terminal.h"
#include "sys.h"

napi_value export_terminalGroup(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, terminal_group(argument(env, &call, 0)));
}

napi_value export_setTerminalGroup(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, terminal_set_group(argument(env, &call, 0), argument(env, &call, 1)));
}

/* terminalModes(fd, bytes: out): how many bytes they are. */
napi_value export_terminalModes(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size;
  begin(env, info, &call);
  void *modes = memory(env, call.arguments[1], &size);
  return integer(env, modes == NULL ? -EINVAL : terminal_modes(argument(env, &call, 0), modes, size));
}

napi_value export_setTerminalModes(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size;
  begin(env, info, &call);
  void *modes = memory(env, call.arguments[1], &size);
  return integer(env,
                 modes == NULL ? -EINVAL : terminal_set_modes(argument(env, &call, 0), modes, size));
}

/* groupOf(pid), sessionOf(pid): ids; 0 is this process, and as a result one of another pid namespace. */
napi_value export_groupOf(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  pid_t group = getpgid(argument(env, &call, 0));
  return integer(env, group < 0 ? -errno : group);
}

napi_value export_sessionOf(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  pid_t session = getsid(argument(env, &call, 0));
  return integer(env, session < 0 ? -errno : session);
}

napi_value export_traceSignal(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, signal_sender_trace(argument(env, &call, 0)));
}

/* takeSender(signal): enum signal_sender. */
napi_value export_takeSender(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, signal_sender_take(argument(env, &call, 0)));
}

napi_value export_isReaper(napi_env env, napi_callback_info info) {
  (void)info;
  return integer(env, strangers_come());
}

/* reapStrangers(): how many children were reaped that are none of this environment's. */
napi_value export_reapStrangers(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, strangers_reap(&call.environment->monitor));
}
