/*
 * Every export of the addon, by file: exports_environment.c, exports_launch.c, ...
 * src/native/addon.ts is the other side.
 */
#ifndef BROOD_EXPORTS_H
#define BROOD_EXPORTS_H

#include <node_api.h>

#define EXPORTS_ENVIRONMENT(X) X(start) X(configure) X(probe) X(operations)
#define EXPORTS_LAUNCH(X) X(validate) X(launch) X(launchContained)
#define EXPORTS_SYNC(X) \
  X(syncLaunch) X(syncWait) X(syncTake) X(syncIsOpen) X(syncFarInode) X(syncClose) X(syncSignal) \
  X(syncEnd)
#define EXPORTS_PIPE(X) \
  X(arm) X(remove) X(movedAt) X(read) X(write) X(writev) X(shutdownWrite) X(grow) X(available) X(unaligned) X(keepFreed) X(farInode)
#define EXPORTS_CAPTURE(X) X(capture) X(captureRest) X(captureTake)
#define EXPORTS_CHILD(X) X(signal) X(signalGroup) X(watchStops) X(cleanup) X(ref) X(unref)
#define EXPORTS_ENDING(X) \
  X(endingJoin) X(endingAsk) X(endingTake) X(endingAnswer) X(endingLeft) X(awaitOrphans)
#define EXPORTS_CONTAIN(X) X(keptEnded) X(signalStarted) X(clockTicks) X(watchFile)
#define EXPORTS_FACTS(X) X(isOpen) X(isMainThread) X(ownStatus) X(account) X(environment) X(injectFault)
#define EXPORTS_WATCH(X) \
  X(pidfdCopy) X(pidfdProcess) X(adoptChild) X(watchProcess) X(signalProcess)
#define EXPORTS_HOST(X) \
  X(hostOpen) X(hostSend) X(hostReceive) X(hostFlush) X(becomeChild)
#define EXPORTS_KEPT(X) X(keptHear) X(keptOrder) X(answerIdMaps)
#define EXPORTS_TERMINAL(X)                                                              \
  X(terminalGroup) X(setTerminalGroup) X(terminalModes) X(setTerminalModes) X(groupOf)    \
  X(sessionOf) X(traceSignal) X(takeSender) X(isReaper) X(reapStrangers)
#define EXPORTS_POSIX(X) \
  X(pipe) X(socketpair) X(pidfdOpen) X(pidfdSendSignal) X(kill) X(waitid) X(closeFd) \
  X(openpty) X(setWindowSize)

#define EXPORTS(X)       \
  EXPORTS_ENVIRONMENT(X) \
  EXPORTS_LAUNCH(X)      \
  EXPORTS_SYNC(X)        \
  EXPORTS_PIPE(X)        \
  EXPORTS_CAPTURE(X)     \
  EXPORTS_CHILD(X)       \
  EXPORTS_ENDING(X)      \
  EXPORTS_CONTAIN(X)     \
  EXPORTS_FACTS(X)       \
  EXPORTS_WATCH(X)       \
  EXPORTS_HOST(X)        \
  EXPORTS_KEPT(X)        \
  EXPORTS_TERMINAL(X)    \
  EXPORTS_POSIX(X)

#define X(name) napi_value export_##name(napi_env env, napi_callback_info info);
EXPORTS(X)
#undef X

#endif
