/*
 * Raw system calls: the only way out of a child between clone and exec.
 *
 * libc's wrappers write errno into the thread-local storage that a CLONE_VM child shares with its
 * parent, may be cancellation points, and (setuid and its kin) signal every thread. These return
 * the kernel's own value: >= 0, or a negated errno. No symbol of any library is needed.
 *
 * Man pages: syscall(2), clone(2) section "C library/kernel differences".
 */
#ifndef BROOD_RAW_SYSCALL_H
#define BROOD_RAW_SYSCALL_H

#include <asm/unistd.h>

#if defined(__x86_64__)

static inline __attribute__((always_inline)) long raw_syscall6(long number, long a, long b, long c,
                                                               long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

#elif defined(__aarch64__)

static inline __attribute__((always_inline)) long raw_syscall6(long number, long a, long b, long c,
                                                               long d, long e, long f) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  register long x5 __asm__("x5") = f;
  __asm__ volatile("svc 0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                   : "memory");
  return x0;
}

#else
#error "brood has raw system calls for x86-64 and aarch64 only: add this architecture here"
#endif

#define RAW_PICK(a, b, c, d, e, f, g, NAME, ...) NAME
#define RAW0(n) raw_syscall6((n), 0, 0, 0, 0, 0, 0)
#define RAW1(n, a) raw_syscall6((n), (long)(a), 0, 0, 0, 0, 0)
#define RAW2(n, a, b) raw_syscall6((n), (long)(a), (long)(b), 0, 0, 0, 0)
#define RAW3(n, a, b, c) raw_syscall6((n), (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define RAW4(n, a, b, c, d) raw_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)
#define RAW5(n, a, b, c, d, e) \
  raw_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define RAW6(n, a, b, c, d, e, f) \
  raw_syscall6((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/* raw(NR, args...): makes the call, returns the kernel's value (a negated errno on failure). */
#define raw(...) RAW_PICK(__VA_ARGS__, RAW6, RAW5, RAW4, RAW3, RAW2, RAW1, RAW0)(__VA_ARGS__)

#endif
