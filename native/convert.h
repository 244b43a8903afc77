/*
 * The boundary with JavaScript: helpers for the exports_*.c files, the only ones that handle napi
 * values. An export reads its arguments, calls the mechanism, and returns a number: >= 0, or a
 * negated errno, unless it says otherwise. All run in their environment's own thread.
 */
#ifndef BROOD_CONVERT_H
#define BROOD_CONVERT_H

#include <node_api.h>

#include "ending.h"
#include "monitor.h"
#include "sync_run.h"

#define MOST_ARGUMENTS 8

/* One JavaScript environment: the main thread, or a worker. */
struct environment {
  napi_env env;
  napi_async_cleanup_hook_handle hook;
  napi_async_context async;
  napi_ref callback;
  napi_ref events;
  struct monitor monitor;
  struct sync_run *sync; /* the child that this thread waits for, NULL: none */
  struct ending *ending; /* NULL: it takes no part yet */
  int started;
  int rung;
  int close_rung;
};

struct call {
  struct environment *environment;
  napi_value arguments[MOST_ARGUMENTS];
};

/* Creates what one JavaScript environment needs, and undoes it when the environment ends. */
int environment_create(napi_env env);

/* Reads a call's environment and arguments. */
void begin(napi_env env, napi_callback_info info, struct call *call);
napi_value number(napi_env env, double value);
napi_value integer(napi_env env, int32_t value);
/* An integer argument; -1 if it is none. */
int32_t argument(napi_env env, struct call *call, int i);
/* The memory of a typed array, valid while this call lasts. NULL if it is none. */
void *memory(napi_env env, napi_value value, size_t *length);

int is_main_thread(void);
/* Where this environment's clone ladder starts. */
int current_rung(const struct environment *self);

#endif
