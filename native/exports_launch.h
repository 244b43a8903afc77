/*
 * What the exports that launch have in common: from a call's arguments to a launch, and back to what
 * it told.
 */
#ifndef BROOD_EXPORTS_LAUNCH_H
#define BROOD_EXPORTS_LAUNCH_H

#include "convert.h"

#define FEW_INPUTS 16

/* ENDS_GIVEN: our ends of the inputs become the caller's, as fds. */
enum launch_flags { LAUNCH_LASTING = 1, LAUNCH_UNWATCHED = 2, LAUNCH_ENDS_GIVEN = 4 };

/* Of what is told of a success, so many numbers are besides those of the pipes. */
#define LAUNCH_OUT_BESIDES 5

struct launch_request {
  const struct launch_containment *contain; /* in; NULL: not contained */
  struct launch launch;
  int n_inputs;
  int flags;
  int32_t *out;
  struct launch_end few[FEW_INPUTS];
  struct launch_end *ours;
};

/* Launches (program, inputs, flags, ..., out): -EINVAL for a malformed program, else 0 and
 * request->launch tells. On success its fds are the caller's. launch_told() must follow. */
int launch_requested(napi_env env, struct call *call, int out_index, struct launch_request *request);

/* Writes what is known of a failure: error, step, detail, signal, count, and an errno for each candidate. */
void launch_tell_failure(int32_t *out, const struct launch *launch);

/* Writes a failure to `out`, and frees. Returns the enum launch_failure. */
int launch_told(struct launch_request *request);

#endif
