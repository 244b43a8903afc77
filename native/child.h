/*
 * The child half, compiled by itself (child.c) so that a test can read what it depends on.
 */
#ifndef BROOD_CHILD_H
#define BROOD_CHILD_H

#include <stddef.h>

#include "child_program.h"

/* How a child is contained. Fds are -1 where there is none. */
struct child_containment {
  int cgroup; /* a cgroup's directory, which the child joins first of all: by this, */
  int procs;  /* or by its cgroup.procs, open for writing, where it is there */
  int maps;   /* a socket: the child asks for its id maps, and reads an errno */
  int group;  /* the process group that it begins in, since its parent, a keeper, has one of its own; 0: its parent's; -1: its own */
  int keeper; /* a socket: the child becomes a keeper (keep.h), and the command its child */
  const char *keeper_path;
  const char *keeper_role;
  int shared;  /* memory is the parent's until exec */
  char *stack; /* of the command, if memory is shared and there is a keeper */
  size_t stack_size;
};

struct child_start {
  void *program;
  struct program_context context;
  const struct child_containment *contain; /* or NULL */
  int gate;     /* -1, or a socket from which the parent's leave to go on is read first */
  int gate_far; /* the parent's end of it: while the child holds a copy it never reads the end */
  int ignores_child; /* SIGCHLD is to be ignored, which a parent that waits for the child does not: that would reap it unseen */
};

/* The `step` of a report about what no program has an operation for. */
enum child_step { CHILD_STEP_CGROUP = -2, CHILD_STEP_MAPS = -3, CHILD_STEP_KEEPER = -4 };

#ifdef BROOD_HOST
/* Runs in: child. Enters what contains it, but for a keeper: 0, or a negated errno and at which step. */
long child_enter(const struct child_containment *contain, enum child_step *step);
#endif

/* Runs in: child. `start` is a struct child_start. Never returns. */
__attribute__((noreturn)) void child_main(void *start);

#endif
