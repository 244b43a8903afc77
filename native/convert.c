/* See convert.h. Node-API 8. Every function here runs in its environment's own thread. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "accounts.h"
#include "deliver_uv.h"
#include "launch.h"
#include "monitor.h"
#include "signal_sender.h"
#include "strangers.h"
#include "sys.h"
#include "terminal.h"

#define MOST_ARGUMENTS 6

/* One JavaScript environment: the main thread, or a worker. */
struct environment {
  napi_env env;
  napi_async_cleanup_hook_handle hook;
  napi_async_context async;
  napi_ref callback;
  napi_ref events;
  struct monitor monitor;
  int started;
  int rung;
  int close_rung;
};

struct call {
  struct environment *environment;
  napi_value arguments[MOST_ARGUMENTS];
};

static void begin(napi_env env, napi_callback_info info, struct call *call) {
  size_t count = MOST_ARGUMENTS;
  void *data = NULL;
  napi_get_cb_info(env, info, &count, call->arguments, NULL, NULL);
  napi_get_instance_data(env, &data);
  call->environment = data;
}

static napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

static napi_value integer(napi_env env, int32_t value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

static int32_t argument(napi_env env, struct call *call, int i) {
  int32_t value = -1;
  napi_get_value_int32(env, call->arguments[i], &value);
  return value;
}

/* The memory of a typed array, valid while this call lasts. NULL if it is none. */
static void *memory(napi_env env, napi_value value, size_t *length) {
  napi_typedarray_type type;
  void *data = NULL;
  *length = 0;
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok) return NULL;
  return data;
}

/* ---- the environment's life --------------------------------------------------------------------- */

