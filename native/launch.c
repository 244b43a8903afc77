/*
 * The parent half of a spawn: clone(2), clone3(2), pidfd_open(2), vfork(2).
 *
 * Before the clone: everything that allocates is done, all 64 signals (but SIGCHLD, see below) are blocked by a raw call
 * (libc's leaves 32 and 33 out) and cancellation is off, so that nothing of ours runs in the child
 * and nothing takes us away while the child uses our memory. After it: mask, errno, cancellation
 * and the dumpable flag, which set*id in a child that shares our memory resets, are as before.
 *
 * Children are cloned with exit signal 0: one that fails before exec is invisible to the waits of
 * others and sends no SIGCHLD. exec makes it SIGCHLD (kernel: begin_new_exec). Only vfork(2), which
 * takes no flags, gives SIGCHLD from the start.
 *
 * Needs: pidfds in waitid (5.4). CLONE_CLEAR_SIGHAND is from 5.5, CLONE_PIDFD from 5.2.
 */
#include "launch.h"

#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "child.h"
#include "clone_call.h"
#include "id_maps.h"
#include "keeper.h"
#include "pidfd.h"
#include "program_check.h"
#include "sys.h"

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

#define STACK_SIZE (64 * 1024)
#define STACK_OF_COMMAND (STACK_SIZE / 2) /* the lower part, where a keeper clones it */
#define STACK_GUARD (64 * 1024) /* at least a page, whatever its size */

const char *const launch_rung_names[LAUNCH_RUNGS] = {"clone3", "clone", "vfork", "fork"};

extern char **environ;

static int stack_ready(struct launch_stack *stack) {
  if (stack->base != NULL) return 0;
  char *base = sys_mmap(STACK_GUARD + STACK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
  if (base == MAP_FAILED) return -1;
  if (mprotect(base + STACK_GUARD, STACK_SIZE, PROT_READ | PROT_WRITE) != 0) {
    munmap(base, STACK_GUARD + STACK_SIZE);
    return -1;
  }
  stack->base = base;
  return 0;
}

void launch_stack_free(struct launch_stack *stack) {
  if (stack->base != NULL) munmap(stack->base, STACK_GUARD + STACK_SIZE);
  stack->base = NULL;
}

/* ---- the rungs. Each returns the pid, or -1 with errno. runs in: parent, child_main in: child -- */

/* As many fds as may be open, none is copied into a child that keeps none but the first three. */
static int fds_flag(const struct child_start *start) {
  return start->context.shares_fds ? CLONE_FILES : 0;
}

static pid_t rung_clone3(struct child_start *start, struct launch_stack *stack,
                         const struct launch_containment *contain, int *pidfd) {
  struct clone3_args args = {
      .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND | (uint64_t)fds_flag(start),
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .stack = (uint64_t)(uintptr_t)(stack->base + STACK_GUARD),
      .stack_size = STACK_SIZE,
  };
  long result;
  if (contain != NULL) {
    args.flags |= contain->namespaces;
    if (contain->cgroup >= 0) {
      /* Older than 5.7: E2BIG. Anything else is the cgroup's own refusal, which joining it would meet, too. */
      struct child_containment joined = *start->contain;
      struct clone3_args into = args;
      into.flags |= CLONE_INTO_CGROUP;
      into.cgroup = (uint64_t)contain->cgroup;
      joined.cgroup = -1;
      const struct child_containment *before = start->contain;
      start->contain = &joined;
      result = clone3_onto(&into, child_main, start);
      start->contain = before;
      if (result >= 0) return (pid_t)result;
    }
  }
  result = clone3_onto(&args, child_main, start);
  if (result >= 0) return (pid_t)result;
  errno = (int)-result;
  return -1;
}

/* On a stack of its own, which the address sanitizer would take for a corrupt one. */
__attribute__((no_sanitize("address"))) static int clone_entry(void *start) { child_main(start); }

static pid_t rung_clone(struct child_start *start, struct launch_stack *stack, uint64_t namespaces,
                        int *pidfd) {
  start->context.reset_handlers = 1;
  return clone(clone_entry, stack->base + STACK_GUARD + STACK_SIZE,
               CLONE_VM | CLONE_VFORK | CLONE_PIDFD | fds_flag(start) | (int)namespaces, start, pidfd);
}

/* The child runs below this frame and never returns through it. */
__attribute__((noinline)) static pid_t rung_vfork(struct child_start *start) {
  start->context.reset_handlers = 1;
  pid_t pid = vfork();
  if (pid == 0) child_main(start);
  return pid;
}

/* Raw, so that no atfork handler runs: one may wait for a lock that another thread holds. */
static pid_t rung_fork(struct child_start *start, uint64_t namespaces) {
  start->context.reset_handlers = 1;
  pid_t pid = (pid_t)syscall(SYS_clone, namespaces, 0, 0, 0, 0);
  if (pid == 0) child_main(start);
  return pid;
}

/* ---- waiting for a child of ours that did not exec. runs in: parent ---------------------------- */

/* Reaps by pid where there is no pidfd: nobody else waits for the child, so its number is its own. */
static int reap(const struct launch *launch, pid_t pid, siginfo_t *info) {
  return sys_wait_child(pid, launch->pidfd, info, WEXITED | __WALL, NULL);
}

/*
 * Whether a child that came as far as the call of exec also came through it. One that did not is
 * still a "clone child", with exit signal 0, for which alone __WCLONE waits; exec changes that
 * before it lets go of our memory, and of the report's socket. Costs no reaping: WNOWAIT. A child
 * of vfork(2) has SIGCHLD from the start: there this can't be told.
 */
static int came_through(pid_t pid) {
  siginfo_t info;
  int result;
  do result = sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE, NULL);
  while (result != 0 && errno == EINTR);
  if (result != 0) return 1;
  /* One that has let us trace it since, PTRACE_TRACEME, is waited for in any way: also in this one. */
  do result = sys_waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT, NULL);
  while (result != 0 && errno == EINTR);
  return result == 0;
}

