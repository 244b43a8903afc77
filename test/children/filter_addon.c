/*
 * An addon with one function, install(rules): puts the calling thread under a seccomp filter, see filter.c. For
 * filters under which Node itself could not start, since its threads come from clone3, and it from execve.
 */
#define FILTER_ADDON
#include "filter.c"

#include <node_api.h>

static napi_value install(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument, result;
  char text[1024];
  const char *rules[FILTER_RULES];
  int n = 0;
  napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
  napi_get_value_string_utf8(env, argument, text, sizeof text, &length);
  for (char *rule = strtok(text, " "); rule != NULL && n < FILTER_RULES; rule = strtok(NULL, " ")) rules[n++] = rule;
  napi_create_int32(env, filter_install(rules, n), &result);
  return result;
}

NAPI_MODULE_INIT() {
  napi_value function;
  napi_create_function(env, "install", NAPI_AUTO_LENGTH, install, NULL, &function);
  napi_set_named_property(env, exports, "install", function);
  return exports;
}
