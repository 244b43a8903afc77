/*
 * Which rung of the clone ladder works here. Asked once per process.
 *
 * A seccomp filter may answer a call by an errno, or by SIGSYS, whose core dump could take along
 * everyone who shares the memory. So a rung is tried in this process only where no filter is
 * installed; elsewhere in a forked child with an address space of its own, whose death tells that
 * the rung is not to be used. The forked child has exit signal 0: nobody gets a SIGCHLD for it.
 *
 * That no process, memory or fd is to be had says nothing about a rung: such an answer is not kept.
 */
#include <stdio.h>
#include <string.h>

#include "launch.h"
#include "program_check.h"
#include "sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int probed = -1; /* not yet */

static int filtered(void) {
  char text[4096];
  int fd = open("/proc/thread-self/status", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 1;
  text[n] = 0;
  const char *line = strstr(text, "\nSeccomp:\t");
  return line == NULL || line[10] != '0';
}

/* One bare child on a rung that exits at once: 0 if the rung works, else an errno. */
static int try_here(int rung, struct launch_stack *stack) {
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

/* The same from a child, which keeps all signals blocked: a handler of Node's that
 * ran in it would write to a pipe that it shares with us. */
static int try_apart(int rung, struct launch_stack *stack) {
  uint64_t all = ~0ull, mask;
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof all);
  pid_t pid = (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
  int error = errno;
  if (pid == 0) _exit(try_here(rung, stack));
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
  if (pid < 0) return error;
  siginfo_t info;
  int result;
  do result = sys_waitid(P_PID, pid, &info, WEXITED | __WALL, NULL);
  while (result != 0 && errno == EINTR);
  return result == 0 && info.si_code == CLD_EXITED ? info.si_status : ENOSYS;
}

static int passing(int error) {
  return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
}

/* The rung to use now; *certain: and from now on. */
static int probe(int *certain) {
  struct launch_stack stack = {NULL};
  int apart = filtered(), error = 0, rung = LAUNCH_CLONE3;
  /* FORK is not tried: there is nothing below it, and its own error is the one to tell. */
  for (; rung < LAUNCH_FORK; rung++) {
    error = apart ? try_apart(rung, &stack) : try_here(rung, &stack);
    if (error == 0 || passing(error)) break;
  }
  launch_stack_free(&stack);
  *certain = !passing(error);
  /* A rung that has not been tried might be fatal under a filter. FORK never is. */
  return !*certain && apart ? LAUNCH_FORK : rung;
}

int launch_probe(void) {
  int saved_errno = errno, certain = 1;
  pthread_mutex_lock(&lock);
  int rung = probed >= 0 ? probed : probe(&certain);
  if (certain) probed = rung;
  pthread_mutex_unlock(&lock);
  errno = saved_errno;
  return rung;
}
