/*
 * The child half: from the clone to the exec. Compiled freestanding, without stack protector and
 * sanitizers, since it may run in its parent's memory. test/unit/child-object.test.ts checks that
 * this object has no undefined symbol: nothing here can allocate, lock, or reach libc.
 */
#include "child.h"

void child_main(void *argument) {
  struct child_start *start = argument;
  if (start->gate >= 0) {
    char leave;
    long n;
    raw(__NR_close, start->gate_far);
    while ((n = raw(__NR_read, start->gate, &leave, 1)) == -EINTR) {
    }
    /* The parent gave up (it could not open our pidfd) or died. */
    if (n != 1)
      for (;;) raw(__NR_exit_group, 127);
  }
  program_run(start->program, &start->context);
}
