/* Launching. See convert.h. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_launch.h"
#include "orphans.h"
#include "program_check.h"
#include "sys.h"

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

/* A keeper whose socket is closed ends everything that it keeps, and itself: it is waited for. */
static void end_keeper(struct monitor *monitor, const struct launch *launch, int64_t keeper, int64_t socket) {
  siginfo_t info;
  if (socket >= 0) monitor_remove(monitor, (uint32_t)socket);
  sys_wait_child(launch->keeper, launch->keeper_pidfd, &info, WEXITED | WNOWAIT | __WALL, NULL);
  if (keeper >= 0) monitor_end_child(monitor, (uint32_t)keeper);
  else orphans_end(launch->keeper, launch->keeper_pidfd);
}

/* Takes the fds of a launch into the monitor, but for our ends where these are `given` to the caller. On failure all are
 * closed, and the child, with its keeper, is ended. */
static int adopt(struct monitor *monitor, struct launch *launch, int n, struct cleanup cleanup, int given,
                 int32_t *out) {
  int kept = launch->keeper_socket >= 0;
  int64_t keeper = -1, socket = -1;
  int64_t child = monitor_add_child(monitor, launch->pid, launch->pidfd, cleanup);
  int64_t result = child;
  if (child >= 0 && kept) monitor_keep_child(monitor, (uint32_t)child);
  if (kept && result >= 0) result = keeper = monitor_add_keeper(monitor, launch->keeper, launch->keeper_pidfd);
  if (kept && result < 0) close(launch->keeper_socket);
  else if (kept) result = socket = monitor_add_pipe(monitor, launch->keeper_socket, 0);
  int taken = 0; /* of ours[], by the monitor; also the one that it could not add, and closed */
  if (given && result >= 0) {
    for (; taken < n; taken++) out[2 + taken] = launch->ours[taken].fd;
  }
  while (result >= 0 && taken < n) {
    result = monitor_add_pipe(monitor, launch->ours[taken].fd, launch->ours[taken].far_inode);
    out[2 + taken++] = (int32_t)result;
  }
  if (result >= 0) {
    out[0] = (int32_t)child;
    out[1] = launch->pid;
    out[2 + n] = (int32_t)keeper;
    out[3 + n] = (int32_t)socket;
    out[4 + n] = launch->keeper;
    return 0;
  }
  for (int i = 0; i + 1 < taken; i++) monitor_remove(monitor, (uint32_t)out[2 + i]);
  for (int i = taken; i < n; i++) close(launch->ours[i].fd);
  if (kept) end_keeper(monitor, launch, keeper, socket);
  if (child >= 0) monitor_end_child(monitor, (uint32_t)child);
  return (int)-result;
}

/* Reads program, inputs and flags, the first three arguments, and `out`. 0, or -EINVAL for a malformed program. */
static int read_request(napi_env env, struct call *call, int out_index, struct launch_request *request) {
  size_t length, n_inputs, n_out;
  int bad;
  struct environment *self = call->environment;
  void *program = memory(env, call->arguments[0], &length);
  int32_t *inputs = memory(env, call->arguments[1], &n_inputs);
  request->out = memory(env, call->arguments[out_index], &n_out);
  request->flags = argument(env, call, 2);
  if (program == NULL || program_validate(program, length, &bad) != 0 ||
      ((struct program_header *)program)->n_inputs != n_inputs || n_out < n_inputs + LAUNCH_OUT_BESIDES ||
      n_out < 5 + PROGRAM_TRIED_MAX || ((request->flags & LAUNCH_UNWATCHED) && n_inputs != 0))
    return -EINVAL;
  program_relocate(program);
  request->n_inputs = (int)n_inputs;
  request->ours = n_inputs <= FEW_INPUTS ? request->few : sys_malloc(n_inputs * sizeof *request->ours);
  request->launch = (struct launch){.program = program,
                                    .rung = current_rung(self),
                                    .close_rung = self->close_rung,
                                    .inputs = inputs,
                                    .stack = &self->monitor.stack,
                                    .contain = request->contain,
                                    .ours = request->ours};
  return 0;
}

