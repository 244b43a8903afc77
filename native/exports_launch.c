/* Launching. See convert.h. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_launch.h"
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
      ((struct program_header *)program)->n_inputs != n_inputs || n_out < n_inputs + 2 ||
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

int launch_told(struct launch_request *request) {
  const struct launch *launch = &request->launch;
  int32_t *out = request->out;
  if (request->ours != request->few) free(request->ours);
  if (launch->failure != LAUNCH_OK) {
    out[0] = launch->error;
    out[1] = launch->report.step;
    out[2] = launch->report.detail;
    out[3] = launch->signal;
    out[4] = launch->report.n_tried;
    for (int i = 0; i < launch->report.n_tried; i++) out[5 + i] = launch->report.tried[i];
  }
  return launch->failure;
}

/*
 * launch(program, inputs, flags, cleanupSignal, out: Int32Array, cleanupGrace): enum launch_failure, or -EINVAL
 * for a malformed program. On success out is [child index, pid, pipe index...], with LAUNCH_UNWATCHED [pidfd,
 * pid], both the caller's (there can be no inputs); else [errno, step, detail, signal, n_tried, tried...].
 * The program's bytes are used up: it can't be launched twice.
 */
napi_value export_launch(napi_env env, napi_callback_info info) {
  struct call call;
  struct launch_request request;
  begin(env, info, &call);
  struct environment *self = call.environment;
  struct cleanup cleanup = {argument(env, &call, 3), argument(env, &call, 5)};
  int watched = !(argument(env, &call, 2) & LAUNCH_UNWATCHED);
  if ((watched && !self->started) || launch_requested(env, &call, 4, &request) != 0)
    return integer(env, -EINVAL);
  struct launch *launch = &request.launch;
  if (launch->failure == LAUNCH_OK && !watched) {
    request.out[0] = launch->pidfd;
    request.out[1] = launch->pid;
  } else if (launch->failure == LAUNCH_OK) {
    launch->error = adopt(&self->monitor, launch, request.n_inputs, cleanup, request.out);
    if (launch->error != 0) launch->failure = LAUNCH_FAILED_WATCH;
  }
  return integer(env, launch_told(&request));
}
