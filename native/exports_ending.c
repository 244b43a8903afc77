/* The end of the process, for the children of all its environments. See convert.h, ending.h. */
#include "convert.h"

#include <sys/eventfd.h>

#include "ending.h"
#include "exports.h"
#include "orphans.h"
#include "sys.h"

/* endingJoin(): the index of an entry that has an event when this environment is asked, or answered. -EEXIST: it takes part
 * already. */
napi_value export_endingJoin(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct environment *self = call.environment;
  if (self->ending != NULL) return integer(env, -EEXIST);
  int event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event < 0) return integer(env, -errno);
  int error = ending_join(event, &self->ending);
  if (error != 0) {
    close(event);
    return integer(env, -error);
  }
  int64_t index = monitor_add_pipe(&self->monitor, event, 0);
  int armed = index < 0 ? (int)index : monitor_arm(&self->monitor, (uint32_t)index);
  if (armed < 0) {
    if (index >= 0) monitor_remove(&self->monitor, (uint32_t)index);
    ending_leave(self->ending);
    self->ending = NULL;
    return integer(env, armed);
  }
  return integer(env, (int32_t)index);
}

/* endingAsk(kill): how many other environments are asked to end their children. */
napi_value export_endingAsk(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct ending *ending = call.environment->ending;
  return integer(env, ending == NULL ? -EINVAL : ending_ask(ending, argument(env, &call, 0) == 1));
}

/* endingTake(): what this one is asked, as ending_take(). */
napi_value export_endingTake(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct ending *ending = call.environment->ending;
  return number(env, ending == NULL ? 0 : (double)ending_take(ending));
}

/* endingAnswer(question): 0. */
napi_value export_endingAnswer(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct ending *ending = call.environment->ending;
  if (ending != NULL) ending_answer(ending, argument(env, &call, 0));
  return integer(env, 0);
}

/* endingLeft(heard): how many have not answered, of all, or (1) of those that have heard. */
napi_value export_endingLeft(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  return integer(env, ending_left(argument(env, &call, 0) == 1));
}

/* awaitOrphans(): blocks until the children of environments that have ended meanwhile have had their time. */
napi_value export_awaitOrphans(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  orphans_await();
  return integer(env, 0);
}
