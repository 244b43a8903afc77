/*
 * What the exports about spawn hosts have in common.
 */
#ifndef BROOD_EXPORTS_HOST_H
#define BROOD_EXPORTS_HOST_H

#include "convert.h"
#include "launch.h"

/* The entry of a spawn host's socket, or of a copy's, that the first argument names; NULL: it has none, or has ended. */
struct watch *host_link_at(napi_env env, struct call *call);
/* After a host_link_send(): where some of a message waits, an event comes when the socket takes more; at once, if that is not what it
 * waits for. */
void host_flush_later(struct monitor *monitor, uint32_t index, int sent);
/* Writes a failure to `out` from out[1] on: [enum launch_failure, errno, step, detail, signal, n_tried, tried...]. */
void host_tell_failure(int32_t *out, const struct launch *launch);

#endif
