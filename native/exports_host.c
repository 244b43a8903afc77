/* Spawn hosts: requests and answers. See convert.h, host.h. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_host.h"
#include "host_link.h"
#include "orphans.h"
#include "pidfd.h"
#include "program_check.h"
#include "sys.h"

/* More kinds of inputs, for hosts: our current directory; and any negative number is the complement of an fd of
 * ours, which is sent as it is. */
enum { INPUT_DIRECTORY = LAUNCH_PACKETS + 1 };

static struct watch *link_at(struct call *call, napi_env env) {
  return monitor_watch(&call->environment->monitor, (uint32_t)argument(env, call, 0), WATCH_HOST);
}

/* Where some of a message waits, an event comes when the socket takes more: at once, if it is not that which it waits for. */
static void flush_later(struct monitor *monitor, uint32_t index, int sent) {
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
  if (result == 0) flush_later(monitor, index, sent);
  return integer(env, result);
}

/* What a request needs besides its program, until it is sent. */
struct sending {
  int *fds;             /* of the inputs */
  unsigned char *owned; /* [i]: close fds[i] */
  uint32_t n;
  int32_t *out; /* our ends: indices of the monitor, -1 where there is none */
};

static void sending_end(struct monitor *monitor, struct sending *s, int failed) {
  for (uint32_t i = 0; i < s->n; i++) {
    if (s->owned[i]) close(s->fds[i]);
    if (failed && s->out[i] >= 0) monitor_remove(monitor, (uint32_t)s->out[i]);
  }
  free(s->fds);
  free(s->owned);
}

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
  if (link_at(&call, env) == NULL) {
    out[0] = EPIPE;
    return integer(env, LAUNCH_FAILED_HOST);
  }
  struct sending s = {.out = out};
  int error = make_inputs(monitor, &s, inputs, (uint32_t)n_inputs, &failure);
  /* Only now: the table may have moved. */
  struct watch *watch = link_at(&call, env);
  if (error == 0) {
    char *message;
    ssize_t size = write_request(watch->link, &request, program, program == NULL ? 0 : length, &message);
    failure = size < 0 ? LAUNCH_FAILED_MEMORY : LAUNCH_FAILED_HOST;
    int sent = size < 0 ? (int)size
                        : host_link_send(watch->link, watch->fd, type, id, message, (size_t)size, s.fds, s.n);
    flush_later(monitor, index, sent);
    if (sent < 0) error = -sent;
  }
  sending_end(monitor, &s, error != 0);
  if (error == 0) return integer(env, 0);
  out[0] = error;
  return integer(env, failure);
}

void host_tell_failure(int32_t *out, const struct launch *launch) {
  out[1] = launch->failure;
  out[2] = launch->error;
  out[3] = launch->report.step;
  out[4] = launch->report.detail;
  out[5] = launch->signal;
  out[6] = launch->report.n_tried;
  for (int i = 0; i < launch->report.n_tried; i++) out[7 + i] = launch->report.tried[i];
}

/* Also one that has ended, and that somebody else in this process has reaped, or the kernel, where SIGCHLD is ignored. */
static int is_our_child(int pid, int pidfd) {
  siginfo_t info;
  if (sys_wait_child(pid, -1, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) == 0) return 1;
  return pidfd >= 0 && sys_pidfd_ended(pidfd);
}

/* A new child: judged as one that was launched from here, and taken into the monitor. */
static void adopt(struct monitor *monitor, struct host_received *r, int32_t *out) {
  const struct host_answer *a = &r->answer;
  struct launch launch = {.hosted = 1, .pidfd = r->fd, .pid = -1, .keeper_pidfd = -1, .keeper_socket = -1};
  int embryo = a->type == HOST_CREATE;
  /* A keeper's end is its socket's, for which it must not be killed: see host_link.c. */
  int keeper = a->kept == HOST_KEEPER_MADE;
  memcpy(&launch.report, &a->report, sizeof launch.report);
  if (!a->relayed && !is_our_child(a->pid, r->fd)) {
    launch.failure = LAUNCH_FAILED_HOST;
    launch.error = ECHILD;
  } else if (r->fd < 0 && !(a->report.phase == PROGRAM_PHASE_FAILED && !a->relayed)) {
    siginfo_t ended;
    launch.failure = LAUNCH_FAILED_PIDFD;
    launch.error = r->lost_fd ? EMFILE : EPROTO;
    if (keeper) {
      launch.report.step = a->relayed ? 0 : a->pid;
    } else if (!a->relayed) {
      kill(a->pid, SIGKILL);
      sys_wait_child(a->pid, -1, &ended, WEXITED | __WALL, NULL);
    }
  } else if (embryo || keeper || a->relayed) {
    launch.pid = a->pid;
  } else {
    launch_judge(&launch, a->pid);
  }
  if (launch.failure == LAUNCH_OK) {
    /* In another pid namespace its number in ours can't be known; and a relay may have given it up by now, where a keeper's
     * command has been told of. */
    int pid = a->foreign || (a->relayed && a->kept != HOST_COMMAND_KEPT) ? pidfd_process(r->fd) : a->pid;
    struct cleanup cleanup = {a->cookie[0], a->cookie[1]};
    int64_t index = -1;
    if (pid < 0) pid = -1; /* it has ended, and the relay has reaped it: nobody is to be signalled by number */
    if (a->relayed) {
      index = monitor_add_relayed(monitor, pid, r->fd, cleanup);
    } else if (keeper) {
      index = monitor_add_keeper(monitor, a->pid, r->fd);
      if (index < 0) orphans_adopt(a->pid, r->fd, -1);
    } else {
      index = monitor_add_child(monitor, a->pid, r->fd, cleanup);
    }
    if (index >= 0) {
      struct watch *watch = monitor_watch(monitor, (uint32_t)index, WATCH_CHILD);
      watch->peak = a->peak;
      watch->held = embryo || keeper;
      out[1] = LAUNCH_OK;
      out[2] = (int32_t)index;
      out[3] = pid;
      out[4] = a->relayed;
      out[5] = a->pid;
      out[6] = a->peak < INT32_MAX ? (int32_t)a->peak : INT32_MAX;
      return;
    }
    launch.failure = LAUNCH_FAILED_WATCH;
    launch.error = (int)-index;
  } else if (r->fd >= 0) {
    close(r->fd);
  }
  host_tell_failure(out, &launch);
}

