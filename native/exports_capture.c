/* Pipes whose bytes are kept natively. See convert.h and capture.h. */
#include "exports_capture.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "convert.h"
#include "exports.h"
#include "sys.h"

/* From here on a copy, and memory for it, costs more than what has to be known of memory that isn't the runtime's. */
#define LEAST_EXTERNAL (64 * 1024)

static void free_bytes(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

/* Takes over the memory. */
static napi_value external_bytes(napi_env env, uint8_t *data, size_t size) {
  napi_value buffer = NULL, ignored;
  napi_status status = napi_create_external_buffer(env, size, data, free_bytes, NULL, &buffer);
  if (status == napi_ok) return buffer;
  /* Of one that can't be made the runtime frees the memory; where there are none it is still ours. */
  if (status == napi_no_external_buffers_allowed) {
    status = napi_create_buffer_copy(env, size, data, NULL, &buffer);
    free(data);
  }
  if (status == napi_ok) return buffer;
  napi_get_and_clear_last_exception(env, &ignored);
  return NULL;
}

napi_value captured_bytes(napi_env env, struct capture *capture) {
  napi_value buffer, ignored;
  size_t size;
  if (capture->size >= LEAST_EXTERNAL) {
    capture_fit(capture);
    uint8_t *data = capture->data;
    size = capture->size;
    capture_forget(capture);
    return external_bytes(env, data, size);
  }
  if (napi_create_buffer_copy(env, capture->size, capture->data, NULL, &buffer) == napi_ok) {
    capture_drop(capture);
    return buffer;
  }
  napi_get_and_clear_last_exception(env, &ignored);
  return NULL;
}

/* ---- text --------------------------------------------------------------------------------------- */

/* From here on text that is ASCII stays where it is, too. */
#define LEAST_EXTERNAL_TEXT ((size_t)256 * 1024)
/* What a string of V8 can hold. */
#define MOST_TEXT ((size_t)536870888)

/* Node-API 10, in Node from 20.4 on; `copied`: it was, and the memory has been freed. */
typedef napi_status (*create_external_latin1)(napi_env env, char *text, size_t length, napi_finalize finalize,
                                              void *hint, napi_value *result, bool *copied);

static int is_ascii(const uint8_t *data, size_t size) {
  size_t i = 0;
  uint64_t high = 0, words[8];
  for (; i + sizeof words <= size && (high & 0x8080808080808080u) == 0; i += sizeof words) {
    memcpy(words, data + i, sizeof words);
    high = words[0] | words[1] | words[2] | words[3] | words[4] | words[5] | words[6] | words[7];
  }
  for (; i < size; i++) high |= data[i];
  return (high & 0x8080808080808080u) == 0;
}

/* `env` is NULL when the environment is ending. */
static void free_text(napi_env env, void *data, void *hint) {
  int64_t held;
  free(data);
  if (env != NULL) napi_adjust_external_memory(env, -(int64_t)(uintptr_t)hint, &held);
}

/* Takes over the memory, on success only. */
static napi_value external_text(napi_env env, struct capture *capture) {
  create_external_latin1 create =
      (create_external_latin1)dlsym(RTLD_DEFAULT, "node_api_create_external_string_latin1");
  napi_value text = NULL;
  bool copied = false;
  int64_t held;
  size_t size;
  if (create == NULL) return NULL;
  capture_fit(capture);
  char *data = (char *)capture->data;
  size = capture->size;
  if (create(env, data, size, free_text, (void *)(uintptr_t)size, &text, &copied) != napi_ok) return NULL;
  capture_forget(capture);
  napi_adjust_external_memory(env, (int64_t)size, &held);
  return text;
}

/* As UTF-8, what is none replaced. NULL: no string can hold it. */
static napi_value captured_text(napi_env env, struct capture *capture) {
  napi_value text = NULL, ignored;
  const char *data = capture->data == NULL ? "" : (const char *)capture->data;
  if (capture->size >= LEAST_EXTERNAL_TEXT && capture->size <= MOST_TEXT &&
      is_ascii(capture->data, capture->size))
    text = external_text(env, capture);
  if (text != NULL) return text;
  if (napi_create_string_utf8(env, data, capture->size, &text) == napi_ok) {
    capture_drop(capture);
    return text;
  }
  napi_get_and_clear_last_exception(env, &ignored);
  return NULL;
}

static struct watch *captured(napi_env env, struct call *call) {
  struct watch *watch =
      monitor_watch(&call->environment->monitor, (uint32_t)argument(env, call, 0), WATCH_PIPE);
  return watch == NULL || watch->capture == NULL ? NULL : watch;
}

/* capture(index): what comes is kept from now on. */
napi_value export_capture(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, monitor_capture(&call.environment->monitor, (uint32_t)argument(env, &call, 0)));
}

/* captureRest(index): keeps what is there now. 1: that was the end, 0: it is open. */
napi_value export_captureRest(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = captured(env, &call);
  return integer(env, watch == NULL ? -EBADF : capture_rest(watch->capture, watch->fd));
}

/* captureTake(index, text): what was kept, which is then the runtime's: 1 a string, 0 a Buffer. A number: it can't be made,
 * and the bytes stay if it was a string. */
napi_value export_captureTake(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = captured(env, &call);
  if (watch == NULL) return integer(env, -EBADF);
  napi_value taken = argument(env, &call, 1) == 1 ? captured_text(env, watch->capture)
                                                  : captured_bytes(env, watch->capture);
  return taken != NULL ? taken : integer(env, -ENOMEM);
}
