/* Ends at once, without a loader or a libc to start: for tests that start very many. */
#include <sys/syscall.h>

__attribute__((noreturn)) void _start(void) {
#if defined(__x86_64__)
  for (;;) __asm__ volatile("syscall" ::"a"(SYS_exit_group), "D"(0) : "rcx", "r11", "memory");
#elif defined(__aarch64__)
  register long number __asm__("x8") = SYS_exit_group;
  register long status __asm__("x0") = 0;
  for (;;) __asm__ volatile("svc 0" ::"r"(number), "r"(status) : "memory");
#endif
}
