/*
 * clone3(2) and clone(2) onto another stack, where a function runs that never returns. Inline, since
 * the child must not return through a frame that it shares with its parent. Raw: the kernel's own value
 * comes back, >= 0 or a negated errno. Shared by the addon and the spawn host.
 */
#ifndef BROOD_CLONE_CALL_H
#define BROOD_CLONE_CALL_H

#include <stdint.h>

#include "raw_syscall.h"

#ifndef __NR_clone3
#define __NR_clone3 435
#endif
#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x00001000
#endif

struct clone3_args {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
      set_tid_size, cgroup;
};

/* The system call `number`, after which the child, on its new stack, calls main(argument). */
static inline __attribute__((always_inline)) long clone_onto(long number, long a, long b, long c,
                                                             long d, void (*main)(void *),
                                                             void *argument) {
  long result;
#if defined(__x86_64__)
  register void (*entry)(void *) __asm__("r12") = main;
  register void *first __asm__("r13") = argument;
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = 0;
  __asm__ volatile(
      "syscall\n\t"
      "test %%rax, %%rax\n\t"
      "jnz 1f\n\t"
      "xor %%ebp, %%ebp\n\t"
      "mov %%r13, %%rdi\n\t"
      "call *%%r12\n\t"
      "hlt\n"
      "1:"
      : "=a"(result)
      : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth), "r"(entry), "r"(first)
      : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = 0;
  register long x4 __asm__("x4") = d;
  register void (*entry)(void *) __asm__("x20") = main;
  register void *first __asm__("x21") = argument;
  __asm__ volatile(
      "svc 0\n\t"
      "cbnz x0, 1f\n\t"
      "mov x29, xzr\n\t"
      "mov x0, x21\n\t"
      "blr x20\n\t"
      "brk #0\n"
      "1:"
      : "+r"(x0)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(entry), "r"(first)
      : "memory");
  result = x0;
#endif
  return result;
}

static inline __attribute__((always_inline)) long clone3_onto(struct clone3_args *args,
                                                              void (*main)(void *), void *argument) {
  return clone_onto(__NR_clone3, (long)args, sizeof *args, 0, 0, main, argument);
}

/* clone(2): the top of the stack, and where the pidfd and (in the child) its own tid are written. */
static inline __attribute__((always_inline)) long clone_legacy_onto(uint64_t flags, void *top, int *pidfd,
                                                                    int *child_tid,
                                                                    void (*main)(void *),
                                                                    void *argument) {
  return clone_onto(__NR_clone, (long)flags, (long)top, (long)pidfd, (long)child_tid, main, argument);
}

#endif
