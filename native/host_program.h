/*
 * The parts of the spawn host's program, and what they share: host.c begins and loops, host_messages.c receives and sends,
 * host_request.c checks, host_spawn.c and host_clone.c make children, of which host_keeper.c and host_embryo.c are copies of
 * the host, and host_relay.c is for a host that is their parent itself. One thread; nothing here is the addon's.
 */
#ifndef BROOD_HOST_PROGRAM_H
#define BROOD_HOST_PROGRAM_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "child.h"
#include "host.h"
#include "kernel_values.h"
#include "raw_syscall.h"

#define STACK_SIZE (64 * 1024)
#define STACK_GUARD (64 * 1024)

/* Memory that grows. Its content survives. */
struct arena {
  char *base;
  uint64_t size;
};

/* Who serves: the host as itself, in two ways, or a copy of it. */
enum host_role { HOST_ITSELF = 1, HOST_RELAY = 2, HOST_EMBRYO = 4, HOST_KEEPS_COMMANDS = 8 };

/* A socket that requests come from, and the message that is being put together. */
struct endpoint {
  int socket;
  int role;               /* enum host_role: what is served to it */
  struct host_header now; /* of the message */
  uint64_t have;          /* bytes of its payload */
  uint32_t have_fds;
  int open; /* parts of it are still to come */
  int skip; /* of this request, refused already, parts are still to come: */
  uint32_t skipped;
  struct arena bytes, fds, envp;
};

struct host_process {
  int legacy; /* clone(2) instead of clone3(2) */
  int relay;    /* the parent itself of what it starts: a relay, or a keeper */
  int client;   /* our parent at the start, 0 where it is in an outer pid namespace: nobody else is served */
  int group;    /* of a keeper: the process group that its next command begins in, see struct child_containment */
  int kept;     /* of a keeper: the command that has been started just now */
  int init;     /* of a keeper: pid 1 of its namespace */
  int ignores_child; /* of a relay, a keeper, who don't: what they start finds SIGCHLD ignored */
  struct program_report entered; /* of a copy: FAILED: why it can start nothing, or take no step */
  int state_fd; /* of a relay: a signalfd for SIGCHLD */
  int yields;   /* our scheduling policy is SCHED_BATCH where our children's is to be SCHED_OTHER */
  long dumpable;
  long peak;         /* of our memory at the start, in KiB */
  uint64_t received; /* the largest request, in bytes, with all that was made of it */
  char *stack;       /* of children that share our memory: a guard, then STACK_SIZE */
  struct host_shared *shared;
  struct host_shared no_shared;
};

extern struct host_process host;

static inline struct host_request *request_of(const struct endpoint *e) {
  return (struct host_request *)e->bytes.base;
}

static inline void *program_of(const struct endpoint *e) { return e->bytes.base + sizeof(struct host_request); }

/* The message's, e->have_fds of them; -1 is one that is another's by now. */
static inline int32_t *fds_of(const struct endpoint *e) { return (int32_t *)e->fds.base; }

/* ---- host_memory.c ---- */

/* Makes room; 0 or -ENOMEM. */
int arena_reserve(struct arena *arena, uint64_t size);
/* The peak of our own memory, in KiB, or more: a child's starts at it. */
long peak_at_start(void);
long peak_kib(void);

/* ---- host_messages.c ---- */

/* WHOLE: a packet completes a message; PART: there is more to come, or it has been refused; END: of the socket. */
enum received { RECEIVED_WHOLE, RECEIVED_PART, RECEIVED_NOTHING, RECEIVED_END };
/* Reads one packet. With MSG_DONTWAIT there may be NOTHING. */
enum received receive(struct endpoint *e, int flags);
/* Closes the message's fds. */
void close_fds(struct endpoint *e);
/* Sends one packet, with a copy of fd unless it is -1; fd stays the caller's. */
void send_packet(const struct endpoint *e, int type, uint32_t id, const void *payload, uint32_t size, int fd);
/* Answers the message that is there. */
void answer(const struct endpoint *e, struct host_answer *a, int fd);
void refuse(const struct endpoint *e, uint32_t id, int error);

/* ---- host_request.c ---- */

/* How many fds a request has behind those of its program, for each enum host_extra. */
#define N_CGROUP 2
#define N_MAPS 1
#define N_KEEPER 1

/* Makes the program that came ready to run: 0 or an errno. The fds stay the endpoint's. */
int ready_program(struct endpoint *e);
/* Whether something is asked for that is not done for such a request: an errno. `extra`: what may follow. */
int flags_error(const struct host_request *r, uint32_t extra);
/* How many fds follow those of the program. */
uint32_t extra_fds(const struct host_request *r);
/* Of a program that is ready. */
struct program_context context_of(const struct endpoint *e, struct program_report *report);

/* ---- host_clone.c ---- */

/* Runs child_main in a child that has our memory until its exec; we sleep until then. Its number and *pidfd, or an errno,
 * negated. */
long clone_shared(struct child_start *start, uint64_t flags, int *pidfd);
/* A fork: the child returns 0 here, with a copy of everything. Where it is born in its cgroup, that is taken out of `contain`. */
long clone_copy(struct child_containment *contain, uint64_t flags, int *pidfd);
/* Lets the client that wakes us go on before we do, or, off, makes our scheduling policy what children are to have. */
void yield_to_client(int on);
/* set*id in a child that shares our memory resets this, and with it who owns our /proc. */
void restore_dumpable(void);

/* ---- host_spawn.c ---- */

void serve_spawn(struct endpoint *e);
/* Makes a copy of the host, with the namespaces that the request asks for; the child returns 0 here. */
void serve_create(struct endpoint *e);

/* ---- host_keeper.c, host_embryo.c ---- */

/* Run in: child, a copy of the host, which has entered what contains it; or not, for the reason that is told to the first
 * who asks for anything. `proc` is the client's /proc. */
__attribute__((noreturn)) void keeper_main(struct endpoint *e, int socket, int proc, int init,
                                           const struct program_report *entered);
/* Runs in: the keeper, whose command, or embryo, has just been made: until nothing of it is left. */
void keep_served(void);
__attribute__((noreturn)) void embryo_main(struct endpoint *e, int socket, const struct program_report *entered);
/* Run in: the embryo. */
void serve_step(struct endpoint *e);
void serve_exec(struct endpoint *e);
void serve_give(struct endpoint *e);
void serve_take(struct endpoint *e);

/* ---- host_relay.c ---- */

/* Begins to hear of children; 0 or an errno, negated. */
int relay_begin(void);
/* Whether the child has come through its exec. If not it is reaped, and `a` says how it was. */
int relay_judge(struct host_answer *a, int pid);
/* Tells the client of every change of a child, if there is one. */
void tell_states(const struct endpoint *e);
void serve_end(struct endpoint *e);

/* ---- host.c ---- */

/* Serves until the end of the socket. */
void serve(struct endpoint *e);

#endif
