/* Pipes whose bytes are kept natively. See convert.h and capture.h. */
#include "exports_capture.h"

#include <stdlib.h>

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
    uint8_t *data = capture_take(capture, &size);
    return external_bytes(env, data, size);
  }
  if (napi_create_buffer_copy(env, capture->size, capture->data, NULL, &buffer) == napi_ok) {
    capture_drop(capture);
    return buffer;
  }
  napi_get_and_clear_last_exception(env, &ignored);
  return NULL;
}

/* As UTF-8, what is not replaced. NULL: no string can hold it. */
static napi_value captured_text(napi_env env, struct capture *capture) {
  napi_value text = NULL, ignored;
  const char *data = capture->data == NULL ? "" : (const char *)capture->data;
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

/* captureQuiet(index): milliseconds since bytes came, -1: none did. */
napi_value export_captureQuiet(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = captured(env, &call);
  return number(env, watch == NULL ? -1 : capture_quiet(watch->capture, watch->fd));
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
