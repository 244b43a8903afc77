/*
 * Tells on fd 1 which of SIGUSR1 and SIGUSR2 come, one line each, until SIGUSR1 has come or 60 seconds
 * have passed, which is "nothing". Writes "ready" to fd 3 when none can be missed any more.
 */
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void say(int fd, const char *line) {
  if (write(fd, line, strlen(line)) < 0) _exit(1);
}

int main(void) {
  sigset_t signals;
  struct timespec patience = {60, 0};
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGUSR2);
  sigprocmask(SIG_BLOCK, &signals, NULL);
  say(3, "ready\n");
  close(3);
  for (;;) {
    int signal = sigtimedwait(&signals, NULL, &patience);
    say(1, signal == SIGUSR1 ? "SIGUSR1\n" : signal == SIGUSR2 ? "SIGUSR2\n" : "nothing\n");
    if (signal != SIGUSR2) return 0;
  }
}
