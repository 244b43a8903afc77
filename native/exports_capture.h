/* Captured bytes as values of JavaScript, for the exports that hand them out. */
#ifndef BROOD_EXPORTS_CAPTURE_H
#define BROOD_EXPORTS_CAPTURE_H

#include <node_api.h>

#include "capture.h"

/*
 * Gives what was captured as a Buffer, and keeps nothing: large ones without a copy, their memory then being the
 * collector's. NULL: there is no memory for it, or no Buffer can be so large; what was captured stays.
 */
napi_value captured_bytes(napi_env env, struct capture *capture);

#endif
