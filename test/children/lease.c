/*
 * lease FILE [MS]: makes FILE slow to open, as if it lay on storage that takes its time. It holds a write lease on it
 * (fcntl(2), F_SETLEASE): whoever opens FILE, and so whoever executes it, waits until the lease is given up.
 *
 * Reads letters from fd 0: "t" takes the lease, as soon as nobody else has FILE open; "r" gives it up. Writes a line for
 * what happens: "held", "asked" when somebody waits, "given up". With MS it gives it up by itself, so many milliseconds
 * after somebody has begun to wait. Ends at the end of fd 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

static int file;

static void pause_ms(long ms) {
  struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void say(const char *line) {
  if (write(1, line, strlen(line)) < 0) _exit(3);
}

static void take(void) {
  while (fcntl(file, F_SETLEASE, F_WRLCK) != 0) {
    if (errno != EAGAIN) _exit(4);
    pause_ms(1);
  }
  say("held\n");
}

static void give_up(void) {
  /* Said first: who waits goes on at once. */
  say("given up\n");
  if (fcntl(file, F_SETLEASE, F_UNLCK) != 0) _exit(5);
}

int main(int argc, char **argv) {
  sigset_t asked;
  sigemptyset(&asked);
  sigaddset(&asked, SIGIO);
  sigprocmask(SIG_BLOCK, &asked, NULL);
  int signals = signalfd(-1, &asked, SFD_CLOEXEC);
  file = argc < 2 ? -1 : open(argv[1], O_RDONLY | O_CLOEXEC);
  if (file < 0 || signals < 0) return 2;
  struct pollfd fds[2] = {{.fd = 0, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
  for (;;) {
    if (poll(fds, 2, -1) < 0) return 6;
    if (fds[1].revents != 0) {
      struct signalfd_siginfo info;
      if (read(signals, &info, sizeof info) != sizeof info) return 7;
      say("asked\n");
      if (argc > 2) {
        pause_ms(atol(argv[2]));
        give_up();
      }
    }
    if (fds[0].revents != 0) {
      char letter;
      if (read(0, &letter, 1) != 1) return 0;
      if (letter == 't') take();
      else give_up();
    }
  }
}
