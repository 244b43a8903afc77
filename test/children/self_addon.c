/*
 * A Node-API addon that changes, and asks, what JavaScript can't of its own process or thread: signal
 * dispositions and mask, fd flags and numbers, limits, the dumpable flag, a pseudo-terminal; and that forks.
 * Every function takes and gives integers; a negative result is a negated errno.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Declared here, so that no header of Node's is needed. */
typedef struct napi_env__ *napi_env;
typedef struct napi_value__ *napi_value;
typedef struct napi_callback_info__ *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);
int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_value_int32(napi_env, napi_value, int32_t *);
int napi_create_int32(napi_env, int32_t, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

/* ignoreSignal(signal, yes): ignored, or default. Gives whether it was ignored. */
static int ignore_signal(int number, int yes) {
  struct sigaction before, action = {.sa_handler = yes ? SIG_IGN : SIG_DFL};
  if (sigaction(number, &action, &before) != 0) return -errno;
  return before.sa_handler == SIG_IGN;
}

/* blockSignals(yes): all of this thread's, also those that libc keeps out, or none. */
static int block_signals(int yes, int unused) {
  uint64_t mask = yes ? ~0ull : 0;
  (void)unused;
  return syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask) == 0 ? 0 : -errno;
}

static int set_cloexec(int fd, int yes) { return fcntl(fd, F_SETFD, yes ? FD_CLOEXEC : 0) == 0 ? 0 : -errno; }
static int get_cloexec(int fd, int unused) {
  (void)unused;
  int flags = fcntl(fd, F_GETFD);
  return flags < 0 ? -errno : flags & FD_CLOEXEC;
}

/* duplicate(fd, minimum): a copy that is not close-on-exec. */
static int duplicate(int fd, int minimum) {
  int copy = fcntl(fd, F_DUPFD, minimum);
  return copy < 0 ? -errno : copy;
}

/* limit(resource, soft): the soft limit. */
static int limit(int resource, int soft) {
  struct rlimit both;
  if (getrlimit(resource, &both) != 0) return -errno;
  both.rlim_cur = (rlim_t)soft;
  return setrlimit(resource, &both) == 0 ? 0 : -errno;
}

static int get_dumpable(int a, int b) {
  (void)a, (void)b;
  return prctl(PR_GET_DUMPABLE);
}
static int set_dumpable(int value, int unused) {
  (void)unused;
  return prctl(PR_SET_DUMPABLE, value) == 0 ? 0 : -errno;
}

/* openTerminal(): the master of a new pseudo-terminal; openSlave(master): its other side. */
static int open_terminal(int a, int b) {
  (void)a, (void)b;
  int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  return master < 0 || grantpt(master) != 0 || unlockpt(master) != 0 ? -errno : master;
}
static int open_slave(int master, int unused) {
  (void)unused;
  int slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  return slave < 0 ? -errno : slave;
}

/* forkAndExit(status): a copy of this process by fork(2), which ends as any process does. Gives how it ended; Node's own part of that
 * may hang, or crash. */
static int fork_and_exit(int status, int unused) {
  int result;
  (void)unused;
  pid_t pid = fork();
  if (pid == 0) {
    alarm(2);
    exit(status);
  }
  if (pid < 0 || waitpid(pid, &result, 0) != pid) return -errno;
  return WIFEXITED(result) ? WEXITSTATUS(result) : 128 + WTERMSIG(result);
}

static napi_value call(napi_env env, napi_callback_info info) {
  napi_value arguments[2], result = NULL;
  size_t count = 2;
  void *function = NULL;
  int32_t a = 0, b = 0;
  napi_get_cb_info(env, info, &count, arguments, NULL, &function);
  if (count > 0) napi_get_value_int32(env, arguments[0], &a);
  if (count > 1) napi_get_value_int32(env, arguments[1], &b);
  napi_create_int32(env, ((int (*)(int, int))(uintptr_t)function)(a, b), &result);
  return result;
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    int (*function)(int, int);
  } functions[] = {
      {"ignoreSignal", ignore_signal}, {"blockSignals", block_signals}, {"setCloexec", set_cloexec},
      {"getCloexec", get_cloexec},     {"duplicate", duplicate},        {"limit", limit},
      {"getDumpable", get_dumpable},   {"setDumpable", set_dumpable},   {"openTerminal", open_terminal},
      {"openSlave", open_slave},         {"forkAndExit", fork_and_exit},
  };
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    napi_value function;
    napi_create_function(env, functions[i].name, (size_t)-1, call, (void *)(uintptr_t)functions[i].function, &function);
    napi_set_named_property(env, exports, functions[i].name, function);
  }
  return exports;
}
