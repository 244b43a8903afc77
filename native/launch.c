/*
 * The parent half of a spawn: everything that is made before the clone, the clone, and what is left after it.
 *
 * Before the clone: everything that allocates is done, all 64 signals (but SIGCHLD, see signals_to_block) are blocked by a raw call
 * (libc's leaves 32 and 33 out) and cancellation is off, so that nothing of ours runs in the child
 * and nothing takes us away while the child uses our memory. After it: mask, errno, cancellation
 * and the dumpable flag, which set*id in a child that shares our memory resets, are as before.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "launch_parts.h"
#include "program_check.h"
#include "sys.h"

extern char **environ;

static int has_step(const void *program, uint32_t code) {
  const struct program_header *p = program;
  const struct program_op *ops = (const struct program_op *)((const char *)program + p->ops);
  for (uint32_t i = 0; i < p->n_ops; i++)
    if (ops[i].code == code) return 1;
  return 0;
}

static int changes_ids(const void *program) {
  return has_step(program, PROGRAM_SETRESGID) || has_step(program, PROGRAM_SETRESUID) ||
         has_step(program, PROGRAM_SETEUID);
}

/*
 * All signals, but for SIGCHLD where the child starts without handlers: its end sends us one, which the kernel drops at
 * once where nobody handles it, unless it is blocked here: then it wakes another thread of ours for nothing. A keeper
 * waits for its own.
 */
static uint64_t signals_to_block(const struct launch *launch) {
  int clears_handlers = launch->rung == LAUNCH_CLONE3 && launch->contain == NULL;
  return clears_handlers ? ~(1ull << (SIGCHLD - 1)) : ~0ull;
}

static void run_guarded(struct launch *launch, struct child_start *start) {
  uint64_t blocked = signals_to_block(launch), mask;
  int cancel_state;
  int dumpable = changes_ids(launch->program) ? prctl(PR_GET_DUMPABLE) : -1;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, &mask, sizeof blocked);
  launch_clone(launch, start);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
  pthread_setcancelstate(cancel_state, NULL);
  if (dumpable == 1 && prctl(PR_GET_DUMPABLE) != 1) prctl(PR_SET_DUMPABLE, 1);
}

void launch_run(struct launch *launch) {
  int saved_errno = errno;
  struct program_header *header = launch->program;
  struct program_op *exec = program_exec_op(launch->program);
  int32_t *slots = program_slots(launch->program);
  launch->failure = LAUNCH_OK;
  launch->error = 0;
  launch->signal = 0;
  launch->pid = -1;
  launch->pidfd = -1;
  launch->keeper_pidfd = -1;
  launch->keeper_socket = -1;
  memset(&launch->report, 0, offsetof(struct program_report, tried));

  char *const *overrides = (char *const *)((char *)launch->program + (uint32_t)exec->c);
  char **envp = (char **)overrides, **composed = NULL;
  uint32_t made = 0;
  if (exec->flags & PROGRAM_EXEC_EXTEND_ENV) {
    if (overrides[0] != NULL || environ == NULL) {
      composed = envp = launch_environment(overrides);
      if (composed == NULL) launch_fail(launch, LAUNCH_FAILED_MEMORY, ENOMEM);
    } else {
      envp = environ;
    }
  }
  if (launch->failure == LAUNCH_OK && launch_stack_ready(launch->stack) != 0)
    launch_fail(launch, LAUNCH_FAILED_MEMORY, errno);
  for (; launch->failure == LAUNCH_OK && made < header->n_inputs; made++) {
    if (launch_make_input(launch->inputs[made], &slots[made], &launch->ours[made]) != 0) {
      launch_fail(launch, LAUNCH_FAILED_PIPE, errno);
      break;
    }
  }

  struct child_containment contain = {.cgroup = -1, .procs = -1, .maps = -1, .keeper = -1};
  struct id_maps maps;
  if (launch->failure == LAUNCH_OK && launch->contain != NULL) {
    int error = launch_contain(launch, &contain, &maps);
    if (error != 0) launch_fail(launch, LAUNCH_FAILED_REPORT, error);
  }

  if (launch->failure == LAUNCH_OK) {
    struct child_start start = {
        .contain = launch->contain != NULL ? &contain : NULL,
        .program = launch->program,
        .context =
            {
                .report = &launch->report,
                .envp = envp,
                .report_socket = -1,
                .parent_pid = has_step(launch->program, PROGRAM_PDEATHSIG) ? getpid() : 0,
                .close_rung = launch->close_rung,
                .shares_fds = launch->contain == NULL && launch->rung <= LAUNCH_CLONE &&
                              program_shares_fds(launch->program),
            },
        .gate = -1,
    };
    run_guarded(launch, &start);
    if (contain.maps >= 0) id_maps_finish(&maps);
    if (contain.keeper >= 0) close(contain.keeper);
    if (contain.keeper >= 0 && launch->failure == LAUNCH_OK) launch_meet_command(launch);
  }

  for (uint32_t i = 0; i < made; i++) close(slots[i]);
  if (launch->failure != LAUNCH_OK) {
    launch_dismiss_keeper(launch);
    for (uint32_t i = 0; i < made; i++) close(launch->ours[i].fd);
    if (launch->pidfd >= 0) close(launch->pidfd);
    launch->pidfd = launch->keeper_pidfd = -1;
  }
  free(composed);
  errno = saved_errno;
}
