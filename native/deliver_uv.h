#ifndef BROOD_DELIVER_UV_H
#define BROOD_DELIVER_UV_H

#include "monitor.h"

/* Delivery on Node's event loop; `loop` is the environment's uv_loop_t. */
extern const struct delivery deliver_uv;

#endif
