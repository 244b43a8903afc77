/*
 * What a spawn host makes on request: a child that executes a program, and a copy of itself that goes on as a keeper or as an
 * embryo. Runs in: host.
 */
#include "host_program.h"

#include <sched.h>
#include <sys/prctl.h>

#include "keeper.h"

/* The client learns of the child from the kernel itself, before it runs: see struct host_shared. */
static void announce(const struct endpoint *e, int keeper) {
  host.shared->request = e->now.id;
  host.shared->kept = keeper;
  host.shared->child = 0;
}

static void fill_in(struct endpoint *e, struct host_answer *a, long pid) {
  const struct host_request *r = request_of(e);
  a->pid = (int)pid;
  a->relayed = host.relay;
  a->kept = r->extra & HOST_KEEPER ? HOST_KEEPER_MADE : e->role == HOST_KEEPS_COMMANDS ? HOST_COMMAND_KEPT : 0;
  a->foreign = host.client == 0;
  a->cookie[0] = r->cookie[0];
  a->cookie[1] = r->cookie[1];
  a->peak = peak_kib();
  if (pid < 0) {
    a->outcome = HOST_UNCLONED;
    a->err = (int)-pid;
  }
}

/* Answers with the child, whose pidfd is closed then. */
static void answer_child(struct endpoint *e, struct host_answer *a, int pidfd) {
  answer(e, a, pidfd);
  host.shared->child = 0;
  if (pidfd >= 0) raw(__NR_close, pidfd);
}

/* What came behind the first `n` fds of the message, which stay the endpoint's. Gives the first fd behind. */
static const int32_t *take_extra(const struct endpoint *e, uint32_t n, struct child_containment *contain) {
  const struct host_request *r = request_of(e);
  const int32_t *next = fds_of(e) + n;
  *contain = (struct child_containment){.cgroup = -1, .procs = -1, .maps = -1, .keeper = -1, .shared = 1, .group = host.group};
  if (r->extra & HOST_CGROUP) {
    contain->cgroup = next[0];
    contain->procs = next[1];
    next += N_CGROUP;
  }
  if (r->extra & HOST_MAPS) {
    contain->maps = next[0];
    next += N_MAPS;
  }
  return next;
}

/* Of a keeper that is not what it was made to be: it can make nothing. */
static int answer_unentered(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_REAPED, .report = host.entered};
  if (e->role != HOST_KEEPS_COMMANDS || host.entered.phase != PROGRAM_PHASE_FAILED) return 0;
  answer_child(e, &a, -1);
  return 1;
}

/* What may be asked for with a request: a keeper has entered all of it itself. */
static int made_error(const struct endpoint *e, uint32_t extra) {
  int keeps = e->role == HOST_KEEPS_COMMANDS;
  int error = flags_error(request_of(e), keeps ? 0 : extra);
  return error == 0 && keeps && request_of(e)->clone_flags != 0 ? EINVAL : error;
}

void serve_spawn(struct endpoint *e) {
  int pidfd = -1;
  int keeps = e->role == HOST_KEEPS_COMMANDS;
  int error = ready_program(e);
  if (error == 0) error = made_error(e, HOST_CGROUP | HOST_MAPS);
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  if (answer_unentered(e)) return;
  struct child_containment contain;
  take_extra(e, ((struct program_header *)program_of(e))->n_inputs, &contain);
  struct host_answer a = {.outcome = HOST_DONE};
  struct child_start start = {.program = program_of(e), .context = context_of(e, &a.report), .gate = -1,
                              .ignores_child = host.ignores_child};
  if (request_of(e)->extra != 0 || contain.group != 0) start.contain = &contain;
  announce(e, 0);
  long pid = clone_shared(&start, request_of(e)->clone_flags, &pidfd);
  restore_dumpable();
  if (pid < 0) pidfd = -1;
  fill_in(e, &a, pid);
  if (pid >= 0 && host.relay && !relay_judge(&a, (int)pid)) {
    raw(__NR_close, pidfd);
    pidfd = -1;
  } else if (keeps && pid >= 0) {
    host.kept = (int)pid;
  }
  answer_child(e, &a, pidfd);
}

/* Runs in: child, a copy of the host. It has nothing of that but what a process inherits, and these fds. */
__attribute__((noreturn)) static void copy_main(struct endpoint *e, struct child_containment *contain, int socket, int proc) {
  const struct host_request *r = request_of(e);
  struct program_report entered = {.phase = PROGRAM_PHASE_SETUP};
  enum child_step step;
  int keeper = r->extra & HOST_KEEPER, init = r->keeper == HOST_KEEPS_AS_INIT;
  raw(__NR_close, e->socket);
  if (e->role == HOST_KEEPS_COMMANDS) {
    keeper_forget();
    raw(__NR_prctl, PR_SET_NAME, "brood-host", 0, 0, 0);
  }
  if (host.state_fd >= 0) raw(__NR_close, host.state_fd);
  host.state_fd = -1;
  host.shared = &host.no_shared;
  if (r->clone_flags & CLONE_NEWPID) host.client = 0;
  long error = child_enter(contain, &step);
  if (error < 0) {
    entered.phase = PROGRAM_PHASE_FAILED;
    entered.step = step;
    entered.err = (int32_t)-error;
  }
  for (uint32_t i = 0; i < e->have_fds; i++)
    if (fds_of(e)[i] != socket && fds_of(e)[i] != proc) raw(__NR_close, fds_of(e)[i]);
  e->have = 0;
  e->have_fds = 0;
  e->open = 0;
  if (keeper) keeper_main(e, socket, proc, init, &entered);
  embryo_main(e, socket, &entered);
}

void serve_create(struct endpoint *e) {
  struct child_containment contain;
  struct host_answer a = {.outcome = HOST_DONE};
  int pidfd = -1, proc = -1;
  int keeps = e->role == HOST_KEEPS_COMMANDS;
  int error = e->have != sizeof(struct host_request) ? EBADMSG : 0;
  int keeper = error == 0 && (request_of(e)->extra & HOST_KEEPER);
  if (error == 0) error = made_error(e, keeper ? HOST_MAPS | HOST_KEEPER : HOST_CGROUP | HOST_MAPS);
  if (error == 0 && e->have_fds != extra_fds(request_of(e)) + 1) error = EBADMSG;
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  if (answer_unentered(e)) return;
  const int32_t *next = take_extra(e, 0, &contain);
  if (keeper) proc = *next++;
  int socket = *next;
  announce(e, keeper);
  long pid = clone_copy(&contain, request_of(e)->clone_flags, &pidfd);
  if (pid == 0) copy_main(e, &contain, socket, proc);
  if (pid < 0) pidfd = -1;
  if (keeps && pid > 0) host.kept = (int)pid;
  fill_in(e, &a, pid);
  answer_child(e, &a, pidfd);
}
