/* Launching. See convert.h. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>

#include "exports.h"
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

enum launch_flags { LAUNCH_LASTING = 1, LAUNCH_UNWATCHED = 2 };

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
 * for a malformed program. On success out is [child index, pid, pipe index...], with LAUNCH_UNWATCHED [pidfd,
 * pid], both the caller's (there can be no inputs); else [errno, step, detail, signal, n_tried, tried...].
 * The program's bytes are used up: it can't be launched twice.
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
  int watched = !(flags & LAUNCH_UNWATCHED);
  if ((watched ? !self->started : n_inputs != 0) || program == NULL || program_validate(program, length, &bad) != 0 ||
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
  if (launch.failure == LAUNCH_OK && !watched) {
    out[0] = launch.pidfd;
    out[1] = launch.pid;
  } else if (launch.failure == LAUNCH_OK) {
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