static void fail(struct launch *launch, int failure, int error) {
  launch->failure = failure;
  launch->error = error;
}

static uint64_t namespaces(const struct launch *launch) {
  return launch->contain != NULL ? launch->contain->namespaces : 0;
}

/* A keeper that has no parent ends what it keeps, and itself. */
static void dismiss_keeper(struct launch *launch) {
  if (launch->keeper_socket >= 0) close(launch->keeper_socket);
  launch->keeper_socket = -1;
}

/* A child that has reported, or was killed before it could. */
void launch_judge(struct launch *launch, pid_t pid) {
  siginfo_t info;
  if (launch->report.phase == PROGRAM_PHASE_FAILED) {
    dismiss_keeper(launch);
    reap(launch, pid, &info);
    fail(launch, LAUNCH_FAILED_CHILD, launch->report.err);
  } else if (launch->report.phase == PROGRAM_PHASE_SETUP || (!launch->hosted && !came_through(pid))) {
    dismiss_keeper(launch);
    int known = reap(launch, pid, &info) == 0 && info.si_code != CLD_EXITED;
    fail(launch, LAUNCH_FAILED_KILLED, 0);
    launch->signal = known ? info.si_status : 0;
  } else {
    launch->pid = pid;
  }
}

/*
 * vfork: the child has exec'ed before there can be a pidfd for it. So one for ourselves is opened
 * first: it tells whether such a call is allowed at all, and holds the fd number until then.
 */
static void run_vfork(struct launch *launch, struct child_start *start) {
  int held = sys_pidfd_open(getpid());
  if (held < 0) {
    fail(launch, LAUNCH_FAILED_PIDFD, errno);
    return;
  }
  pid_t pid = rung_vfork(start);
  int error = errno;
  close(held);
  if (pid < 0) {
    fail(launch, LAUNCH_FAILED_CLONE, error);
    return;
  }
  if (launch->report.phase == PROGRAM_PHASE_EXEC) {
    launch->pidfd = sys_pidfd_open(pid);
    if (launch->pidfd < 0) {
      siginfo_t info;
      error = errno;
      kill(pid, SIGKILL);
      reap(launch, pid, &info);
      fail(launch, LAUNCH_FAILED_PIDFD, error);
      return;
    }
  }
  launch_judge(launch, pid);
}

/*
 * fork: nothing is shared, so the report comes over a SEQPACKET socket, one message before exec and
 * one if it fails; its end without the first means that the child was killed. The child waits at
 * the gate until its pidfd is open.
 */
