/* The pipes and sockets between a child and us. Runs in: parent. */
#include <sys/stat.h>

#include "launch.h"
#include "sys.h"

/* A pipe's size is refused beyond the system's limit, and to a user whose pipes have taken up their budget; a socket gets no
 * more than the limit, doubled for what the kernel keeps beside the bytes. */
static void wish_size(int kind, int mine, int theirs, int size) {
  if (size == 0) return;
  if (kind == LAUNCH_SOCKET) (void)setsockopt(theirs, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  else (void)sys_fcntl(mine, F_SETPIPE_SZ, size);
}

int launch_make_input(int32_t input, int *child, struct launch_end *ours) {
  int kind = LAUNCH_INPUT_KIND(input);
  int pair[2];
  int result = kind == LAUNCH_SOCKET    ? sys_socketpair(SOCK_STREAM | SOCK_CLOEXEC, pair)
               : kind == LAUNCH_PACKETS ? sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair)
                                        : sys_pipe2(pair, O_CLOEXEC);
  if (result != 0) return -1;
  int mine = kind == LAUNCH_WE_WRITE ? 1 : 0, on = 1;
  if (sys_fcntl(pair[mine], F_SETFL, O_NONBLOCK) != 0 ||
      (kind == LAUNCH_PACKETS && setsockopt(pair[1 - mine], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)) {
    int error = errno;
    close(pair[0]);
    close(pair[1]);
    errno = error;
    return -1;
  }
  wish_size(kind, pair[mine], pair[1 - mine], (int)LAUNCH_INPUT_SIZE(input));
  struct stat far;
  ours->fd = pair[mine];
  ours->far_inode = kind == LAUNCH_SOCKET && fstat(pair[1 - mine], &far) == 0 ? far.st_ino : 0;
  *child = pair[1 - mine];
  return 0;
}
