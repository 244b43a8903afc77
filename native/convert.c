/* See convert.h. Node-API 8. */
#include "convert.h"

void begin(napi_env env, napi_callback_info info, struct call *call) {
  size_t count = MOST_ARGUMENTS;
  void *data = NULL;
  napi_get_cb_info(env, info, &count, call->arguments, NULL, NULL);
  napi_get_instance_data(env, &data);
  call->environment = data;
}

napi_value number(napi_env env, double value) {
  napi_value result = NULL;
  napi_create_double(env, value, &result);
  return result;
}

napi_value integer(napi_env env, int32_t value) {
  napi_value result = NULL;
  napi_create_int32(env, value, &result);
  return result;
}

int32_t argument(napi_env env, struct call *call, int i) {
  int32_t value = -1;
  napi_get_value_int32(env, call->arguments[i], &value);
  return value;
}

/* The memory of a typed array, valid while this call lasts. NULL if it is none. */
void *memory(napi_env env, napi_value value, size_t *length) {
  napi_typedarray_type type;
  void *data = NULL;
  *length = 0;
  if (napi_get_typedarray_info(env, value, &type, length, &data, NULL, NULL) != napi_ok) return NULL;
  return data;
}
