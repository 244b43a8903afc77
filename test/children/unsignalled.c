/*
 * unsignalled [-]: a keeper, and its command, which has no exit signal, as none has until its exec:
 * that ends when the keeper already waits. Prints what the keeper tells, "exit CODE", or "nothing".
 * With an argument the kernel has no memory for what the keeper says, the first times that it says it.
 *
 * Its headers and libc's can't both be included.
 */
#include "../../native/keeper_calls.h"

static int refusals;

#undef raw
#define raw(number, ...)                                     \
  ((number) == __NR_sendto && refusals > 0 && refusals-- > 0 \
       ? -ENOBUFS                                            \
       : RAW_PICK(number __VA_OPT__(, ) __VA_ARGS__, RAW6, RAW5, RAW4, RAW3, RAW2, RAW1, RAW0)(number __VA_OPT__(, ) __VA_ARGS__))

#include "../../native/keeper.c"

int printf(const char *format, ...);
int fflush(void *stream);
int fork(void);
int pipe(int fds[2]);
int socketpair(int domain, int type, int protocol, int fds[2]);

/* Whether the process has become a keeper, and sleeps: there is nothing in it to wait for but events. */
static int waits(int pid) {
  static const char wanted[] = "(brood-keeper) S ";
  char path[32], text[256];
  put_text(put_number(put_text(path, "/proc/"), pid), "/stat");
  long fd = raw(__NR_openat, AT_FDCWD, path, O_RDONLY, 0);
  long n = raw(__NR_read, fd, text, sizeof text - 1);
  raw(__NR_close, fd);
  text[n < 0 ? 0 : n] = 0;
  const char *at = text;
  while (*at != 0 && *at != '(') at++;
  const char *expected = wanted;
  while (*expected != 0 && *at == *expected) at++, expected++;
  return *expected == 0;
}

int main(int argc, char **argv) {
  (void)argv;
  refusals = argc > 1 ? 3 : 0;
  int pair[2], gate[2];
  struct keeper_note note;
  struct poll_fd ready;
  if (socketpair(1, 5 /* SOCK_SEQPACKET */, 0, pair) != 0 || pipe(gate) != 0) return 2;
  int keeper = fork();
  if (keeper == 0) {
    char byte;
    int child = (int)raw(__NR_clone, 0, 0, 0, 0, 0);
    if (child == 0) {
      raw(__NR_close, gate[1]);
      raw(__NR_exit_group, raw(__NR_read, gate[0], &byte, 1) == 0 ? 7 : 8);
    }
    raw(__NR_dup3, pair[1], KEEPER_SOCKET, 0);
    keeper_run(child, 0);
  }
  raw(__NR_close, gate[0]);
  raw(__NR_close, pair[1]);
  while (!waits(keeper)) sleep_ms(1);
  raw(__NR_close, gate[1]);
  ready.fd = pair[0];
  ready.events = POLLIN;
  wait_for(&ready, 1, 5000);
  int told = raw(__NR_recvfrom, pair[0], &note, sizeof note, MSG_DONTWAIT, 0, 0) == sizeof note;
  if (told && note.type == KEEPER_EXIT) printf("exit %d\n", note.status);
  else printf("nothing\n");
  fflush(0);
  return 0;
}
