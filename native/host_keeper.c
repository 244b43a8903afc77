/*
 * A keeper made by a spawn host: a copy of it that clones the command and goes on as keeper.c says, without an exec.
 * Runs in: the keeper.
 */
#include "host_program.h"

#include "keeper.h"

static struct {
  int init;
  int proc;
} keeping;

/* Runs in: the keeper, when it has its command. */
void become_keeper(int command) {
  restore_dumpable();
  keeper_run(command, keeping.init, keeping.proc);
}

/* A /proc by which a keeper finds its children: the client's, or our own, where that is in another pid namespace. */
static int usable_proc(int given) {
  if (keeper_sees(given)) return given;
  long own = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc", KERNEL_O_RDONLY | KERNEL_O_DIRECTORY | KERNEL_O_CLOEXEC, 0);
  if (own < 0) return -EXDEV;
  return keeper_sees((int)own) ? (int)own : -EXDEV;
}

void keep_command(struct endpoint *e, struct child_containment *contain, int proc) {
  struct program_report report = {0};
  struct child_start start = {
      .program = program_of(e), .context = context_of(e, &report), .gate = -1, .contain = contain};
  raw(__NR_close, e->socket);
  if (host.state_fd >= 0) raw(__NR_close, host.state_fd);
  keeping.init = request_of(e)->keeper == HOST_KEEPS_AS_INIT;
  keeping.proc = keeping.init ? proc : usable_proc(proc);
  contain->in_place = 1;
  contain->stack = host.stack + STACK_GUARD;
  contain->stack_size = STACK_SIZE;
  if (keeping.proc < 0) {
    report.phase = PROGRAM_PHASE_FAILED;
    report.step = CHILD_STEP_KEEPER;
    report.err = -keeping.proc;
    raw(__NR_write, contain->keeper, &report, sizeof report);
    for (;;) raw(__NR_exit_group, 127);
  }
  child_main(&start);
}
