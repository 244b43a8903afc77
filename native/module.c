/* The addon's exports, and nothing else. See exports.h. */
#include "convert.h"
#include "exports.h"

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback callback;
  } table[] = {
#define X(name) {#name, export_##name},
      EXPORTS(X)
#undef X
  };
  if (environment_create(env) != 0) {
    napi_throw_error(env, "ENOMEM", "brood: no memory for the native part");
    return NULL;
  }
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    napi_value function;
    if (napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].callback, NULL,
                             &function) != napi_ok ||
        napi_set_named_property(env, exports, table[i].name, function) != napi_ok)
      return NULL;
  }
  return exports;
}
