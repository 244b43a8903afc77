/*
 * The boundary with JavaScript: the only file that handles napi values. Its functions read
 * arguments, call the mechanism, and return numbers: >= 0, or a negated errno.
 */
#ifndef BROOD_CONVERT_H
#define BROOD_CONVERT_H

#include <node_api.h>

/* Creates what one JavaScript environment needs, and undoes it when the environment ends. */
int environment_create(napi_env env);

#define EXPORTS(X)                                                                              \
  X(start) X(configure) X(probe) X(operations) X(validate) X(launch) X(arm) X(remove) X(read)     \
  X(write) X(shutdownWrite) X(capacity) X(signal) X(signalGroup) X(watchStops) X(farInode)      \
  X(cleanup) X(ref) X(unref) X(isOpen) X(account) X(environment) X(injectFault)                     \
  X(terminalGroup) X(setTerminalGroup) X(terminalModes) X(setTerminalModes) X(groupOf)            \
  X(sessionOf) X(traceSignal) X(takeSender) X(isReaper) X(reapStrangers)

#define X(name) napi_value export_##name(napi_env env, napi_callback_info info);
EXPORTS(X)
#undef X

#endif
