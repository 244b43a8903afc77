/*
 * What a spawn host makes on request: a child that executes a program, and a copy of itself that goes on as a keeper or as an
 * embryo. Runs in: host.
 */
#include "host_program.h"

/* The client learns of the child from the kernel itself, before it runs: see struct host_shared. */
static void announce(const struct endpoint *e) {
  host.shared->request = e->now.id;
  host.shared->kept = (request_of(e)->extra & HOST_KEEPER) != 0;
  host.shared->child = 0;
}

static void fill_in(struct endpoint *e, struct host_answer *a, long pid) {
  const struct host_request *r = request_of(e);
  a->pid = (int)pid;
  a->relayed = host.relay;
  a->kept = (r->extra & HOST_KEEPER) != 0;
  a->cookie[0] = r->cookie[0];
  a->cookie[1] = r->cookie[1];
  a->peak = peak_kib();
  if (pid < 0) {
    a->outcome = HOST_UNCLONED;
    a->err = (int)-pid;
  }
}

long copy_begin(const struct endpoint *e, int *pidfd) {
  *pidfd = -1;
  announce(e);
  return clone_copy(request_of(e)->clone_flags, pidfd);
}

void copy_answer(struct endpoint *e, long pid, int pidfd) {
  struct host_answer a = {.outcome = HOST_DONE};
  if (pid < 0) pidfd = -1;
  fill_in(e, &a, pid);
  answer(e, &a, pidfd);
  host.shared->child = 0;
  if (pidfd >= 0) raw(__NR_close, pidfd);
}

/* What came behind the program's own fds, which stay the endpoint's. */
static void take_extra(struct endpoint *e, struct child_containment *contain, int *proc) {
  const struct host_request *r = request_of(e);
  const int32_t *next = fds_of(e) + ((struct program_header *)program_of(e))->n_inputs;
  *contain = (struct child_containment){.cgroup = -1, .procs = -1, .maps = -1, .keeper = -1, .shared = 1};
  if (r->extra & HOST_CGROUP) {
    contain->cgroup = next[0];
    contain->procs = next[1];
    next += N_CGROUP;
  }
  if (r->extra & HOST_MAPS) {
    contain->maps = next[0];
    next += N_MAPS;
  }
  if (r->extra & HOST_KEEPER) {
    contain->keeper = next[0];
    *proc = next[1];
  }
}

/* The answer is about the keeper; what becomes of the command comes over its socket. */
static void spawn_kept(struct endpoint *e, struct child_containment *contain, int proc) {
  int pidfd;
  long pid = copy_begin(e, &pidfd);
  if (pid == 0) keep_command(e, contain, proc);
  copy_answer(e, pid, pidfd);
}

void serve_spawn(struct endpoint *e) {
  int pidfd = -1, proc = -1;
  int error = ready_program(e);
  if (error == 0) error = flags_error(request_of(e));
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  struct child_containment contain;
  take_extra(e, &contain, &proc);
  if (contain.keeper >= 0) {
    spawn_kept(e, &contain, proc);
    return;
  }
  struct host_answer a = {.outcome = HOST_DONE};
  struct child_start start = {.program = program_of(e), .context = context_of(e, &a.report), .gate = -1};
  if (request_of(e)->extra != 0) start.contain = &contain;
  announce(e);
  long pid = clone_shared(&start, request_of(e)->clone_flags, &pidfd);
  restore_dumpable();
  if (pid < 0) pidfd = -1;
  fill_in(e, &a, pid);
  if (pid >= 0 && host.relay && !relay_judge(&a, (int)pid)) {
    raw(__NR_close, pidfd);
    pidfd = -1;
  }
  answer(e, &a, pidfd);
  host.shared->child = 0;
  if (pidfd >= 0) raw(__NR_close, pidfd);
}