/* One call into JavaScript with the whole batch. */
static void on_ready(struct monitor *monitor) {
  struct environment *self = monitor->context;
  napi_env env = self->env;
  napi_handle_scope scope;
  napi_value callback, receiver, count;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  int n = monitor_collect(monitor);
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

static int is_main_thread(void) {
  return getpid() == (pid_t)syscall(SYS_gettid);
}

static void finish(void *context) {
  struct environment *self = context;
  monitor_close(&self->monitor, is_main_thread());
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

static int current_rung(const struct environment *self) {
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

/* ---- launching ------------------------------------------------------------------------------------ */

/* validate(program): true if the buffer is well-formed. */
napi_value export_validate(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length;
  int bad;
  napi_value result;
  begin(env, info, &call);
  void *program = memory(env, call.arguments[0], &length);
  napi_get_boolean(env, program != NULL && program_validate(program, length, &bad) == 0, &result);
  return result;
}

enum launch_flags { LAUNCH_LASTING = 1 };

/* Takes the fds of a launch into the monitor. On failure all are closed and the child is ended. */
static int adopt(struct monitor *monitor, struct launch *launch, int n, struct cleanup cleanup,
                 int32_t *out) {
  int64_t child = monitor_add_child(monitor, launch->pid, launch->pidfd, cleanup);
  int64_t pipe = child < 0 ? child : 0;
  int taken = 0; /* of ours[], by the monitor; also the one that it could not add, and closed */
  while (pipe >= 0 && taken < n) {
    pipe = monitor_add_pipe(monitor, launch->ours[taken].fd, launch->ours[taken].far_inode);
    out[2 + taken++] = (int32_t)pipe;
  }
  if (pipe >= 0) {
    out[0] = (int32_t)child;
    out[1] = launch->pid;
    return 0;
  }
  for (int i = 0; i + 1 < taken; i++) monitor_remove(monitor, (uint32_t)out[2 + i]);
  for (int i = taken; i < n; i++) close(launch->ours[i].fd);
  if (child >= 0) monitor_end_child(monitor, (uint32_t)child);
  return (int)-pipe;
}

/*
 * launch(program, inputs, flags, cleanupSignal, out: Int32Array, cleanupGrace): enum launch_failure, or -EINVAL
 * for a malformed program. On success out is [child index, pid, pipe index...], else [errno, step,
 * detail, signal, n_tried, tried...]. The program's bytes are used up: it can't be launched twice.
 */
napi_value export_launch(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length, n_inputs, n_out;
  int bad;
  begin(env, info, &call);
  struct environment *self = call.environment;
  void *program = memory(env, call.arguments[0], &length);
  int32_t *inputs = memory(env, call.arguments[1], &n_inputs);
  int32_t *out = memory(env, call.arguments[4], &n_out);
  int flags = argument(env, &call, 2);
  struct cleanup cleanup = {argument(env, &call, 3), argument(env, &call, 5)};
  if (!self->started || program == NULL || program_validate(program, length, &bad) != 0 ||
      ((struct program_header *)program)->n_inputs != n_inputs || n_out < n_inputs + 2 ||
      n_out < 5 + PROGRAM_TRIED_MAX)
    return integer(env, -EINVAL);
  program_relocate(program);

  struct launch_end few[16];
  struct launch_end *ours = n_inputs <= 16 ? few : sys_malloc(n_inputs * sizeof *ours);
  if (ours == NULL) {
    const int32_t failed[5] = {ENOMEM};
    memcpy(out, failed, sizeof failed);
    return integer(env, LAUNCH_FAILED_MEMORY);
  }
  struct launch launch = {.program = program,
                          .rung = current_rung(self),
                          .close_rung = self->close_rung,
                          .inputs = inputs,
                          .stack = &self->monitor.stack,
                          .ours = ours};
  if (flags & LAUNCH_LASTING) launch_run_lasting(&launch);
  else launch_run(&launch);
  if (launch.failure == LAUNCH_OK) {
    launch.error = adopt(&self->monitor, &launch, (int)n_inputs, cleanup, out);
    if (launch.error != 0) launch.failure = LAUNCH_FAILED_WATCH;
  }
  if (ours != few) free(ours);
  if (launch.failure != LAUNCH_OK) {
    out[0] = launch.error;
    out[1] = launch.report.step;
    out[2] = launch.report.detail;
    out[3] = launch.signal;
    out[4] = launch.report.n_tried;
    for (int i = 0; i < launch.report.n_tried; i++) out[5 + i] = launch.report.tried[i];
  }
  return integer(env, launch.failure);
}

/* ---- pipes ---------------------------------------------------------------------------------------- */

napi_value export_arm(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_arm(&call.environment->monitor, (uint32_t)argument(env, &call, 0)));
}

napi_value export_remove(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct monitor *monitor = &call.environment->monitor;
  int result = monitor_remove(monitor, (uint32_t)argument(env, &call, 0));
  return integer(env, result);
}

/* The pipe, and the part [offset, offset + length) of the bytes, that a call names. */
static struct watch *transfer(napi_env env, struct call *call, uint8_t **data, size_t *size) {
  size_t length;
  int64_t offset = -1, wanted = -1; /* a buffer may be larger than 4 GiB */
  uint8_t *bytes = memory(env, call->arguments[1], &length);
  napi_get_value_int64(env, call->arguments[2], &offset);
  napi_get_value_int64(env, call->arguments[3], &wanted);
  if (bytes == NULL || offset < 0 || (uint64_t)offset > length || wanted < 0 ||
      (uint64_t)wanted > length - (uint64_t)offset)
    return NULL;
  *data = bytes + offset;
  *size = (size_t)wanted;
  return monitor_watch(&call->environment->monitor, (uint32_t)argument(env, call, 0), WATCH_PIPE);
}

/* read(index, bytes, offset, length): bytes read, 0 at the end. */
napi_value export_read(napi_env env, napi_callback_info info) {
  struct call call;
  uint8_t *data;
  size_t size;
  ssize_t n;
  begin(env, info, &call);
  struct watch *watch = transfer(env, &call, &data, &size);
  if (watch == NULL) return integer(env, -EBADF);
  do n = sys_read(watch->fd, data, size);
  while (n < 0 && errno == EINTR);
  return number(env, n < 0 ? -errno : (double)n);
}

/* write(index, bytes, offset, length): bytes written. */
napi_value export_write(napi_env env, napi_callback_info info) {
  struct call call;
  uint8_t *data;
  size_t size;
  ssize_t n;
  begin(env, info, &call);
  struct watch *watch = transfer(env, &call, &data, &size);
  if (watch == NULL) return integer(env, -EBADF);
  do n = sys_write(watch->fd, data, size);
  while (n < 0 && errno == EINTR);
  return number(env, n < 0 ? -errno : (double)n);
}

/* shutdownWrite(index): the other side of a socket reads the end. */
napi_value export_shutdownWrite(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch =
      monitor_watch(&call.environment->monitor, (uint32_t)argument(env, &call, 0), WATCH_PIPE);
  if (watch == NULL) return integer(env, -EBADF);
  return integer(env, shutdown(watch->fd, SHUT_WR) == 0 ? 0 : -errno);
}

/* capacity(index): how many bytes a pipe holds; of a socket, its receive buffer. */
napi_value export_capacity(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch =
      monitor_watch(&call.environment->monitor, (uint32_t)argument(env, &call, 0), WATCH_PIPE);
  if (watch == NULL) return integer(env, -EBADF);
  int size = fcntl(watch->fd, F_GETPIPE_SZ);
  socklen_t length = sizeof size;
  if (size < 0 && getsockopt(watch->fd, SOL_SOCKET, SO_RCVBUF, &size, &length) != 0)
    return integer(env, -errno);
  return integer(env, size);
}

/* farInode(index): the inode of a pipe's or socket's other end. */
napi_value export_farInode(napi_env env, napi_callback_info info) {
  struct call call;
  struct stat own;
  begin(env, info, &call);
  struct watch *watch =
      monitor_watch(&call.environment->monitor, (uint32_t)argument(env, &call, 0), WATCH_PIPE);
  if (watch == NULL) return integer(env, -EBADF);
  if (watch->far_inode != 0) return number(env, (double)watch->far_inode);
  if (fstat(watch->fd, &own) != 0) return integer(env, -errno);
  return number(env, (double)own.st_ino);
}

/* ---- children ------------------------------------------------------------------------------------- */

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

/* ---- facts ---------------------------------------------------------------------------------------- */

/* isOpen(fd): 1 or 0. */
napi_value export_isOpen(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, fcntl(argument(env, &call, 0), F_GETFD) >= 0);
}

/* account(name or uid): [uid, gid, group...], or an errno, or -1: no such account. */
napi_value export_account(napi_env env, napi_callback_info info) {
  struct call call;
  struct account account = {.groups = NULL};
  char name[512];
  size_t length;
  uint32_t uid = 0;
  napi_value result;
  begin(env, info, &call);
  int named =
      napi_get_value_string_utf8(env, call.arguments[0], name, sizeof name, &length) == napi_ok;
  if (!named) napi_get_value_uint32(env, call.arguments[0], &uid);
  int error = account_find(named ? name : NULL, uid, &account);
  if (error != 0) return integer(env, error);
  napi_create_array_with_length(env, (size_t)account.n_groups + 2, &result);
  napi_set_element(env, result, 0, number(env, account.uid));
  napi_set_element(env, result, 1, number(env, account.gid));
  for (int i = 0; i < account.n_groups; i++)
    napi_set_element(env, result, (uint32_t)i + 2, number(env, account.groups[i]));
  free(account.groups);
  return result;
}

extern char **environ;

/* environment(): the process's own environment block, each entry ended by a NUL. */
napi_value export_environment(napi_env env, napi_callback_info info) {
  size_t size = 0;
  void *data;
  napi_value buffer;
  (void)info;
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) size += strlen(*entry) + 1;
  napi_create_buffer(env, size, &data, &buffer);
  char *to = data;
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
    to = stpcpy(to, *entry) + 1;
  return buffer;
}

/* ---- job control ---------------------------------------------------------------------------------- */

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

/* injectFault(call, skip, count, errno): how many failures are left of the injection before. Test builds
 * only; -ENOSYS elsewhere. */
napi_value export_injectFault(napi_env env, napi_callback_info info) {
#ifdef BROOD_FAULTS
  struct call call;
  char name[64];
  size_t length;
  begin(env, info, &call);
  napi_get_value_string_utf8(env, call.arguments[0], name, sizeof name, &length);
  int result = sys_fault_inject(name, argument(env, &call, 1), argument(env, &call, 2),
                                argument(env, &call, 3));
  return integer(env, result >= 0 ? result : -EINVAL);
#else
  (void)info;
  return integer(env, -ENOSYS);
#endif
}