static void run_fork(struct launch *launch, struct child_start *start) {
  int pair[2];
  if (sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair) != 0) {
    fail(launch, LAUNCH_FAILED_REPORT, errno);
    return;
  }
  start->context.report_socket = pair[1];
  start->gate = pair[1];
  start->gate_far = pair[0];
  pid_t pid = rung_fork(start, namespaces(launch));
  int error = errno;
  close(pair[1]);
  if (pid < 0) {
    fail(launch, LAUNCH_FAILED_CLONE, error);
    close(pair[0]);
    return;
  }
  launch->pidfd = sys_pidfd_open(pid);
  if (launch->pidfd < 0) {
    siginfo_t info;
    error = errno;
    kill(pid, SIGKILL); /* it waits at the gate */
    close(pair[0]);
    reap(launch, pid, &info);
    fail(launch, LAUNCH_FAILED_PIDFD, error);
    return;
  }
  /* Its end, should the child have been killed already, is found by the reading. */
  ssize_t n = send(pair[0], "", 1, MSG_NOSIGNAL);
  if (n == 1 || errno == EPIPE) {
    do n = sys_read(pair[0], &launch->report, sizeof launch->report);
    while (n == (ssize_t)sizeof launch->report || (n < 0 && errno == EINTR));
  }
  error = n < 0 && errno != ECONNRESET ? errno : 0;
  close(pair[0]);
  if (error != 0) {
    /* A report that can't be read is no success: how far the child came is not known. */
    siginfo_t info;
    sys_signal_child(pid, launch->pidfd, SIGKILL);
    reap(launch, pid, &info);
    fail(launch, LAUNCH_FAILED_REPORT, error);
    return;
  }
  launch_judge(launch, pid);
}

static void run_shared(struct launch *launch, struct child_start *start) {
  pid_t pid = launch->rung == LAUNCH_CLONE3
                  ? rung_clone3(start, launch->stack, launch->contain, &launch->pidfd)
                  : rung_clone(start, launch->stack, namespaces(launch), &launch->pidfd);
  if (pid < 0) {
    launch->pidfd = -1; /* the kernel may have written a number that it then gave up */
    fail(launch, LAUNCH_FAILED_CLONE, errno);
    return;
  }
  if (launch->pidfd < 0) { /* a kernel that ignores CLONE_PIDFD */
    siginfo_t info;
    kill(pid, SIGKILL);
    reap(launch, pid, &info);
    fail(launch, LAUNCH_FAILED_PIDFD, ENOSYS);
    return;
  }
  launch_judge(launch, pid);
}

/* ---- what contains a child. runs in: parent ---------------------------------------------------- */

/* What has been cloned is the keeper; it has sent the command's pidfd before its exec. */
static void meet_command(struct launch *launch) {
  pid_t pid = -1;
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {&pid, sizeof pid};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t n = sys_recvmsg(launch->keeper_socket, &message, MSG_CMSG_CLOEXEC);
  int error = n < 0 ? errno : EMFILE;
  struct cmsghdr *rights = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  launch->keeper = launch->pid;
  launch->keeper_pidfd = launch->pidfd;
  if (rights == NULL) { /* there was no room for the pidfd */
    siginfo_t info;
    dismiss_keeper(launch);
    reap(launch, launch->keeper, &info);
    fail(launch, LAUNCH_FAILED_PIDFD, error);
    return;
  }
  memcpy(&launch->pidfd, CMSG_DATA(rights), sizeof launch->pidfd);
  if (strcmp(launch->contain->keeper_role, KEEPER_ROLE_INIT) == 0) {
    char go = KEEPER_GO;
    pid = pidfd_process(launch->pidfd); /* its number here */
    send(launch->keeper_socket, &go, 1, MSG_NOSIGNAL);
  }
  launch->pid = pid;
  if (pid > 0) return;
  siginfo_t info;
  dismiss_keeper(launch);
  sys_wait_child(launch->keeper, launch->keeper_pidfd, &info, WEXITED | __WALL, NULL);
  close(launch->keeper_pidfd);
  fail(launch, LAUNCH_FAILED_PIDFD, ENOSYS);
}

