/* Spawn hosts: answers, and the children that they tell of. See convert.h, host.h. */
#include "convert.h"

#include <string.h>

#include "exports.h"
#include "exports_host.h"
#include "exports_launch.h"
#include "host_link.h"
#include "orphans.h"
#include "pidfd.h"
#include "sys.h"

void host_tell_failure(int32_t *out, const struct launch *launch) {
  out[1] = launch->failure;
  launch_tell_failure(out + 2, launch);
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
    if (a->relayed) index = monitor_add_relayed(monitor, pid, r->fd, cleanup);
    else if (keeper) index = monitor_add_keeper(monitor, a->pid, r->fd);
    else index = monitor_add_child(monitor, a->pid, r->fd, cleanup);
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
    if (keeper || a->relayed) host_link_end_child(a->pid, r->fd, a->relayed, keeper);
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
  host_flush_later(monitor, index, host_link_send(watch->link, watch->fd, HOST_END, 0, &request, sizeof request, NULL, 0));
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
  struct watch *watch = host_link_at(env, &call);
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
