/*
 * Launch: the parent half of a spawn. Makes the pipes, clones, and learns how the child fared.
 */
#ifndef BROOD_LAUNCH_H
#define BROOD_LAUNCH_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "child_program.h"

/* The clone ladder, fastest first. FORK copies the parent's page tables and needs a socket for the
 * report; the others share memory until exec. */
enum launch_rung { LAUNCH_CLONE3, LAUNCH_CLONE, LAUNCH_VFORK, LAUNCH_FORK, LAUNCH_RUNGS };
extern const char *const launch_rung_names[LAUNCH_RUNGS];

/* What a launch failed at. CHILD: the report tells. KILLED: a signal ended the child in set-up. */
enum launch_failure {
  LAUNCH_OK,
  LAUNCH_FAILED_PIPE,
  LAUNCH_FAILED_MEMORY,
  LAUNCH_FAILED_CLONE,
  LAUNCH_FAILED_PIDFD,
  LAUNCH_FAILED_REPORT,
  LAUNCH_FAILED_CHILD,
  LAUNCH_FAILED_KILLED,
  LAUNCH_FAILED_WATCH,
  LAUNCH_FAILED_HOST /* a spawn host refused, or can't be reached */
};

/* What to create for an input slot, named from our side: the low three bits. Above them in units of 4 KiB the size
 * of a pipe, or how much the child may write to a socket before we have read; 0: as the kernel makes it. PACKETS: a socket that keeps messages apart and tells the far side who sent each, for
 * a spawn host. */
enum launch_input { LAUNCH_WE_READ, LAUNCH_WE_WRITE, LAUNCH_SOCKET, LAUNCH_PACKETS };
#define LAUNCH_INPUT_KIND(input) ((input) & 7)
#define LAUNCH_INPUT_SIZE(input) (((long)(input) >> 3) * 4096)

/* How a child is contained. Of all that is not asked for: -1, 0, NULL. */
struct launch_containment {
  int cgroup;           /* a cgroup's directory that the child is born in */
  uint64_t namespaces;  /* CLONE_NEW... */
  const char *uid_map;  /* of a new user namespace, as written to /proc/PID/uid_map */
  const char *gid_map;
  int deny_setgroups;
  const char *keeper_path; /* the command's parent becomes this program (keeper.h), */
  const char *keeper_role; /* in this role */
};

/* A stack with a guard page for children that share our memory. One per thread that launches. */
struct launch_stack {
  char *base;
};

/* Our end of an input: non-blocking and close-on-exec. */
struct launch_end {
  int fd;
  uint64_t far_inode; /* of a socket's other end; 0 for a pipe, whose ends share one */
};

struct launch {
  /* In. The program is validated and relocated; its input slots are filled here. */
  void *program;
  int rung;
  int close_rung;
  const int32_t *inputs; /* kind and size [n_inputs of the program] */
  struct launch_stack *stack;
  const struct launch_containment *contain; /* or NULL */
  int hosted; /* cloned by a spawn host, with SIGCHLD from the start (CLONE_PARENT: the cloner's own exit signal) */
  /* Out. With a keeper, pid and pidfd are the command's, which is the keeper's child. */
  struct launch_end *ours; /* [n_inputs]: the caller's on success */
  pid_t pid;
  int pidfd; /* the caller's on success */
  pid_t keeper;
  int keeper_pidfd;  /* as pidfd; -1 without a keeper */
  int keeper_socket; /* our end: non-blocking, close-on-exec; as pidfd */
  int failure;
  int error;
  int signal;
  struct program_report report;
};

/*
 * Runs in: parent. On LAUNCH_OK the caller owns pidfd and ours[], and the child has exec'ed. On any
 * failure every fd made here is closed and the child, if there was one, is reaped.
 */
void launch_run(struct launch *launch);

/* launch_run() from a thread that lives as long as the process: the kernel sends a parent-death
 * signal when the cloning *thread* ends. Blocks until done. */
void launch_run_lasting(struct launch *launch);

/* Makes both ends of one input, kind and size: the child's blocking, ours non-blocking, both close-on-exec. -1 with errno. */
int launch_make_input(int32_t input, int *child, struct launch_end *ours);

/* The environment that the overrides (of the table in a relocated program) make of the process's own. The
 * array is the caller's to free, the strings are not. NULL without memory. */
char **launch_environment(char *const *overrides);

/* What became of a child that shared in the launch's report: sets pid on success, else failure; one that did not
 * come through its exec is reaped. */
void launch_judge(struct launch *launch, pid_t pid);

void launch_stack_free(struct launch_stack *stack);

/* The highest rung that works here; found once, by trying, in a way no seccomp policy makes fatal. */
int launch_probe(void);

#endif
