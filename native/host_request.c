/*
 * A request, once it is whole: whether it is what it says, its program made ready, and what is answered of it.
 * Runs in: host, keeper, embryo.
 */
#include "host_program.h"

#include <sched.h>

#include "program_check.h"

uint32_t extra_fds(const struct host_request *r) {
  return (r->extra & HOST_CGROUP ? N_CGROUP : 0) + (r->extra & HOST_MAPS ? N_MAPS : 0) +
         (r->extra & HOST_KEEPER ? N_KEEPER : 0);
}

/* The length of a string that is known to end, and behind whose end 7 bytes can be read: eight characters at a time. */
static uint32_t length_of(const char *string) {
  const uint64_t ones = 0x0101010101010101ull, highs = ones << 7;
  for (uint32_t at = 0;; at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, string + at, sizeof word);
    uint64_t zeros = (word - ones) & ~word & highs;
    if (zeros != 0) return at + (uint32_t)__builtin_ctzll(zeros) / 8;
  }
}

/* Checks what came with the program, fills in its input slots, and lays out its environment. */
int ready_program(struct endpoint *e) {
  int bad;
  struct host_request *r = request_of(e);
  if (e->have < sizeof *r) return EBADMSG;
  uint64_t rest = e->have - sizeof *r;
  if (r->program_size % 8 != 0 || r->program_size > rest || r->env_size != rest - r->program_size)
    return EBADMSG;
  if (program_validate(program_of(e), r->program_size, &bad) != 0) return EINVAL;
  struct program_header *p = program_of(e);
  if (p->n_inputs + extra_fds(r) != e->have_fds) return EINVAL;
  const char *env = (const char *)program_of(e) + r->program_size;
  if (r->env_size > 0 && env[r->env_size - 1] != 0) return EBADMSG;
  if (r->n_env > r->env_size) return EBADMSG;
  if (arena_reserve(&e->envp, ((uint64_t)r->n_env + 1) * sizeof(char *)) < 0) return ENOMEM;
  char **envp = (char **)e->envp.base;
  uint32_t at = 0;
  for (uint32_t i = 0; i < r->n_env; i++) {
    if (at >= r->env_size) return EBADMSG;
    envp[i] = (char *)env + at;
    at += length_of(env + at) + 1;
  }
  if (at != r->env_size) return EBADMSG;
  envp[r->n_env] = NULL;
  uint64_t used = e->have + ((uint64_t)r->n_env + 1) * sizeof(char *) + e->have_fds * sizeof(int32_t);
  if (used > host.received) host.received = used;
  for (uint32_t i = 0; i < p->n_inputs; i++) program_slots(p)[i] = fds_of(e)[i];
  program_relocate(p);
  return 0;
}

struct program_context context_of(const struct endpoint *e, struct program_report *report) {
  struct program_op *exec = program_exec_op(program_of(e));
  return (struct program_context){
      .report = report,
      .envp = exec->flags & PROGRAM_EXEC_EXTEND_ENV
                  ? (char **)e->envp.base
                  : (char **)((char *)program_of(e) + (uint32_t)exec->c),
      .report_socket = -1,
      .silent = 1,
      .parent_pid = (int)(host.relay && e->role != HOST_EMBRYO ? raw(__NR_getpid) : raw(__NR_getppid)),
      .close_rung = request_of(e)->close_rung,
      .reset_handlers = host.legacy,
  };
}

int flags_error(const struct host_request *r, uint32_t extra) {
  if (r->clone_flags & ~HOST_NAMESPACES) return EINVAL;
  if (r->extra & ~extra) return EINVAL;
  int keeps = r->keeper == HOST_KEEPS || (r->keeper == HOST_KEEPS_AS_INIT && (r->clone_flags & CLONE_NEWPID));
  return (r->extra & HOST_KEEPER) && !keeps ? EINVAL : 0;
}