/* Fills in how the child is to be contained; owns the keeper's end of the socket. Returns 0 or an errno. */
static int prepare_containment(struct launch *launch, struct child_containment *contain,
                               struct id_maps *maps) {
  const struct launch_containment *wanted = launch->contain;
  *contain = (struct child_containment){.cgroup = wanted->cgroup, .procs = -1, .maps = -1, .keeper = -1};
  /* vfork(2) takes no flags, and a keeper has to clone by itself. */
  if (launch->rung == LAUNCH_VFORK && (wanted->namespaces != 0 || wanted->keeper_path != NULL))
    launch->rung = LAUNCH_FORK;
  contain->shared = launch->rung != LAUNCH_FORK;
  contain->stack = launch->stack->base + STACK_GUARD;
  contain->stack_size = STACK_OF_COMMAND;
  if (wanted->uid_map != NULL) {
    maps->uid = wanted->uid_map;
    maps->gid = wanted->gid_map;
    maps->deny_setgroups = wanted->deny_setgroups;
    int error = id_maps_start(maps);
    if (error != 0) return error;
    contain->maps = maps->child;
  }
  if (wanted->keeper_path != NULL) {
    int pair[2];
    int error = sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair) != 0 ? errno : 0;
    if (error == 0 && sys_fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) {
      error = errno;
      close(pair[0]);
      close(pair[1]);
    }
    if (error != 0) {
      if (contain->maps >= 0) id_maps_finish(maps);
      return error;
    }
    launch->keeper_socket = pair[0];
    contain->keeper = pair[1];
    contain->keeper_path = wanted->keeper_path;
    contain->keeper_role = wanted->keeper_role;
  }
  return 0;
}

/* ---- guards. runs in: parent ------------------------------------------------------------------- */

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

/* Whether the kernel reaps children by itself (SIGCHLD ignored): one that ends at once would be gone
 * before a pidfd for it could be opened. */
static int children_vanish(void) {
  struct sigaction action;
  return sigaction(SIGCHLD, NULL, &action) == 0 &&
         (action.sa_handler == SIG_IGN || (action.sa_flags & SA_NOCLDWAIT));
}

static void run_guarded(struct launch *launch, struct child_start *start) {
  uint64_t blocked = signals_to_block(launch), mask;
  int cancel_state;
  int dumpable = changes_ids(launch->program) ? prctl(PR_GET_DUMPABLE) : -1;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &blocked, &mask, sizeof blocked);

#ifdef BROOD_FAULTS
  int injected = sys_fault(SYS_CALL_clone);
  if (injected != 0) fail(launch, LAUNCH_FAILED_CLONE, injected);
  else
#endif
      if (launch->rung == LAUNCH_FORK || (launch->rung == LAUNCH_VFORK && children_vanish()))
    run_fork(launch, start);
  else if (launch->rung == LAUNCH_VFORK) run_vfork(launch, start);
  else run_shared(launch, start);

  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
  pthread_setcancelstate(cancel_state, NULL);
  if (dumpable == 1 && prctl(PR_GET_DUMPABLE) != 1) prctl(PR_SET_DUMPABLE, 1);
}

/* ---- environment, pipes. runs in: parent ------------------------------------------------------- */

static size_t name_length(const char *entry) {
  const char *end = strchr(entry, '=');
  return end == NULL ? strlen(entry) : (size_t)(end - entry);
}

/* Our environment with the table's entries over it. The array is the caller's to free; the strings
 * stay where they are. Returns NULL without memory. */
char **launch_environment(char *const *overrides) {
  size_t n_overrides = 0, n_inherited = 0;
  while (overrides[n_overrides] != NULL) n_overrides++;
  char **inherited = environ;
  while (inherited != NULL && inherited[n_inherited] != NULL) n_inherited++;
  char **result = sys_malloc((n_overrides + n_inherited + 1) * sizeof *result);
  if (result == NULL) return NULL;
  size_t n = 0;
  for (size_t i = 0; i < n_inherited; i++) {
    const char *entry = inherited[i];
    size_t length = name_length(entry);
    int hidden = 0;
    for (size_t k = 0; k < n_overrides && !hidden; k++)
      hidden = overrides[k][0] == entry[0] && strncmp(overrides[k], entry, length) == 0 &&
               (overrides[k][length] == '=' || overrides[k][length] == 0);
    if (!hidden) result[n++] = inherited[i];
  }
  for (size_t k = 0; k < n_overrides; k++)
    if (strchr(overrides[k], '=') != NULL) result[n++] = overrides[k];
  result[n] = NULL;
  return result;
}

