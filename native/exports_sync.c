/* A child that the thread waits for. See convert.h and sync_run.h. */
#include "convert.h"

#include <string.h>

#include "exports.h"
#include "exports_launch.h"
#include "orphans.h"
#include "sys.h"

/* One that an exception has left behind must not live on. */
static void end_run(struct environment *self) {
  if (self->sync != NULL) sync_run_close(self->sync);
  self->sync = NULL;
}

/*
 * syncLaunch(program, inputs, flags, feed, out: Int32Array): as launch(), but the child is this
 * thread's to wait for, not the monitor's. `feed`: the input that syncWait() writes to, -1: none. On
 * success out is [0, pid].
 */
napi_value export_syncLaunch(napi_env env, napi_callback_info info) {
  struct call call;
  struct launch_request request = {.contain = NULL};
  begin(env, info, &call);
  struct environment *self = call.environment;
  end_run(self);
  if (launch_requested(env, &call, 4, &request) != 0) return integer(env, -EINVAL);
  struct launch *launch = &request.launch;
  if (launch->failure == LAUNCH_OK) {
    self->sync = sync_run_open(launch, (uint32_t)request.n_inputs, argument(env, &call, 3));
    if (self->sync == NULL) {
      orphans_end(launch->pid, launch->pidfd);
      for (int i = 0; i < request.n_inputs; i++) close(launch->ours[i].fd);
      launch->failure = LAUNCH_FAILED_WATCH;
      launch->error = ENOMEM;
    } else {
      request.out[0] = 0;
      request.out[1] = launch->pid;
    }
  }
  return integer(env, launch_told(&request));
}

/* syncWait(ms, most, input, record: Float64Array): bits of enum sync_run_state, or a negated errno. */
napi_value export_syncWait(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size, length;
  double ms = 0, most = 0;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  napi_get_value_double(env, call.arguments[0], &ms);
  napi_get_value_double(env, call.arguments[1], &most);
  const uint8_t *input = memory(env, call.arguments[2], &size);
  double *record = memory(env, call.arguments[3], &length);
  if (run == NULL || record == NULL || length < SYNC_RUN_FIELDS) return integer(env, -EINVAL);
  return integer(env, sync_run_wait(run, ms, most, input, size, record));
}

/* syncTake(i): a copy of what was read from pipe i since the last time; 0: nothing; an errno where there is no memory
 * for it, and it stays. */
napi_value export_syncTake(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size = 0;
  const uint8_t *data = NULL;
  napi_value buffer, ignored;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  uint32_t i = (uint32_t)argument(env, &call, 0);
  if (run != NULL) data = sync_run_data(run, i, &size);
  if (size == 0) return integer(env, 0);
  if (napi_create_buffer_copy(env, size, data, NULL, &buffer) != napi_ok) {
    napi_get_and_clear_last_exception(env, &ignored);
    return integer(env, ENOMEM);
  }
  if (run != NULL) sync_run_drop(run, i);
  return buffer;
}

/* syncIsOpen(i): 1 or 0. */
napi_value export_syncIsOpen(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  return integer(env, run != NULL && sync_run_fd(run, (uint32_t)argument(env, &call, 0)) >= 0);
}

/* syncFarInode(i): the inode of the other end of an open pipe. */
napi_value export_syncFarInode(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  return number(env, run == NULL ? 0 : (double)sync_run_far_inode(run, (uint32_t)argument(env, &call, 0)));
}

/* syncClose(i) */
napi_value export_syncClose(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  if (run != NULL) sync_run_close_pipe(run, (uint32_t)argument(env, &call, 0));
  return integer(env, 0);
}

/* syncSignal(signal): 1 sent, 0 it has ended. */
napi_value export_syncSignal(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct sync_run *run = call.environment->sync;
  return integer(env, run == NULL ? 0 : sync_run_signal(run, argument(env, &call, 0)));
}

/* syncEnd(): closes what is open; a child that has not been reaped is killed and reaped. */
napi_value export_syncEnd(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  end_run(call.environment);
  return integer(env, 0);
}
