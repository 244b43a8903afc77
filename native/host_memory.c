/*
 * The spawn host's memory: what grows with the largest request, and how large it has been at most. Runs in: host, keeper,
 * embryo.
 */
#include "host_program.h"

#include <sys/mman.h>
#include <sys/resource.h>

#ifdef BROOD_HOSTED
#include <stdlib.h>

int arena_reserve(struct arena *arena, uint64_t size) {
  if (size <= arena->size) return 0;
  char *base = realloc(arena->base, size);
  if (base == NULL) return -ENOMEM;
  arena->base = base;
  arena->size = size;
  return 0;
}

#else

/* gcc makes calls of these. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  char *t = to;
  const char *f = from;
  while (n-- > 0) *t++ = *f++;
  return to;
}
void *memset(void *to, int byte, size_t n) {
  char *t = to;
  while (n-- > 0) *t++ = (char)byte;
  return to;
}

int arena_reserve(struct arena *arena, uint64_t size) {
  if (size <= arena->size) return 0;
  uint64_t room = arena->size == 0 ? 256 * 1024 : arena->size;
  while (room < size) room *= 2;
  long base = arena->size == 0
                  ? raw(__NR_mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : raw(__NR_mremap, arena->base, arena->size, room, MREMAP_MAYMOVE);
  if (base < 0) return (int)base;
  arena->base = (char *)base;
  arena->size = room;
  return 0;
}

#endif

/*
 * The peak of our own memory, in KiB, or more: a child's starts at it (kernel: exec_mmap). getrusage(2) would tell the
 * peak of who started us, if that was larger; and looking into /proc each time costs more than a clone. So: what it was
 * at the start, and what has been received at most since.
 */
long peak_at_start(void) {
  static const char key[] = "\nVmHWM:";
  char text[2048];
  long peak = 0;
  long file = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/self/status", KERNEL_O_RDONLY | KERNEL_O_CLOEXEC, 0);
  long n = file < 0 ? 0 : raw(__NR_read, file, text, sizeof text);
  if (file >= 0) raw(__NR_close, file);
  for (long i = 0; i + (long)sizeof key < n; i++) {
    unsigned k = 0;
    while (k < sizeof key - 1 && text[i + k] == key[k]) k++;
    if (k < sizeof key - 1) continue;
    for (long j = i + k; j < n && text[j] != '\n'; j++)
      if (text[j] >= '0' && text[j] <= '9') peak = peak * 10 + (text[j] - '0');
    return peak;
  }
  struct rusage usage;
  return raw(__NR_getrusage, RUSAGE_SELF, &usage) < 0 ? INT32_MAX : usage.ru_maxrss;
}

#define PEAK_SLACK (256 * 1024) /* our own stacks and variables, touched since */

long peak_kib(void) { return host.peak + (long)((host.received + PEAK_SLACK) / 1024); }
