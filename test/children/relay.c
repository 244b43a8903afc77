/*
 * Copies fd 0 to fd 1 to its end, also where they don't block: as the sockets of an event loop.
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void wait_for(int fd, short events) {
  struct pollfd ready = {.fd = fd, .events = events};
  while (poll(&ready, 1, -1) < 0 && errno == EINTR) {
  }
}

int main(void) {
  char bytes[65536];
  for (;;) {
    wait_for(0, POLLIN);
    ssize_t n = read(0, bytes, sizeof bytes);
    if (n == 0) return 0;
    if (n < 0 && errno != EAGAIN) return 1;
    for (ssize_t at = 0; at < n;) {
      wait_for(1, POLLOUT);
      ssize_t written = write(1, bytes + at, (size_t)(n - at));
      if (written < 0 && errno != EAGAIN) return 2;
      if (written > 0) at += written;
    }
  }
}
