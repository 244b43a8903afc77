/*
 * Loaded into a Node process: takes the status of whichever child ends next, as a library does that calls
 * waitpid(-1) on its own. Blocks the thread that loads it until then.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <sys/wait.h>

void *napi_register_module_v1(void *env, void *exports) {
  (void)env;
  while (waitpid(-1, NULL, __WALL) < 0 && errno == EINTR) {
  }
  return exports;
}
