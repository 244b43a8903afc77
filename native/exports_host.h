/*
 * What the exports about spawn hosts have in common.
 */
#ifndef BROOD_EXPORTS_HOST_H
#define BROOD_EXPORTS_HOST_H

#include "launch.h"

/* Writes a failure to `out` from out[1] on: [enum launch_failure, errno, step, detail, signal, n_tried, tried...]. */
void host_tell_failure(int32_t *out, const struct launch *launch);

#endif
