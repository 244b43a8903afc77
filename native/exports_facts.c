/* What is asked about this process. See convert.h. */
#include "convert.h"

#include <stdlib.h>
#include <string.h>

#include "accounts.h"
#include "exports.h"
#include "own_status.h"
#include "sys.h"

/* isOpen(fd): 1 or 0. */
napi_value export_isOpen(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, fcntl(argument(env, &call, 0), F_GETFD) >= 0);
}

/* isMainThread(): 1 or 0. */
napi_value export_isMainThread(napi_env env, napi_callback_info info) {
  (void)info;
  return integer(env, is_main_thread());
}

/* ownStatus(status: Int32Array[3]): our umask, and the signals that we ignore, two words of 32. */
napi_value export_ownStatus(napi_env env, napi_callback_info info) {
  struct call call;
  struct own_status status;
  size_t length;
  begin(env, info, &call);
  int32_t *words = memory(env, call.arguments[0], &length);
  if (words == NULL || length < 3) return integer(env, -EINVAL);
  own_status_read(&status);
  words[0] = (int32_t)status.umask;
  words[1] = (int32_t)(uint32_t)status.ignored;
  words[2] = (int32_t)(status.ignored >> 32);
  return integer(env, 0);
}

/* account(name or uid): [uid, gid, group...], or an errno, or -1: no such account. */
napi_value export_account(napi_env env, napi_callback_info info) {
  struct call call;
  struct account account = {.groups = NULL};
  char name[512];
  size_t length;
  uint32_t uid = 0;
  napi_value result;
  begin(env, info, &call);
  int named =
      napi_get_value_string_utf8(env, call.arguments[0], name, sizeof name, &length) == napi_ok;
  if (!named) napi_get_value_uint32(env, call.arguments[0], &uid);
  int error = account_find(named ? name : NULL, uid, &account);
  if (error != 0) return integer(env, error);
  napi_create_array_with_length(env, (size_t)account.n_groups + 2, &result);
  napi_set_element(env, result, 0, number(env, account.uid));
  napi_set_element(env, result, 1, number(env, account.gid));
  for (int i = 0; i < account.n_groups; i++)
    napi_set_element(env, result, (uint32_t)i + 2, number(env, account.groups[i]));
  free(account.groups);
  return result;
}

extern char **environ;

/* environment(): the process's own environment block, each entry ended by a NUL. */
napi_value export_environment(napi_env env, napi_callback_info info) {
  size_t size = 0;
  void *data;
  napi_value buffer;
  (void)info;
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++) size += strlen(*entry) + 1;
  napi_create_buffer(env, size, &data, &buffer);
  char *to = data;
  for (char **entry = environ; entry != NULL && *entry != NULL; entry++)
    to = stpcpy(to, *entry) + 1;
  return buffer;
}

/* injectFault(call, skip, count, errno): how many failures are left of the injection before. Test builds
 * only; -ENOSYS elsewhere. */
napi_value export_injectFault(napi_env env, napi_callback_info info) {
#ifdef BROOD_FAULTS
  struct call call;
  char name[64];
  size_t length;
  begin(env, info, &call);
  napi_get_value_string_utf8(env, call.arguments[0], name, sizeof name, &length);
  int result = sys_fault_inject(name, argument(env, &call, 1), argument(env, &call, 2),
                                argument(env, &call, 3));
  return integer(env, result >= 0 ? result : -EINVAL);
#else
  (void)info;
  return integer(env, -ENOSYS);
#endif
}
