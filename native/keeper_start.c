/*
 * brood-keeper: a program of its own, without libc, in the roles of keeper.c and cgroup_watcher.c. Its arguments: the role,
 * and the command's pid or the cgroup's path.
 */
#include "keeper.h"
#include "keeper_calls.h"

/* The compiler may call these by itself. */
void *memset(void *to, int value, size_t size);
void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size) {
  for (volatile char *at = to; size > 0; size--) *at++ = (char)value;
  return to;
}
void *memcpy(void *to, const void *from, size_t size) {
  volatile char *at = to;
  for (const char *source = from; size > 0; size--) *at++ = *source++;
  return to;
}

__attribute__((noreturn, used)) void keeper_main(long *stack) {
  long argc = stack[0];
  char **argv = (char **)(stack + 1);
  if (argc == 3 && (is(argv[1], "keep") || is(argv[1], KEEPER_ROLE_INIT)))
    keeper_run((int)parse(argv[2]), is(argv[1], KEEPER_ROLE_INIT));
  if (argc == 3 && is(argv[1], "watch")) cgroup_watch(argv[2]);
  for (;;) raw(__NR_exit_group, 2);
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov %rsp, %rdi\n\t"
    "and $-16, %rsp\n\t"
    "call keeper_main\n\t"
    "hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n"
    "_start:\n\t"
    "mov x29, xzr\n\t"
    "mov x0, sp\n\t"
    "bl keeper_main\n\t"
    "brk #0\n");
#endif
