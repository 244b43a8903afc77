/*
 * What the files of a launch share: launch.c (the guards, and the order of it all), launch_rungs.c (the clone ladder),
 * launch_judge.c (what became of the child), launch_contain.c (what contains it). launch.h is for everyone else.
 */
#ifndef BROOD_LAUNCH_PARTS_H
#define BROOD_LAUNCH_PARTS_H

#include <signal.h>

#include "child.h"
#include "id_maps.h"
#include "launch.h"

#define STACK_SIZE (64 * 1024)
#define STACK_OF_COMMAND (STACK_SIZE / 2) /* the lower part, where a keeper clones it */
#define STACK_GUARD (64 * 1024) /* at least a page, whatever its size */

/* Makes the stack, if there is none yet. -1 with errno. */
int launch_stack_ready(struct launch_stack *stack);

/* Runs in: parent, all signals blocked. Clones on the launch's rung, and judges the child. The report's socket is closed
 * again; the pidfd is the launch's, also where it failed. */
void launch_clone(struct launch *launch, struct child_start *start);

static inline void launch_fail(struct launch *launch, int failure, int error) {
  launch->failure = failure;
  launch->error = error;
}

/* Reaps by pid where there is no pidfd: nobody else waits for the child, so its number is its own. */
int launch_reap(const struct launch *launch, pid_t pid, siginfo_t *info);

/* Fills in how the child is to be contained, which owns the child's ends of the sockets; ours of the keeper's is the
 * launch's. Returns 0, or an errno and has made nothing. */
int launch_contain(struct launch *launch, struct child_containment *contain, struct id_maps *maps);
/* What has been cloned is the keeper: learns of the command, which it has told before its exec. */
void launch_meet_command(struct launch *launch);
/* A keeper that has no parent ends what it keeps, and itself. */
void launch_dismiss_keeper(struct launch *launch);

/* CLONE_NEW... */
static inline uint64_t launch_namespaces(const struct launch *launch) {
  return launch->contain != NULL ? launch->contain->namespaces : 0;
}

#endif
