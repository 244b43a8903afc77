/* Spawn hosts: requests. Their answers are exports_host_answer.c's. See convert.h, host.h. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_host.h"
#include "host_link.h"
#include "program_check.h"
#include "sys.h"

/* More kinds of inputs, for hosts: our current directory; and any negative number is the complement of an fd of
 * ours, which is sent as it is. */
enum { INPUT_DIRECTORY = LAUNCH_PACKETS + 1 };

struct watch *host_link_at(napi_env env, struct call *call) {
  return monitor_watch(&call->environment->monitor, (uint32_t)argument(env, call, 0), WATCH_HOST);
}

void host_flush_later(struct monitor *monitor, uint32_t index, int sent) {
  if (sent > HOST_SENT) monitor_want_output(monitor, index, 1);
}

/* hostOpen(pipe index, index of the host's process or -1: a copy of a host): makes a PACKETS pipe into a link, and says hello
 * (request 0) to a host. */
napi_value export_hostOpen(napi_env env, napi_callback_info info) {
  struct call call;
  struct host_link *link;
  int page;
  begin(env, info, &call);
  struct monitor *monitor = &call.environment->monitor;
  uint32_t index = (uint32_t)argument(env, &call, 0);
  int process = argument(env, &call, 1), embryo = process < 0;
  struct watch *watch = monitor_watch(monitor, index, WATCH_PIPE);
  const struct watch *host = embryo ? NULL : monitor_watch(monitor, (uint32_t)process, WATCH_CHILD);
  if (watch == NULL) return integer(env, -EBADF);
  int error = host_link_open(embryo, host == NULL ? -1 : host->fd, &link, &page);
  if (error != 0) return integer(env, -error);
  int sent = HOST_SENT;
  if (!embryo) {
    sent = host_link_send(link, watch->fd, HOST_HELLO, 0, "", 0, &page, 1);
    close(page);
  }
  int result = sent < 0 ? sent : monitor_add_link(monitor, index, link);
  if (result < 0) host_link_close(link, watch->fd);
  if (result == 0) host_flush_later(monitor, index, sent);
  return integer(env, result);
}

/* What a request needs besides its program, until it is sent. */
struct sending {
  int *fds;             /* of the inputs */
  unsigned char *owned; /* [i]: close fds[i] */
  uint32_t n;
  int32_t *out; /* our ends: indices of the monitor, -1 where there is none */
};

/* gcc 12's analyzer forgets what a struct reached through a pointer holds: that there are no inputs yet. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-null-dereference"
static void sending_end(struct monitor *monitor, struct sending *s, int failed) {
  for (uint32_t i = 0; i < s->n; i++) {
    if (s->owned[i]) close(s->fds[i]);
    if (failed && s->out[i] >= 0) monitor_remove(monitor, (uint32_t)s->out[i]);
  }
  free(s->fds);
  free(s->owned);
}
#pragma GCC diagnostic pop

/* 0 or an errno; *failure then says at what. */
static int make_inputs(struct monitor *monitor, struct sending *s, const int32_t *kinds, uint32_t n, int *failure) {
  s->fds = sys_malloc((n + 1) * sizeof *s->fds);
  s->owned = sys_malloc(n + 1);
  *failure = LAUNCH_FAILED_MEMORY;
  if (s->fds == NULL || s->owned == NULL) return ENOMEM;
  *failure = LAUNCH_FAILED_PIPE;
  for (uint32_t i = 0; i < n; i++) {
    s->out[i] = -1;
    s->owned[i] = kinds[i] >= 0;
    if (kinds[i] < 0) {
      s->fds[i] = ~kinds[i];
    } else if (kinds[i] == INPUT_DIRECTORY) {
      s->fds[i] = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
      if (s->fds[i] < 0) return errno;
    } else {
      struct launch_end ours;
      if (launch_make_input(kinds[i], &s->fds[i], &ours) != 0) return errno;
      int64_t index = monitor_add_pipe(monitor, ours.fd, ours.far_inode);
      if (index < 0) {
        close(s->fds[i]);
        *failure = LAUNCH_FAILED_WATCH;
        return (int)-index;
      }
      s->out[i] = (int32_t)index;
    }
    s->n = i + 1;
  }
  return 0;
}

extern char **environ;

static char *no_environment[] = {NULL};

/* The environment that a validated program, which stays as it is, makes of ours. NULL without memory. The array is the
 * caller's to free if it is *made: where nothing is to be changed there is none. */
static char **compose(char *program, char ***made) {
  struct program_op *exec = program_exec_op(program);
  const uint64_t *cells = (const uint64_t *)(program + (uint32_t)exec->c);
  size_t n = 0;
  *made = NULL;
  while (cells[n] != 0) n++;
  if (n == 0) return environ == NULL ? no_environment : environ;
  char **overrides = sys_malloc((n + 1) * sizeof *overrides);
  if (overrides == NULL) return NULL;
  for (size_t i = 0; i < n; i++) overrides[i] = program + cells[i];
  overrides[n] = NULL;
  *made = launch_environment(overrides);
  free(overrides);
  return *made;
}

/* Copies the strings behind what the room holds, each with its NUL, in one pass; the room grows where it is too small.
 * Returns the end of it all, a negated errno if there is none. */
