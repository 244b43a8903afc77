/* See signal_sender.h. Process-wide, as signal handlers are. */
#include "signal_sender.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#define SIGNALS 65

static atomic_int from_kernel[SIGNALS];
static atomic_int from_process[SIGNALS];
static struct sigaction behind[SIGNALS];

/* Runs in: any thread, as a signal handler. Nothing but atomics and the handler behind. */
static void count(int signal, siginfo_t *info, void *context) {
  /* SI_USER, SI_TKILL, SI_QUEUE are <= 0; all that the kernel sends by itself is above. */
  atomic_fetch_add(info->si_code > 0 ? &from_kernel[signal] : &from_process[signal], 1);
  if (behind[signal].sa_flags & SA_SIGINFO) behind[signal].sa_sigaction(signal, info, context);
  else behind[signal].sa_handler(signal);
}

int signal_sender_trace(int signal) {
  struct sigaction now;
  if (signal <= 0 || signal >= SIGNALS) return -EINVAL;
  if (sigaction(signal, NULL, &now) != 0) return -errno;
  if (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN) return -EINVAL;
  if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == count) return 0;
  behind[signal] = now;
  now.sa_flags |= SA_SIGINFO;
  now.sa_sigaction = count;
  return sigaction(signal, &now, NULL) == 0 ? 0 : -errno;
}

static int take(atomic_int *counter) {
  int n = atomic_load(counter);
  while (n > 0)
    if (atomic_compare_exchange_weak(counter, &n, n - 1)) return 1;
  return 0;
}

int signal_sender_take(int signal) {
  if (signal <= 0 || signal >= SIGNALS) return -EINVAL;
  if (take(&from_process[signal])) return SENDER_PROCESS;
  return take(&from_kernel[signal]) ? SENDER_KERNEL : SENDER_UNKNOWN;
}