static void tell_answer(struct monitor *monitor, struct host_received *r, int32_t *out) {
  const struct host_answer *a = &r->answer;
  if (a->outcome == HOST_DONE && (a->type == HOST_SPAWN || a->type == HOST_CREATE)) {
    adopt(monitor, r, out);
    return;
  }
  struct launch launch = {.report = a->report};
  if (a->outcome == HOST_REFUSED) {
    launch.failure = LAUNCH_FAILED_HOST;
    launch.error = a->err;
  } else if (a->outcome == HOST_UNCLONED) {
    launch.failure = LAUNCH_FAILED_CLONE;
    launch.error = a->err;
  } else if (a->report.phase == PROGRAM_PHASE_FAILED) {
    launch.failure = LAUNCH_FAILED_CHILD;
    launch.error = a->report.err;
  } else if (a->outcome == HOST_REAPED) {
    launch.failure = LAUNCH_FAILED_KILLED;
    launch.signal = a->result;
  } else if (a->type == HOST_TAKE && r->fd < 0) {
    launch.failure = LAUNCH_FAILED_HOST;
    launch.error = EMFILE;
  }
  if (launch.failure != LAUNCH_OK) {
    if (r->fd >= 0) close(r->fd);
    host_tell_failure(out, &launch);
    return;
  }
  out[1] = LAUNCH_OK;
  out[2] = a->type == HOST_TAKE ? r->fd : a->result;
  out[3] = 0;
  out[4] = a->relayed;
  if (a->type != HOST_TAKE && r->fd >= 0) close(r->fd);
}

static void tell_state(const struct host_state *state, double *record) {
  int ends = state->code == CLD_EXITED || state->code == CLD_KILLED || state->code == CLD_DUMPED;
  record[FIELD_TYPE] = ends ? EVENT_CHILD : EVENT_STATE;
  record[FIELD_CODE] = state->code;
  record[FIELD_STATUS] = state->status;
  record[FIELD_UID] = state->uid;
  record[FIELD_USAGE] = ends;
  for (int i = 0; i < 9; i++) record[FIELD_UTIME + i] = (double)state->usage[i];
}

/* A relay's child whose pidfd got lost on the way can be ended by the relay alone, which knows whose its number is. */
static void end_lost(struct monitor *monitor, uint32_t index, int pid) {
  struct watch *watch = monitor_watch(monitor, index, WATCH_HOST);
  struct host_request request = {.argument = pid};
  /* Its answer, to request 0, is nobody's. */
  flush_later(monitor, index, host_link_send(watch->link, watch->fd, HOST_END, 0, &request, sizeof request, NULL, 0));
}

/*
 * hostReceive(index, out, record): one message. 0: none has come; 1: an answer: out is [id, enum launch_failure,
 * ...], of a failure then [errno, step, detail, signal, n_tried, tried...], of a new child [index, pid, relayed, pid in
 * the host's namespace, the host's peak of memory in KiB], else [result, 0, relayed]; 2: a state: out[0] is the pid in the host's namespace, record is as
 * the monitor's but for its index; of a keeper for whose pidfd there was no room the step is its pid: it is to be waited
 * for, when its socket is closed; 3: an embryo is about to exec. Else a negated errno, -ENOTCONN or -ECONNRESET: the far side has ended, as
 * host_link_receive() says.
 */
napi_value export_hostReceive(napi_env env, napi_callback_info info) {
  struct call call;
  size_t n_out, n_record;
  struct host_received received;
  begin(env, info, &call);
  int32_t *out = memory(env, call.arguments[1], &n_out);
  double *record = memory(env, call.arguments[2], &n_record);
  struct watch *watch = link_at(&call, env);
  if (watch == NULL || out == NULL || n_out < 7 + PROGRAM_TRIED_MAX || record == NULL || n_record < MONITOR_FIELDS)
    return integer(env, -EBADF);
  int result = host_link_receive(watch->link, watch->fd, &received);
  if (result != 1) return integer(env, result);
  if (received.type == HOST_STATE) {
    out[0] = received.state.pid;
    tell_state(&received.state, record);
    return integer(env, 2);
  }
  if (received.type == HOST_EXECUTING) return integer(env, 3);
  out[0] = (int32_t)received.id;
  const struct host_answer *a = &received.answer;
  int lost = a->relayed && !a->kept && received.fd < 0 && a->outcome == HOST_DONE && (a->type == HOST_SPAWN || a->type == HOST_CREATE);
  if (lost) end_lost(&call.environment->monitor, (uint32_t)argument(env, &call, 0), a->pid);
  tell_answer(&call.environment->monitor, &received, out);
  return integer(env, 1);
}

/* hostFlush(index): sends what waits. Gives an enum host_sent: what there is no event for is to be tried again in a while. */
napi_value export_hostFlush(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = link_at(&call, env);
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