int launch_requested(napi_env env, struct call *call, int out_index, struct launch_request *request) {
  int result = read_request(env, call, out_index, request);
  if (result != 0) return result;
  if (request->ours == NULL) {
    request->launch.failure = LAUNCH_FAILED_MEMORY;
    request->launch.error = ENOMEM;
  } else if (request->flags & LAUNCH_LASTING) {
    launch_run_lasting(&request->launch);
  } else {
    launch_run(&request->launch);
  }
  return 0;
}

void launch_tell_failure(int32_t *out, const struct launch *launch) {
  out[0] = launch->error;
  out[1] = launch->report.step;
  out[2] = launch->report.detail;
  out[3] = launch->signal;
  out[4] = launch->report.n_tried;
  for (int i = 0; i < launch->report.n_tried; i++) out[5 + i] = launch->report.tried[i];
}

int launch_told(struct launch_request *request) {
  const struct launch *launch = &request->launch;
  if (request->ours != request->few) free(request->ours);
  if (launch->failure != LAUNCH_OK) launch_tell_failure(request->out, launch);
  return launch->failure;
}

/* Launches, and adopts what comes of it: see export_launch. */
static napi_value launch_with(napi_env env, struct call *call, const struct launch_containment *contain) {
  struct launch_request request = {.contain = contain};
  struct environment *self = call->environment;
  struct cleanup cleanup = {argument(env, call, 3), argument(env, call, 5)};
  int watched = !(argument(env, call, 2) & LAUNCH_UNWATCHED);
  if ((watched && !self->started) || launch_requested(env, call, 4, &request) != 0)
    return integer(env, -EINVAL);
  struct launch *launch = &request.launch;
  if (launch->failure == LAUNCH_OK && !watched) {
    request.out[0] = launch->pidfd;
    request.out[1] = launch->pid;
  } else if (launch->failure == LAUNCH_OK) {
    launch->error = adopt(&self->monitor, launch, request.n_inputs, cleanup,
                          request.flags & LAUNCH_ENDS_GIVEN, request.out);
    if (launch->error != 0) launch->failure = LAUNCH_FAILED_WATCH;
  }
  return integer(env, launch_told(&request));
}

/*
 * launch(program, inputs, flags, cleanupSignal, out: Int32Array, cleanupGrace): enum launch_failure, or -EINVAL
 * for a malformed program. On success out is [child index, pid, pipe index...], with LAUNCH_ENDS_GIVEN [child index, pid,
 * fd...], these the caller's, with LAUNCH_UNWATCHED [pidfd, pid], both the caller's (there can be no inputs); else [errno, step, detail, signal, n_tried, tried...].
 * The program's bytes are used up: it can't be launched twice.
 */
napi_value export_launch(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return launch_with(env, &call, NULL);
}

/* The next of the strings in a block, each ended by a NUL; NULL for an empty one. */
static const char *next_text(const char **at, const char *end) {
  const char *text = *at;
  const char *nul = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
  if (nul == NULL) return NULL;
  *at = nul + 1;
  return *text == 0 ? NULL : text;
}

/*
 * launchContained(program, inputs, flags, cleanupSignal, out, cleanupGrace, [cgroup, namespaces, denySetgroups], texts):
 * as launch. texts: the keeper's path and role, uid map and gid map, each ended by a NUL, empty if not wanted. On success,
 * with a keeper, the pipes' indices in `out` are followed by those of the keeper and of its socket, and its pid.
 */
napi_value export_launchContained(napi_env env, napi_callback_info info) {
  struct call call;
  size_t n, size;
  begin(env, info, &call);
  const int32_t *numbers = memory(env, call.arguments[6], &n);
  const char *texts = memory(env, call.arguments[7], &size);
  if (numbers == NULL || n < 3 || texts == NULL) return integer(env, -EINVAL);
  const char *end = texts + size;
  struct launch_containment contain = {.cgroup = numbers[0],
                                       .namespaces = (uint32_t)numbers[1],
                                       .deny_setgroups = numbers[2]};
  contain.keeper_path = next_text(&texts, end);
  contain.keeper_role = next_text(&texts, end);
  contain.uid_map = next_text(&texts, end);
  contain.gid_map = next_text(&texts, end);
  return launch_with(env, &call, &contain);
}
