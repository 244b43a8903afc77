/* Signals to children, and what holds the event loop. See convert.h. */
#include "convert.h"

#include "exports.h"

napi_value export_signal(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_signal(&call.environment->monitor, (uint32_t)argument(env, &call, 0),
                                     argument(env, &call, 1), argument(env, &call, 2) == 1));
}

napi_value export_signalGroup(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_signal_group(&call.environment->monitor,
                                           (uint32_t)argument(env, &call, 0),
                                           argument(env, &call, 1)));
}

napi_value export_watchStops(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_watch_stops(&call.environment->monitor,
                                          (uint32_t)argument(env, &call, 0)));
}

/* cleanup(): ends the children that are to end with this environment. In the main thread it blocks until they
 * have ended, at most as long as the longest grace among them. Returns how many were signalled. */
napi_value export_cleanup(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_cleanup(&call.environment->monitor, is_main_thread()));
}

napi_value export_ref(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  if (call.environment->started)
    call.environment->monitor.delivery->ref(&call.environment->monitor);
  return integer(env, 0);
}

napi_value export_unref(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  if (call.environment->started)
    call.environment->monitor.delivery->unref(&call.environment->monitor);
  return integer(env, 0);
}
