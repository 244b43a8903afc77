/*
 * Delivery through libuv: the monitor's epoll set is one poll handle on the loop of its environment.
 *
 * Node's libuv is not part of Node-API, so its few functions are declared here, sized by
 * uv_handle_size() and resolved by name in the running process. On other runtimes these symbols may
 * exist and abort: the choice is made in TypeScript, by process.versions.
 */
#include "deliver_uv.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#define UV_POLL_TYPE 8 /* uv_handle_type UV_POLL, stable since libuv 1.0 */
#define UV_READABLE_EVENT 1

typedef struct uv_handle uv_handle;
typedef struct uv_loop uv_loop;

static struct {
  size_t (*handle_size)(int type);
  int (*poll_init)(uv_loop *loop, uv_handle *handle, int fd);
  int (*poll_start)(uv_handle *handle, int events, void (*callback)(uv_handle *, int, int));
  int (*poll_stop)(uv_handle *handle);
  void (*close)(uv_handle *handle, void (*callback)(uv_handle *));
  void (*ref)(uv_handle *handle);
  void (*unref)(uv_handle *handle);
  void (*set_data)(uv_handle *handle, void *data);
  void *(*get_data)(const uv_handle *handle);
} uv;

static int resolve(void) {
  static const struct {
    void **function;
    const char *name;
  } wanted[] = {
      {(void **)&uv.handle_size, "uv_handle_size"}, {(void **)&uv.poll_init, "uv_poll_init"},
      {(void **)&uv.poll_start, "uv_poll_start"},   {(void **)&uv.poll_stop, "uv_poll_stop"},
      {(void **)&uv.close, "uv_close"},             {(void **)&uv.ref, "uv_ref"},
      {(void **)&uv.unref, "uv_unref"},             {(void **)&uv.set_data, "uv_handle_set_data"},
      {(void **)&uv.get_data, "uv_handle_get_data"}};
  for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
    *wanted[i].function = dlsym(RTLD_DEFAULT, wanted[i].name);
    if (*wanted[i].function == NULL) return ENOSYS;
  }
  return 0;
}

struct uv_state {
  uv_handle *handle;
  void (*stopped)(void *context);
  void *context;
};

static void on_readable(uv_handle *handle, int status, int events) {
  struct monitor *monitor = uv.get_data(handle);
  (void)status;
  (void)events;
  monitor->ready(monitor);
}

static int start(struct monitor *monitor, void *loop) {
  int error = resolve();
  if (error != 0) return error;
  struct uv_state *state = calloc(1, sizeof *state);
  uv_handle *handle = calloc(1, uv.handle_size(UV_POLL_TYPE));
  if (state == NULL || handle == NULL) {
    free(state);
    free(handle);
    return ENOMEM;
  }
  error = uv.poll_init(loop, handle, monitor->epoll);
  if (error != 0) {
    free(state);
    free(handle);
    return -error;
  }
  uv.set_data(handle, monitor);
  uv.poll_start(handle, UV_READABLE_EVENT, on_readable);
  uv.unref(handle);
  state->handle = handle;
  monitor->delivery_state = state;
  return 0;
}

static void ref(struct monitor *monitor) {
  uv.ref(((struct uv_state *)monitor->delivery_state)->handle);
}

static void unref(struct monitor *monitor) {
  uv.unref(((struct uv_state *)monitor->delivery_state)->handle);
}

static void on_closed(uv_handle *handle) {
  struct uv_state *state = uv.get_data(handle);
  void (*stopped)(void *) = state->stopped;
  void *context = state->context;
  free(state);
  free(handle);
  stopped(context);
}

static void halt(struct monitor *monitor) {
  uv.poll_stop(((struct uv_state *)monitor->delivery_state)->handle);
}

/* The handle's memory is libuv's until on_closed. */
static void stop(struct monitor *monitor, void (*stopped)(void *), void *context) {
  struct uv_state *state = monitor->delivery_state;
  state->stopped = stopped;
  state->context = context;
  monitor->delivery_state = NULL;
  uv.poll_stop(state->handle);
  uv.set_data(state->handle, state);
  uv.close(state->handle, on_closed);
}

const struct delivery deliver_uv = {start, ref, unref, halt, stop};
