/* See own_status.h. */
#include "own_status.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel_values.h"
#include "raw_syscall.h"

/* All up to the signals; a process in more groups than fit in here asks the other way. */
enum { TEXT_SIZE = 4096 };

/* /proc/self/status and, in the upper half, the process that it says it is of: somebody may have closed our fd, and opened
 * another file by its number. 0: none is open. Opening takes twice as long as reading. */
static int64_t kept;

static int number_after(const char *text, const char *name, int base, uint64_t *value) {
  const char *at = strstr(text, name);
  if (at == NULL) return 0;
  *value = strtoull(at + strlen(name), NULL, base);
  return 1;
}

/* Returns the process whose status it was, 0: it was none. */
static uint64_t read_from(int fd, struct own_status *status) {
  char text[TEXT_SIZE];
  uint64_t mask, pid;
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  if (n <= 0) return 0;
  text[n] = 0;
  if (strncmp(text, "Name:", 5) != 0 || !number_after(text, "\nUmask:", 8, &mask) || !number_after(text, "\nPid:", 10, &pid) ||
      !number_after(text, "\nSigIgn:", 16, &status->ignored))
    return 0;
  status->umask = (uint32_t)mask;
  return pid;
}

static int read_kept(struct own_status *status) {
  int64_t now = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
  return now != 0 && read_from((int)(uint32_t)now, status) == (uint64_t)now >> 32;
}

static int read_opened(struct own_status *status) {
  int64_t before = __atomic_load_n(&kept, __ATOMIC_ACQUIRE);
  int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  uint64_t pid = read_from(fd, status);
  /* What was kept is not ours any more, or there was none. Of two threads that open one, one keeps its own. */
  int64_t after = (int64_t)(pid << 32 | (uint32_t)fd);
  if (pid == 0 || !__atomic_compare_exchange_n(&kept, &before, after, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) close(fd);
  return pid != 0;
}

void own_status_read(struct own_status *status) {
  if (read_kept(status) || read_opened(status)) return;
  mode_t mask = umask(0);
  umask(mask);
  status->umask = mask;
  status->ignored = 0;
  /* Asked of the kernel: libc keeps two to itself. */
  for (int signal = 1; signal <= 64; signal++) {
    struct kernel_sigaction action;
    if (raw(__NR_rt_sigaction, signal, 0, &action, 8) == 0 && (intptr_t)action.handler == 1)
      status->ignored |= 1ull << (signal - 1);
  }
}
