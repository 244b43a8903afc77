/*
 * A keeper made by a spawn host: a copy of it that starts commands as the host does, but as their parent, and keeps each as
 * keeper.c says, without an exec. Nothing of one command is left when it takes the next, so that a keeper that waits for
 * that is as one that has just been made. Runs in: the keeper.
 *
 * prctl(2), PR_SET_CHILD_SUBREAPER (3.4).
 */
#include "host_program.h"

#include <sys/prctl.h>

#include "keeper.h"

/* A /proc by which a keeper finds its children: the client's, or our own, where that is in another pid namespace. Takes over the
 * one that is given. */
static int usable_proc(int given) {
  if (keeper_sees(given)) return given;
  raw(__NR_close, given);
  long own = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc", KERNEL_O_RDONLY | KERNEL_O_DIRECTORY | KERNEL_O_CLOEXEC, 0);
  if (own < 0) return -EXDEV;
  if (keeper_sees((int)own)) return (int)own;
  raw(__NR_close, own);
  return -EXDEV;
}

void keeper_main(struct endpoint *e, int socket, int proc, int init, const struct program_report *entered) {
  raw(__NR_prctl, PR_SET_NAME, "brood-keeper", 0, 0, 0);
  host.entered = *entered;
  long error = raw(__NR_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  int usable = init ? proc : usable_proc(proc);
  if (error >= 0 && usable < 0) error = usable;
  if (error < 0 && host.entered.phase != PROGRAM_PHASE_FAILED) {
    host.entered.phase = PROGRAM_PHASE_FAILED;
    host.entered.step = CHILD_STEP_KEEPER;
    host.entered.err = (int32_t)-error;
  }
  host.relay = 1;
  host.init = init;
  if (keeper_begin(socket, usable, init)) host.ignores_child = 1;
  e->socket = socket;
  e->role = HOST_KEEPS_COMMANDS;
  serve(e);
  for (;;) raw(__NR_exit_group, 0);
}

/*
 * What is sent to the group of our parent, which is our commands', must not reach us. The session stays ours: or a command's own
 * group would be an orphaned one, which no terminal can stop. The first command was cloned in that group; those that come later
 * are told to go back to it, but where it is one of an outer pid namespace, which has no number here: they have one of their own.
 */
static void leave_group(void) {
  if (host.group != 0) return;
  int group = (int)raw(__NR_getpgid, 0);
  host.group = group > 0 ? group : -1;
  raw(__NR_setpgid, 0, 0);
}

void keep_served(void) {
  int command = host.kept;
  host.kept = 0;
  leave_group();
  if (host.init) keeper_await_go();
  keeper_keep(command, -1);
}
