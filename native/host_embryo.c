/*
 * An embryo: a copy of the spawn host that serves steps, one operation of a child program or a few, on a socket of its own,
 * until it execs. Runs in: the embryo.
 */
#include "host_program.h"

#include <sched.h>

#include "program_check.h"
#include "program_run.h"

/* It has nothing of the host's but what a process inherits. */
void embryo_main(struct endpoint *e, int socket, const struct program_report *entered) {
  host.yields = 0;
  if (host.ignores_child) program_ignore_child();
  host.entered = *entered;
  e->socket = socket;
  e->role = HOST_EMBRYO;
  serve(e);
  for (;;) raw(__NR_exit_group, 127);
}

/* The result that a step's user wants: of one that opens an fd, its number. */
static int32_t result_of(const struct endpoint *e, long result) {
  struct program_header *p = program_of(e);
  const struct program_op *ops = (const struct program_op *)((const char *)p + p->ops);
  if (p->n_ops < 2) return 0;
  const struct program_op *last = &ops[p->n_ops - 2];
  int opens = last->code == PROGRAM_OPEN || last->code == PROGRAM_PARK;
  return opens ? program_slots(p)[last->a] : (int32_t)result;
}

/* Goes to the cgroup that came behind the program's fds, if one did. 0: it could not, or not enter what it was made in; the report
 * tells. */
static int enter(const struct endpoint *e, struct program_report *report) {
  if (host.entered.phase == PROGRAM_PHASE_FAILED) {
    *report = host.entered;
    return 0;
  }
  if (!(request_of(e)->extra & HOST_CGROUP)) return 1;
  const int32_t *extra = fds_of(e) + ((struct program_header *)program_of(e))->n_inputs;
  struct child_containment contain = {.cgroup = extra[0], .procs = extra[1], .maps = -1, .keeper = -1};
  enum child_step step;
  long error = child_enter(&contain, &step);
  if (error < 0) *report = (struct program_report){.phase = PROGRAM_PHASE_FAILED, .step = step, .err = (int32_t)-error};
  return error >= 0;
}

/* A step that fails leaves the embryo as usable as before, apart from what the program's earlier ones did. */
static void step(struct endpoint *e, int whole) {
  int error = ready_program(e);
  if (error == 0) error = flags_error(request_of(e), whole ? 0 : HOST_CGROUP);
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  struct host_answer a = {.outcome = HOST_DONE};
  if (!enter(e, &a.report)) {
    answer(e, &a, -1);
    return;
  }
  struct program_context context = context_of(e, &a.report);
  context.report_socket = e->socket;
  struct program_child c = program_begin(program_of(e), &context);
  long result = program_move_socket(&c);
  uint32_t last = c.header->n_ops - 1;
  if (result >= 0) result = program_steps(&c, 0, last);
  e->socket = context.report_socket;
  if (whole && result >= 0) {
    send_packet(e, HOST_EXECUTING, e->now.id, "", 0, -1);
    result = program_steps(&c, last, last + 1);
  }
  if (result < 0) program_failed(&c, result);
  else a.result = result_of(e, result);
  answer(e, &a, -1);
}

void serve_step(struct endpoint *e) { step(e, 0); }

void serve_exec(struct endpoint *e) { step(e, 1); }

/* The fd stays open: it is the embryo's from now on. */
void serve_give(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_DONE};
  if (e->have_fds != 1) {
    refuse(e, e->now.id, EBADMSG);
    return;
  }
  a.result = fds_of(e)[0];
  e->have_fds = 0;
  answer(e, &a, -1);
}

void serve_take(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_DONE};
  int error = e->have != sizeof(struct host_request) ? EBADMSG : 0;
  int fd = error == 0 ? request_of(e)->argument : -1;
  /* A number that isn't open would make the sending fail, and the answer be lost. */
  if (error == 0 && raw(__NR_fcntl, fd, 1 /* F_GETFD */) < 0) error = EBADF;
  if (error == 0) answer(e, &a, fd);
  else refuse(e, e->now.id, error);
}
