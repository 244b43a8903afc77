/* An environment's life, and its settings. See convert.h. */
#include "convert.h"

#include <stdlib.h>

#include "deliver_uv.h"
#include "exports.h"
#include "sys.h"

/* One call into JavaScript with the whole batch. */
static void on_ready(struct monitor *monitor) {
  struct environment *self = monitor->context;
  napi_env env = self->env;
  napi_handle_scope scope;
  napi_value callback, receiver, count;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  int n = monitor_collect(monitor);
  if (n < 0) monitor_abandon(monitor);
  if (n != 0 && napi_get_reference_value(env, self->callback, &callback) == napi_ok &&
      napi_get_global(env, &receiver) == napi_ok) {
    count = integer(env, n);
    if (napi_make_callback(env, self->async, receiver, callback, 1, &count, NULL) ==
        napi_pending_exception) {
      napi_value error;
      if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
    }
  }
  monitor_settle(monitor);
  napi_close_handle_scope(env, scope);
}

int is_main_thread(void) {
  return getpid() == (pid_t)syscall(SYS_gettid);
}

/* The main thread's, until it ends. Written and read by that thread alone. */
static struct environment *of_main_thread;
static pid_t its_process;

/* Runs in: exit(3). process.exit() skips the clean-up hooks, and a child may have been started by a listener of
 * "exit" that came after ours, or be about to be told of by a host. And in a
 * copy of this process, by fork(2), whose children they are not, and which has the same fds. */
static void clean_up_at_exit(void) {
  if (of_main_thread == NULL || getpid() != its_process || !is_main_thread()) return;
  monitor_close_links(&of_main_thread->monitor);
  monitor_cleanup(&of_main_thread->monitor, 1);
}

static void finish(void *context) {
  struct environment *self = context;
  if (self == of_main_thread) of_main_thread = NULL;
  if (self->sync != NULL) sync_run_close(self->sync);
  monitor_close(&self->monitor, is_main_thread());
  launch_stack_free(&self->monitor.stack); /* the monitor may never have been opened */
  /* Its children are the orphans' reaper's by now. */
  if (self->ending != NULL) ending_leave(self->ending);
  napi_remove_async_cleanup_hook(self->hook);
  free(self);
}

static void on_cleanup(napi_async_cleanup_hook_handle hook, void *context) {
  struct environment *self = context;
  (void)hook;
  if (!self->started) {
    finish(self);
    return;
  }
  self->monitor.delivery->stop(&self->monitor, finish, self);
}

int environment_create(napi_env env) {
  struct environment *self = calloc(1, sizeof *self);
  if (self == NULL) return -1;
  self->env = env;
  self->rung = -1;
  self->monitor.epoll = -1;
  self->monitor.context = self;
  self->monitor.ready = on_ready;
  if (napi_set_instance_data(env, self, NULL, NULL) != napi_ok ||
      napi_add_async_cleanup_hook(env, on_cleanup, self, &self->hook) != napi_ok) {
    free(self);
    return -1;
  }
  return 0;
}

/* start(events: Float64Array, callback: (count) => void): the monitor runs from now on. */
napi_value export_start(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length;
  struct uv_loop_s *loop;
  napi_value name, resource;
  begin(env, info, &call);
  struct environment *self = call.environment;
  struct monitor *monitor = &self->monitor;
  if (self->started) return integer(env, 0);
  monitor->events = memory(env, call.arguments[0], &length);
  if (monitor->events == NULL || length < MONITOR_EVENTS * MONITOR_FIELDS)
    return integer(env, -EINVAL);
  int error = monitor_open(monitor);
  if (error != 0) return integer(env, error);
  napi_get_uv_event_loop(env, &loop);
  monitor->delivery = &deliver_uv;
  error = monitor->delivery->start(monitor, loop);
  if (error != 0) {
    close(monitor->epoll);
    monitor->epoll = -1;
    return integer(env, -error);
  }
  napi_create_reference(env, call.arguments[0], 1, &self->events);
  napi_create_reference(env, call.arguments[1], 1, &self->callback);
  napi_create_string_utf8(env, "BROOD", NAPI_AUTO_LENGTH, &name);
  napi_create_object(env, &resource);
  napi_async_init(env, resource, name, &self->async);
  self->started = 1;
  if (is_main_thread()) {
    static int registered;
    if (!registered) registered = atexit(clean_up_at_exit) == 0;
    of_main_thread = self;
    its_process = getpid();
  }
  return integer(env, 0);
}

/* configure(rung, closeRung): where the ladders start; rung -1: as probed. */
napi_value export_configure(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  call.environment->rung = argument(env, &call, 0);
  call.environment->close_rung = argument(env, &call, 1);
  return integer(env, 0);
}

int current_rung(const struct environment *self) {
  return self->rung >= 0 ? self->rung : launch_probe();
}

/* probe(): the name of the rung in use. */
napi_value export_probe(napi_env env, napi_callback_info info) {
  struct call call;
  napi_value name;
  begin(env, info, &call);
  napi_create_string_utf8(env, launch_rung_names[current_rung(call.environment)], NAPI_AUTO_LENGTH,
                          &name);
  return name;
}

/* operations(): the names of all operations in the order of their codes. */
napi_value export_operations(napi_env env, napi_callback_info info) {
  static const char *const names[] = {
#define X(name, kind, unit, min, max) #name,
      PROGRAM_OPS(X)
#undef X
  };
  napi_value result, name;
  (void)info;
  napi_create_array_with_length(env, PROGRAM_CODES, &result);
  for (uint32_t i = 0; i < PROGRAM_CODES; i++) {
    napi_create_string_utf8(env, names[i], NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, result, i, name);
  }
  return result;
}
