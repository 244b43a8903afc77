/*
 * An embryo: a copy of the spawn host that serves steps, one operation of a child program or a few, on a socket of its own,
 * until it execs. Runs in: the embryo.
 */
#include "host_program.h"

#include <sched.h>

#include "program_check.h"
#include "program_run.h"

/* It has nothing of the host's but what a process inherits. */
void embryo_main(struct endpoint *e, int socket) {
  host.yields = 0;
  if (host.ignores_child) program_ignore_child();
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

/* A step that fails leaves the embryo as usable as before, apart from what the program's earlier ones did. */
static void step(struct endpoint *e, int whole) {
  int error = ready_program(e);
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  struct host_answer a = {.outcome = HOST_DONE};
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
