/*
 * The child half, compiled by itself (child.c) so that a test can read what it depends on.
 */
#ifndef BROOD_CHILD_H
#define BROOD_CHILD_H

#include "child_program.h"

struct child_start {
  void *program;
  struct program_context context;
  int gate;     /* -1, or a socket from which the parent's leave to go on is read first */
  int gate_far; /* the parent's end of it: while the child holds a copy it never reads the end */
};

/* Runs in: child. `start` is a struct child_start. Never returns. */
__attribute__((noreturn)) void child_main(void *start);

#endif