/* Makes both ends of one input: the child's blocking, ours non-blocking, both close-on-exec. */
int launch_make_input(int32_t input, int *child, struct launch_end *ours) {
  int kind = LAUNCH_INPUT_KIND(input);
  int pair[2];
  int result = kind == LAUNCH_SOCKET    ? sys_socketpair(SOCK_STREAM | SOCK_CLOEXEC, pair)
               : kind == LAUNCH_PACKETS ? sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair)
                                        : sys_pipe2(pair, O_CLOEXEC);
  if (result != 0) return -1;
  int mine = kind == LAUNCH_WE_WRITE ? 1 : 0, on = 1;
  if (sys_fcntl(pair[mine], F_SETFL, O_NONBLOCK) != 0 ||
      (kind == LAUNCH_PACKETS && setsockopt(pair[1 - mine], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)) {
    int error = errno;
    close(pair[0]);
    close(pair[1]);
    errno = error;
    return -1;
  }
  /* A wish: refused beyond the system's limit, and to a user whose pipes have taken up their budget. */
  if (LAUNCH_INPUT_SIZE(input) > 0) (void)sys_fcntl(pair[mine], F_SETPIPE_SZ, LAUNCH_INPUT_SIZE(input));
  struct stat far;
  ours->fd = pair[mine];
  ours->far_inode = kind == LAUNCH_SOCKET && fstat(pair[1 - mine], &far) == 0 ? far.st_ino : 0;
  *child = pair[1 - mine];
  return 0;
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
      if (composed == NULL) fail(launch, LAUNCH_FAILED_MEMORY, ENOMEM);
    } else {
      envp = environ;
    }
  }
  if (launch->failure == LAUNCH_OK && stack_ready(launch->stack) != 0)
    fail(launch, LAUNCH_FAILED_MEMORY, errno);
  for (; launch->failure == LAUNCH_OK && made < header->n_inputs; made++) {
    if (launch_make_input(launch->inputs[made], &slots[made], &launch->ours[made]) != 0) {
      fail(launch, LAUNCH_FAILED_PIPE, errno);
      break;
    }
  }

  struct child_containment contain = {.cgroup = -1, .procs = -1, .maps = -1, .keeper = -1};
  struct id_maps maps;
  if (launch->failure == LAUNCH_OK && launch->contain != NULL) {
    int error = prepare_containment(launch, &contain, &maps);
    if (error != 0) fail(launch, LAUNCH_FAILED_REPORT, error);
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
    if (contain.keeper >= 0 && launch->failure == LAUNCH_OK) meet_command(launch);
  }

  for (uint32_t i = 0; i < made; i++) close(slots[i]);
  if (launch->failure != LAUNCH_OK) {
    dismiss_keeper(launch);
    for (uint32_t i = 0; i < made; i++) close(launch->ours[i].fd);
    if (launch->pidfd >= 0) close(launch->pidfd);
    launch->pidfd = launch->keeper_pidfd = -1;
  }
  free(composed);
  errno = saved_errno;
}

/* ---- the probe's bare child --------------------------------------------------------------------- */

int launch_try(int rung, struct launch_stack *stack) {
  /* A program whose one path can't exist: the child comes as far as exec, and reports. */
  static const char nowhere[] = "/proc/self/fd/-1";
  struct {
    struct program_header header;
    struct program_op exec;
    uint64_t candidates[2], argv[2], envp[1];
    char path[24];
  } program = {
      .header = {.magic = PROGRAM_MAGIC,
                 .size = sizeof program,
                 .n_ops = 1,
                 .ops = offsetof(__typeof__(program), exec)},
      .exec = {.code = PROGRAM_EXEC,
               .b = offsetof(__typeof__(program), argv),
               .c = offsetof(__typeof__(program), envp),
               .data = offsetof(__typeof__(program), candidates),
               .size = 16},
      .candidates = {offsetof(__typeof__(program), path)},
      .argv = {offsetof(__typeof__(program), path)},
  };
  memcpy(program.path, nowhere, sizeof nowhere);
  program_relocate(&program);
  struct launch launch = {.program = &program, .rung = rung, .stack = stack};
  launch_run(&launch);
  if (launch.failure == LAUNCH_FAILED_CHILD) return 0;
  if (launch.failure == LAUNCH_OK) return ENOEXEC; /* can't be */
  return launch.error != 0 ? launch.error : ENOSYS;
}
