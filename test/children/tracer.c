/*
 * Seizes a process (its pid on the command line), as a debugger would, and holds it until fd 0 ends. Says "seized", then
 * "dead" when that process has ended: from then on it is a zombie that only its tracer may wait for. When fd 0 ends it
 * lets go by ending itself. ptrace(2): PTRACE_SEIZE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
  char byte;
  siginfo_t info;
  pid_t pid = argc > 1 ? atoi(argv[1]) : 0;
  if (pid <= 0 || ptrace(PTRACE_SEIZE, pid, 0, 0) != 0) {
    perror("seize");
    return 1;
  }
  puts("seized");
  fflush(stdout);
  /* Stops on the way to the end are passed over. */
  for (;;) {
    info.si_pid = 0;
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WSTOPPED | WNOWAIT | __WALL) != 0) return 1;
    if (info.si_code != CLD_TRAPPED && info.si_code != CLD_STOPPED) break;
    int status;
    waitpid(pid, &status, __WALL);
    ptrace(PTRACE_CONT, pid, 0, (void *)(long)(status >> 16 ? 0 : WSTOPSIG(status)));
  }
  puts("dead");
  fflush(stdout);
  while (read(0, &byte, 1) > 0) {
  }
  return 0;
}