static ssize_t append_strings(struct host_link *link, char **room, size_t at, char *const *strings, uint32_t *count) {
  const size_t begin = at;
  size_t size = host_link_room_size(link);
  *count = 0;
  for (; *strings != NULL; strings++, ++*count) {
    char *end;
    while ((end = memccpy(*room + at, *strings, 0, size - at)) == NULL) {
      if (size - begin > HOST_MOST_BYTES) return -E2BIG;
      *room = host_link_room(link, size + 1, at);
      if (*room == NULL) return -ENOMEM;
      size = host_link_room_size(link);
    }
    at = (size_t)(end - *room);
  }
  return at - begin > HOST_MOST_BYTES ? -E2BIG : (ssize_t)at;
}

/* Puts request, program and environment together in the link's own memory. Returns the size, or a negated errno. */
static ssize_t write_request(struct host_link *link, const struct host_request *base, char *program, size_t length,
                             char **message) {
  struct host_request request = *base;
  const size_t begin = sizeof request + length;
  char *room = host_link_room(link, begin, 0);
  if (room == NULL) return -ENOMEM;
  request.program_size = (uint32_t)length;
  if (length > 0) memcpy(room + sizeof request, program, length);
  ssize_t end = (ssize_t)begin;
  if (program != NULL && program_exec_op(program)->flags & PROGRAM_EXEC_EXTEND_ENV) {
    char **made;
    char **envp = compose(program, &made);
    end = envp == NULL ? -ENOMEM : append_strings(link, &room, begin, envp, &request.n_env);
    free(made);
    if (end < 0) return end;
    request.env_size = (uint32_t)((size_t)end - begin);
  }
  memcpy(room, &request, sizeof request);
  *message = room;
  return end;
}

/*
 * hostSend(index, type, id, program or null, inputs, out): 0, or enum launch_failure with out[0] = errno; the
 * program is not used up. Before: out is [clone flags, clean-up signal, its grace, argument, enum host_extra, enum
 * host_keeper], and those of the extra follow the program's inputs; after: for each input our end's index, or -1. On failure
 * nothing is left, and nothing was sent.
 */
napi_value export_hostSend(napi_env env, napi_callback_info info) {
  struct call call;
  size_t length = 0, n_inputs, n_out;
  int bad, failure = LAUNCH_FAILED_HOST;
  begin(env, info, &call);
  struct environment *self = call.environment;
  struct monitor *monitor = &self->monitor;
  uint32_t index = (uint32_t)argument(env, &call, 0);
  int type = argument(env, &call, 1);
  uint32_t id = (uint32_t)argument(env, &call, 2);
  char *program = memory(env, call.arguments[3], &length);
  int32_t *inputs = memory(env, call.arguments[4], &n_inputs);
  int32_t *out = memory(env, call.arguments[5], &n_out);
  if (out == NULL || n_out < 6 || n_out < n_inputs) return integer(env, -EINVAL);
  if (program != NULL && (program_validate(program, length, &bad) != 0 ||
                          ((struct program_header *)program)->n_inputs > n_inputs))
    return integer(env, -EINVAL);
  struct host_request request = {.clone_flags = (uint32_t)out[0],
                                 .close_rung = self->close_rung,
                                 .argument = out[3],
                                 .cookie = {out[1], out[2]},
                                 .extra = (uint32_t)out[4],
                                 .keeper = (uint32_t)out[5]};
  if (host_link_at(env, &call) == NULL) {
    out[0] = EPIPE;
    return integer(env, LAUNCH_FAILED_HOST);
  }
  struct sending s = {.out = out};
  int error = make_inputs(monitor, &s, inputs, (uint32_t)n_inputs, &failure);
  /* Only now: the table may have moved. */
  struct watch *watch = host_link_at(env, &call);
  if (error == 0) {
    char *message;
    ssize_t size = write_request(watch->link, &request, program, program == NULL ? 0 : length, &message);
    failure = size < 0 ? LAUNCH_FAILED_MEMORY : LAUNCH_FAILED_HOST;
    int sent = size < 0 ? (int)size
                        : host_link_send(watch->link, watch->fd, type, id, message, (size_t)size, s.fds, s.n);
    host_flush_later(monitor, index, sent);
    if (sent < 0) error = -sent;
  }
  sending_end(monitor, &s, error != 0);
  if (error == 0) return integer(env, 0);
  out[0] = error;
  return integer(env, failure);
}

/* hostFlush(index): sends what waits. Gives an enum host_sent: what there is no event for is to be tried again in a while. */
napi_value export_hostFlush(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = host_link_at(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  int result = host_link_flush(watch->link, watch->fd);
  if (result >= 0)
    monitor_want_output(&call.environment->monitor, (uint32_t)argument(env, &call, 0), result != HOST_SENT);
  return integer(env, result);
}

/* becomeChild(child index, signal, grace): an embryo has exec'ed: it is a child as any from now on, and gets that when this
 * environment ends. */
napi_value export_becomeChild(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = monitor_watch(&call.environment->monitor, (uint32_t)argument(env, &call, 0), WATCH_CHILD);
  if (watch == NULL) return integer(env, -EBADF);
  watch->held = 0;
  watch->cleanup = (struct cleanup){argument(env, &call, 1), argument(env, &call, 2)};
  return integer(env, 0);
}
