/*
 * The spawn host: a small process that makes processes for its client, the process that started it.
 *
 * It serves the requests of host.h from the socket that is its fd 3. What it starts has the *client* as
 * its parent (CLONE_PARENT): the client waits for it, signals it, reaps it; the host only lends what a child
 * starts from (user, directory, limits, namespaces ...), its small memory and its short table of fds. Where
 * that can't work, since the host is a pid namespace's init, or where it is told to ("relay"), it is the
 * parent itself, and reports each change of state over the socket.
 *
 * A keeper (keeper.h) is a fork of it, which clones the command and goes on as that.
 *
 * It must not do anything that wasn't asked for, nor outlive its client: the end of its socket is its end. It
 * has no policy and keeps no state between requests. All signals but SIGKILL and SIGSTOP stay blocked, as they
 * have to be around a clone anyway: what a terminal sends to the process group is not meant for it.
 *
 * Freestanding: no libc, raw system calls, its own start; some KB, so that starting it and cloning from it are
 * cheap. With -DBROOD_HOSTED it is an ordinary program, for sanitizers. Runs in: a process of its own, with
 * one thread. An embryo (CREATE) is a fork of it that serves steps on a socket of its own.
 *
 * clone(2), unix(7), recvmsg(2), execveat(2), sched(7) for SCHED_BATCH.
 */
#include "host.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "child.h"
#include "clone_call.h"
#include "keeper.h"
#include "program_check.h"
#include "program_run.h"

#ifdef BROOD_HOSTED
#include <stdlib.h>
#include <string.h>
#endif

#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif
#define STACK_SIZE (64 * 1024)
#define STACK_GUARD (64 * 1024)
#define PAGE 4096 /* at least of this size: all that is shared lies in it */
#define KERNEL_SIGCHLD 17
#define KERNEL_SFD_CLOEXEC 02000000
#define KERNEL_SFD_NONBLOCK 04000

/* Memory that grows. Its content survives. */
struct arena {
  char *base;
  uint64_t size;
};

/* A socket that requests come from, and the message that is being put together. */
struct endpoint {
  int socket;
  int embryo;             /* serves steps, not spawns */
  struct host_header now; /* of the message */
  uint64_t have;          /* bytes of its payload */
  uint32_t have_fds;
  int open;       /* parts of it are still to come */
  int skip;       /* of this request, refused already, parts are still to come: */
  uint32_t skipped;
  struct arena bytes, fds, envp;
};

static struct {
  int legacy; /* clone(2) instead of clone3(2) */
  int relay;
  int client;   /* our parent at the start, 0 where it is in an outer pid namespace: nobody else is served */
  int state_fd; /* of a relay: a signalfd for SIGCHLD */
  int yields;   /* our scheduling policy is SCHED_BATCH where our children's is to be SCHED_OTHER */
  long dumpable;
  long peak;         /* of our memory at the start, in KiB */
  uint64_t received; /* the largest request, in bytes, with all that was made of it */
  char *stack;
  struct host_shared *shared;
  struct host_shared no_shared;
} host = {.state_fd = -1};

/* ---- memory ------------------------------------------------------------------------------------------ */

#ifdef BROOD_HOSTED

static int arena_reserve(struct arena *arena, uint64_t size) {
  if (size <= arena->size) return 0;
  char *base = realloc(arena->base, size);
  if (base == NULL) return -ENOMEM;
  arena->base = base;
  arena->size = size;
  return 0;
}

#else

/* gcc makes calls of these. */
void *memcpy(void *restrict to, const void *restrict from, size_t n) {
  char *t = to;
  const char *f = from;
  while (n-- > 0) *t++ = *f++;
  return to;
}
void *memset(void *to, int byte, size_t n) {
  char *t = to;
  while (n-- > 0) *t++ = (char)byte;
  return to;
}

static int arena_reserve(struct arena *arena, uint64_t size) {
  if (size <= arena->size) return 0;
  uint64_t room = arena->size == 0 ? 256 * 1024 : arena->size;
  while (room < size) room *= 2;
  long base = arena->size == 0
                  ? raw(__NR_mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : raw(__NR_mremap, arena->base, arena->size, room, MREMAP_MAYMOVE);
  if (base < 0) return (int)base;
  arena->base = (char *)base;
  arena->size = room;
  return 0;
}

#endif

/*
 * The peak of our own memory, in KiB, or more: a child's starts at it (kernel: exec_mmap). getrusage(2) would tell the
 * peak of who started us, if that was larger; and looking into /proc each time costs more than a clone. So: what it was
 * at the start, and what has been received at most since.
 */
static long peak_at_start(void) {
  static const char key[] = "\nVmHWM:";
  char text[2048];
  long peak = 0;
  long file = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc/self/status", KERNEL_O_RDONLY | KERNEL_O_CLOEXEC, 0);
  long n = file < 0 ? 0 : raw(__NR_read, file, text, sizeof text);
  if (file >= 0) raw(__NR_close, file);
  for (long i = 0; i + (long)sizeof key < n; i++) {
    unsigned k = 0;
    while (k < sizeof key - 1 && text[i + k] == key[k]) k++;
    if (k < sizeof key - 1) continue;
    for (long j = i + k; j < n && text[j] != '\n'; j++)
      if (text[j] >= '0' && text[j] <= '9') peak = peak * 10 + (text[j] - '0');
    return peak;
  }
  struct rusage usage;
  return raw(__NR_getrusage, RUSAGE_SELF, &usage) < 0 ? INT32_MAX : usage.ru_maxrss;
}

#define PEAK_SLACK (256 * 1024) /* our own stacks and variables, touched since */

static long peak_kib(void) { return host.peak + (long)((host.received + PEAK_SLACK) / 1024); }

/* ---- sending ------------------------------------------------------------------------------------------ */

/* Sends one packet, with fd unless it is -1. What the client does not take, because it has gone, is dropped:
 * the end of the socket is about to be read. */
static void send_packet(const struct endpoint *e, int type, uint32_t id, const void *payload,
                        uint32_t size, int fd) {
  struct host_header header = {.magic = HOST_MAGIC,
                               .version = HOST_VERSION,
                               .type = (uint16_t)type,
                               .id = id,
                               .size = size,
                               .n_fds = fd >= 0};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)payload, size}};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    *(int *)CMSG_DATA(rights) = fd;
  }
  /* Too many fds under way, or no memory: for a while. An answer that is lost would be waited for for ever; a client
   * that has gone is EPIPE. */
  for (;;) {
    long sent = raw(__NR_sendmsg, e->socket, &message, MSG_NOSIGNAL);
    if (sent != -EINTR && sent != -ETOOMANYREFS && sent != -ENOBUFS && sent != -ENOMEM) return;
    if (sent == -EINTR) continue;
    long pause[2] = {0, 1000000};
    raw(__NR_nanosleep, pause, 0);
  }
}

static void answer(const struct endpoint *e, struct host_answer *a, int fd) {
  a->type = e->now.type;
  int tried = a->report.n_tried < 0 ? 0 : a->report.n_tried;
  uint32_t size = (uint32_t)(offsetof(struct host_answer, report) +
                             offsetof(struct program_report, tried) + (uint32_t)tried);
  send_packet(e, HOST_ANSWER, e->now.id, a, size, fd);
}

static void refuse(const struct endpoint *e, uint32_t id, int error) {
  struct host_answer a = {.outcome = HOST_REFUSED, .err = error};
  send_packet(e, HOST_ANSWER, id, &a,
              offsetof(struct host_answer, report) + offsetof(struct program_report, tried), -1);
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

static int32_t *fds_of(const struct endpoint *e) { return (int32_t *)e->fds.base; }

static void close_fds(struct endpoint *e) {
  for (uint32_t i = 0; i < e->have_fds; i++)
    if (fds_of(e)[i] >= 0) raw(__NR_close, fds_of(e)[i]);
  e->have_fds = 0;
}

/* CMSG_NXTHDR, which may be a function of libc's. */
static struct cmsghdr *next_control(const struct msghdr *message, struct cmsghdr *c) {
  char *end = (char *)message->msg_control + message->msg_controllen;
  char *next = (char *)c + CMSG_ALIGN(c->cmsg_len);
  if (c->cmsg_len < sizeof *c || end - next < (long)sizeof *c) return NULL;
  return (struct cmsghdr *)next;
}

/* Takes a packet's fds behind those that the message has. Returns how many, or a negated errno; closes them
 * then. *stranger: they come from another process than our parent. */
static int take_fds(struct endpoint *e, struct msghdr *message, uint32_t more, int *stranger) {
  uint32_t before = e->have_fds, n = 0;
  int error = 0;
  *stranger = 1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = next_control(message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      const struct ucred *from = (const struct ucred *)CMSG_DATA(c);
      *stranger = from->pid != host.client;
    }
    if (c->cmsg_type != SCM_RIGHTS) continue;
    const int *list = (const int *)CMSG_DATA(c);
    uint32_t count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof *list);
    error = arena_reserve(&e->fds, (uint64_t)(before + n + count) * sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
      if (error < 0) raw(__NR_close, list[i]);
      else fds_of(e)[before + n++] = list[i];
    }
  }
  e->have_fds = before + n;
  if (error < 0) return error;
  /* Cut off: our table of fds is full. */
  if (message->msg_flags & MSG_CTRUNC) return -EMFILE;
  return n == more ? (int)n : -EBADMSG;
}

static int header_error(const struct endpoint *e, const struct host_header *h, uint64_t payload) {
  if (h->magic != HOST_MAGIC) return EBADMSG;
  if (h->version != HOST_VERSION) return EPROTONOSUPPORT;
  if (h->size > HOST_MOST_BYTES || h->n_fds > HOST_MOST_FDS) return EMSGSIZE;
  if (e->open) {
    const struct host_header *now = &e->now;
    if (h->id != now->id || h->type != now->type || h->size != now->size || h->n_fds != now->n_fds)
      return EBADMSG;
  }
  if (h->offset != e->have || h->fd_offset != e->have_fds) return EBADMSG;
  return payload > h->size - h->offset ? EBADMSG : 0;
}

/*
 * Reads one packet. Returns 1 when it completes a message, 0 when there is more to come or it has been
 * refused, and -1 at the socket's end.
 */
static int receive(struct endpoint *e) {
  struct host_header h = {0};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(HOST_PACKET_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  } control;
  int error = arena_reserve(&e->bytes, e->have + HOST_PACKET + 8);
  if (error < 0) return -1;
  struct iovec parts[2] = {{&h, sizeof h}, {e->bytes.base + e->have, HOST_PACKET}};
  struct msghdr message = {.msg_iov = parts,
                           .msg_iovlen = 2,
                           .msg_control = &control,
                           .msg_controllen = sizeof control.space};
  long n = raw(__NR_recvmsg, e->socket, &message, MSG_CMSG_CLOEXEC);
  if (n == -EINTR || n == -EAGAIN) return 0;
  if (n <= 0) return -1;

  int stranger;
  uint64_t payload = n > (long)sizeof h ? (uint64_t)n - sizeof h : 0;
  int wrong = n < (long)sizeof h ? EBADMSG : message.msg_flags & MSG_TRUNC ? EMSGSIZE : 0;
  if (wrong == 0 && !e->open && e->skip && h.id == e->skipped && h.offset != 0) wrong = -1; /* told already */
  if (wrong == 0) wrong = header_error(e, &h, payload);
  uint32_t expected = 0;
  if (wrong == 0) {
    expected = h.n_fds - h.fd_offset;
    if (expected > HOST_PACKET_FDS) expected = HOST_PACKET_FDS;
  }
  int taken = take_fds(e, &message, expected, &stranger);
  if (stranger && wrong >= 0) wrong = EPERM;
  if (wrong == 0 && taken < 0) wrong = -taken;
  if (wrong != 0) {
    close_fds(e);
    e->have = 0;
    e->open = 0;
    e->skip = n >= (long)sizeof h;
    e->skipped = h.id;
    if (wrong > 0) refuse(e, n >= (long)sizeof h ? h.id : 0, wrong);
    return 0;
  }
  e->now = h;
  e->have += payload;
  e->skip = 0;
  e->open = e->have < h.size || e->have_fds < h.n_fds;
  return !e->open;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

static struct host_request *request_of(struct endpoint *e) { return (struct host_request *)e->bytes.base; }

static void *program_of(struct endpoint *e) { return e->bytes.base + sizeof(struct host_request); }

#define N_CGROUP 2
#define N_MAPS 1
#define N_KEEPER 2

/* How many fds follow those of the program. */
static uint32_t extra_fds(const struct host_request *r) {
  return (r->extra & HOST_CGROUP ? N_CGROUP : 0) + (r->extra & HOST_MAPS ? N_MAPS : 0) +
         (r->extra & HOST_KEEPER ? N_KEEPER : 0);
}

/* Checks what came with the program, fills in its input slots, and lays out its environment. Returns 0 or an
 * errno. The fds stay the endpoint's. */
static int ready_program(struct endpoint *e) {
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
    while (env[at] != 0) at++;
    at++;
  }
  if (at != r->env_size) return EBADMSG;
  envp[r->n_env] = NULL;
  uint64_t used = e->have + ((uint64_t)r->n_env + 1) * sizeof(char *) + e->have_fds * sizeof(int32_t);
  if (used > host.received) host.received = used;
  for (uint32_t i = 0; i < p->n_inputs; i++) program_slots(p)[i] = fds_of(e)[i];
  program_relocate(p);
  return 0;
}

static struct program_context context_of(struct endpoint *e, struct program_report *report) {
  struct program_op *exec = program_exec_op(program_of(e));
  return (struct program_context){
      .report = report,
      .envp = exec->flags & PROGRAM_EXEC_EXTEND_ENV
                  ? (char **)e->envp.base
                  : (char **)((char *)program_of(e) + (uint32_t)exec->c),
      .report_socket = -1,
      .silent = 1,
      .parent_pid = (int)(host.relay && !e->embryo ? raw(__NR_getpid) : raw(__NR_getppid)),
      .close_rung = request_of(e)->close_rung,
      .reset_handlers = host.legacy,
  };
}

/*
 * A batch process that is woken up does not take the CPU from the one that runs. So the client's sendmsg(2) returns, and its
 * event loop goes on, before we begin: without this, where both have one CPU, the call lasts as long as the clone and more.
 * Children inherit the policy, so each clone is made without it. Whoever was started with another policy keeps that.
 */
static void yield_to_client(int on) {
  struct sched_param none = {0};
  if (host.yields) raw(__NR_sched_setscheduler, 0, on ? SCHED_BATCH : SCHED_OTHER, &none);
}

/* The client learns of the child from the kernel itself, before it runs: see struct host_shared. */
static void announce(struct endpoint *e) {
  host.shared->request = e->now.id;
  host.shared->kept = (request_of(e)->extra & HOST_KEEPER) != 0;
  host.shared->child = 0;
}

/* Born in its cgroup (clone3(2), CLONE_INTO_CGROUP, 5.7) it need not join it. */
static long clone_into(struct child_start *start, const struct clone3_args *args) {
  const struct child_containment *joining = start->contain;
  struct child_containment born = *joining;
  struct clone3_args into = *args;
  into.flags |= CLONE_INTO_CGROUP;
  into.cgroup = (uint64_t)joining->cgroup;
  born.cgroup = -1;
  start->contain = &born;
  long result = clone3_onto(&into, child_main, start);
  start->contain = joining;
  return result;
}

/* Runs in: host, which sleeps until the child has exec'ed or ended; child_main in: child. */
static long clone_shared(struct child_start *start, uint64_t flags, int *pidfd) {
  flags |= CLONE_VM | CLONE_VFORK | CLONE_PIDFD | (host.relay ? 0 : CLONE_PARENT);
  if (host.legacy)
    return clone_legacy_onto(flags | CLONE_CHILD_SETTID, host.stack + STACK_GUARD + STACK_SIZE, pidfd,
                             &host.shared->child, child_main, start);
  struct clone3_args args = {
      .flags = flags | CLONE_CLEAR_SIGHAND | CLONE_PARENT_SETTID,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .parent_tid = (uint64_t)(uintptr_t)&host.shared->child,
      .stack = (uint64_t)(uintptr_t)(host.stack + STACK_GUARD),
      .stack_size = STACK_SIZE,
  };
  long into = start->contain != NULL && start->contain->cgroup >= 0 ? clone_into(start, &args) : -1;
  return into >= 0 ? into : clone3_onto(&args, child_main, start);
}

/* A fork: the child returns 0 here, with a copy of everything. */
static long clone_copy(uint64_t flags, int *pidfd) {
  /* Of a child that is to be another's the kernel sets the exit signal itself; a relay is to hear of its own. */
  uint64_t exit_signal = host.relay ? KERNEL_SIGCHLD : 0;
  flags |= CLONE_PIDFD | (host.relay ? 0 : CLONE_PARENT);
  if (host.legacy) {
    /* Its own copy of the memory: the child writes its number into the shared page all the same. */
    flags |= CLONE_CHILD_SETTID;
#if defined(__x86_64__)
    return raw(__NR_clone, flags | exit_signal, 0, pidfd, &host.shared->child, 0);
#else
    return raw(__NR_clone, flags | exit_signal, 0, pidfd, 0, &host.shared->child);
#endif
  }
  struct clone3_args args = {
      .flags = flags | CLONE_CLEAR_SIGHAND | CLONE_PARENT_SETTID,
      .exit_signal = exit_signal,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .parent_tid = (uint64_t)(uintptr_t)&host.shared->child,
  };
  return raw(__NR_clone3, &args, sizeof args);
}

static long wait_for(int pid, siginfo_t *info, int options) {
  long result;
  info->si_pid = 0;
  do result = raw(__NR_waitid, P_PID, pid, info, options, 0);
  while (result == -EINTR);
  return result;
}

/* Of a relay: whether the child has come through its exec. If not it is reaped, and `a` says how it was. The
 * same questions as came_through() of launch.c asks, which a client that is the parent asks by itself. */
static int relay_judge(struct host_answer *a, int pid) {
  siginfo_t info;
  int failed = a->report.phase == PROGRAM_PHASE_FAILED;
  if (!failed && a->report.phase == PROGRAM_PHASE_EXEC) {
    if (wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT | __WCLONE) != 0) return 1;
    if (wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0) return 1;
  }
  long result = wait_for(pid, &info, WEXITED | __WALL);
  a->outcome = HOST_REAPED;
  a->result = !failed && result == 0 && info.si_code != CLD_EXITED ? info.si_status : 0;
  return 0;
}

static int flags_error(const struct host_request *r) {
  if (r->clone_flags & ~HOST_NAMESPACES) return EINVAL;
  if (r->extra & ~(uint32_t)(HOST_CGROUP | HOST_MAPS | HOST_KEEPER)) return EINVAL;
  int keeps = r->keeper == HOST_KEEPS || (r->keeper == HOST_KEEPS_AS_INIT && (r->clone_flags & CLONE_NEWPID));
  return (r->extra & HOST_KEEPER) && !keeps ? EINVAL : 0;
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

/* ---- what contains a child ------------------------------------------------------------------------------- */

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

static struct {
  int init;
  int proc;
} keeping;

/* Runs in: the keeper, when it has its command. */
void become_keeper(int command) {
  if (raw(__NR_prctl, PR_GET_DUMPABLE) != host.dumpable) raw(__NR_prctl, PR_SET_DUMPABLE, host.dumpable);
  keeper_run(command, keeping.init, keeping.proc);
}

/* A /proc by which a keeper finds its children: the client's, or our own, where that is in another pid namespace. */
static int usable_proc(int given) {
  if (keeper_sees(given)) return given;
  long own = raw(__NR_openat, KERNEL_AT_FDCWD, "/proc", KERNEL_O_RDONLY | KERNEL_O_DIRECTORY | KERNEL_O_CLOEXEC, 0);
  if (own < 0) return -EXDEV;
  return keeper_sees((int)own) ? (int)own : -EXDEV;
}

/* Runs in: child, a fork of the host. It clones the command, and becomes its keeper. */
__attribute__((noreturn)) static void keeper_main(struct endpoint *e, struct child_containment *contain, int proc) {
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

/* Clones a copy of the host; the child returns 0 here. */
static long copy_begin(struct endpoint *e, int *pidfd) {
  *pidfd = -1;
  announce(e);
  yield_to_client(0);
  return clone_copy(request_of(e)->clone_flags, pidfd);
}

/* Answers with the copy, or with why there is none; closes its pidfd. Runs in: host. */
static void copy_answer(struct endpoint *e, long pid, int pidfd) {
  struct host_answer a = {.outcome = HOST_DONE};
  yield_to_client(1);
  if (pid < 0) pidfd = -1;
  fill_in(e, &a, pid);
  answer(e, &a, pidfd);
  host.shared->child = 0;
  if (pidfd >= 0) raw(__NR_close, pidfd);
}

/* The answer is about the keeper; what becomes of the command comes over its socket. */
static void spawn_kept(struct endpoint *e, struct child_containment *contain, int proc) {
  int pidfd;
  long pid = copy_begin(e, &pidfd);
  if (pid == 0) keeper_main(e, contain, proc);
  copy_answer(e, pid, pidfd);
}

static void spawn(struct endpoint *e) {
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
  yield_to_client(0);
  long pid = clone_shared(&start, request_of(e)->clone_flags, &pidfd);
  yield_to_client(1);
  /* set*id in a child that shares our memory resets this, and with it who owns our /proc. */
  if (raw(__NR_prctl, PR_GET_DUMPABLE) != host.dumpable) raw(__NR_prctl, PR_SET_DUMPABLE, host.dumpable);
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

static void serve(struct endpoint *e);

/* An embryo: a fork that has nothing of the host's but what a process inherits. Runs in: child. */
__attribute__((noreturn)) static void embryo_main(struct endpoint *e, int socket) {
  raw(__NR_close, e->socket);
  if (host.state_fd >= 0) raw(__NR_close, host.state_fd);
  host.state_fd = -1;
  e->socket = socket;
  e->embryo = 1;
  e->have = 0;
  e->have_fds = 0;
  e->open = 0;
  serve(e);
  for (;;) raw(__NR_exit_group, 127);
}

static void create(struct endpoint *e) {
  int pidfd = -1;
  int error = e->have != sizeof(struct host_request) || e->have_fds != 1 || request_of(e)->extra != 0 ? EBADMSG : 0;
  if (error == 0) error = flags_error(request_of(e));
  if (error != 0) {
    refuse(e, e->now.id, error);
    return;
  }
  long pid = copy_begin(e, &pidfd);
  if (pid == 0) {
    if (request_of(e)->clone_flags & CLONE_NEWPID) host.client = 0;
    embryo_main(e, fds_of(e)[0]);
  }
  copy_answer(e, pid, pidfd);
}

/* The page is mapped in place of the one of our own; not by a relay, see struct host_shared. */
static void hello(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_DONE, .result = (int)raw(__NR_getpid), .relayed = host.relay};
  long page = e->have_fds != 1 ? -EBADMSG
              : host.relay     ? 0
                               : raw(__NR_mmap, 0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fds_of(e)[0], 0);
  if (page < 0) {
    refuse(e, e->now.id, (int)-page);
    return;
  }
  if (!host.relay) host.shared = (struct host_shared *)page;
  answer(e, &a, -1);
}

/* Of a relay: ends a child that its client has no pidfd of. */
static void end(struct endpoint *e) {
  siginfo_t info;
  struct host_answer a = {.outcome = HOST_DONE};
  int pid = e->have == sizeof(struct host_request) ? request_of(e)->argument : 0;
  /* A child of ours that has not been waited for: the number is its own. */
  if (pid > 0 && wait_for(pid, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0) raw(__NR_kill, pid, SIGKILL);
  answer(e, &a, -1);
}

/* ---- an embryo's steps. runs in: the embryo --------------------------------------------------------------- */

/* The result that a step's user wants: of one that opens an fd, its number. */
static int32_t result_of(struct endpoint *e, long result) {
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

/* The fd stays open: it is the embryo's from now on. */
static void give(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_DONE};
  if (e->have_fds != 1) {
    refuse(e, e->now.id, EBADMSG);
    return;
  }
  a.result = fds_of(e)[0];
  e->have_fds = 0;
  answer(e, &a, -1);
}

static void take(struct endpoint *e) {
  struct host_answer a = {.outcome = HOST_DONE};
  int error = e->have != sizeof(struct host_request) ? EBADMSG : 0;
  int fd = error == 0 ? request_of(e)->argument : -1;
  /* A number that isn't open would make the sending fail, and the answer be lost. */
  if (error == 0 && raw(__NR_fcntl, fd, 1 /* F_GETFD */) < 0) error = EBADF;
  if (error == 0) answer(e, &a, fd);
  else refuse(e, e->now.id, error);
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

static void serve_one(struct endpoint *e) {
  int type = e->now.type;
  if (type == HOST_SPAWN && !e->embryo) spawn(e);
  else if (type == HOST_CREATE && !e->embryo) create(e);
  else if (type == HOST_HELLO && !e->embryo) hello(e);
  else if (type == HOST_END && !e->embryo && host.relay) end(e);
  else if (type == HOST_STEP && e->embryo) step(e, 0);
  else if (type == HOST_EXEC && e->embryo) step(e, 1);
  else if (type == HOST_GIVE && e->embryo) give(e);
  else if (type == HOST_TAKE && e->embryo) take(e);
  else refuse(e, e->now.id, ENOSYS);
  close_fds(e);
  e->have = 0;
}

static int64_t microseconds(const struct timeval *time) {
  return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

/* Of a relay: tells every change of a child. As a namespace's init it has adopted ones besides, which are
 * reaped and told of as any: the client knows those that it asked for. */
static void tell_states(const struct endpoint *e) {
  char drained[1024];
  while (raw(__NR_read, host.state_fd, drained, sizeof drained) > 0) {
  }
  for (;;) {
    siginfo_t info;
    struct rusage usage;
    info.si_pid = 0;
    long result = raw(__NR_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | __WALL, &usage);
    if (result == -EINTR) continue;
    if (result < 0 || info.si_pid == 0) return;
    struct host_state state = {
        .pid = info.si_pid,
        .code = info.si_code,
        .status = info.si_status,
        .uid = (int32_t)info.si_uid,
        .usage = {microseconds(&usage.ru_utime), microseconds(&usage.ru_stime), usage.ru_maxrss, usage.ru_minflt,
                  usage.ru_majflt, usage.ru_inblock, usage.ru_oublock, usage.ru_nvcsw, usage.ru_nivcsw},
    };
    send_packet(e, HOST_STATE, 0, &state, sizeof state, -1);
  }
}

static void serve(struct endpoint *e) {
  for (;;) {
    if (host.state_fd >= 0) {
      struct pollfd both[2] = {{e->socket, POLLIN, 0}, {host.state_fd, POLLIN, 0}};
      raw(__NR_ppoll, both, 2, 0, 0, 8);
      if (both[1].revents != 0) tell_states(e);
      if (both[0].revents == 0) continue;
    }
    int got = receive(e);
    if (got < 0) return;
    if (got > 0) serve_one(e);
  }
}

static int equal(const char *a, const char *b) {
  while (*a != 0 && *a == *b) a++, b++;
  return *a == *b;
}

static int number_of(const char *text) {
  int value = 0;
  for (; *text >= '0' && *text <= '9'; text++) value = value * 10 + (*text - '0');
  return value;
}

/* Words after the name: "clone" (the legacy call), "relay", "client" and its pid. */
static int host_main(int argc, char **argv) {
  static struct endpoint endpoint = {.socket = HOST_SOCKET};
  uint64_t all = ~0ull, child = 1ull << (KERNEL_SIGCHLD - 1);
  raw(__NR_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
  raw(__NR_prctl, PR_SET_NAME, "brood-host", 0, 0, 0);
  host.client = (int)raw(__NR_getppid);
  host.dumpable = raw(__NR_prctl, PR_GET_DUMPABLE);
  host.peak = peak_at_start();
  host.shared = &host.no_shared;
  host.yields = raw(__NR_sched_getscheduler, 0) == SCHED_OTHER;
  yield_to_client(1);
  for (int i = 1; i < argc; i++) {
    if (equal(argv[i], "clone")) host.legacy = 1;
    if (equal(argv[i], "relay")) host.relay = 1;
    /* Its parent is a keeper, and its client is not: by its number here, 0 in an outer pid namespace. */
    if (equal(argv[i], "client") && i + 1 < argc) host.client = number_of(argv[++i]);
  }
  /* A namespace's init can't give its children away: clone(2), EINVAL. */
  if (raw(__NR_getpid) == 1) host.relay = 1;
  if (raw(__NR_fcntl, HOST_SOCKET, KERNEL_F_SETFD, 1 /* FD_CLOEXEC */) < 0) return 2;
  if (host.relay) {
    host.state_fd = (int)raw(__NR_signalfd4, -1, &child, sizeof child, KERNEL_SFD_CLOEXEC | KERNEL_SFD_NONBLOCK);
    if (host.state_fd < 0) return 3;
  }
  long stack = raw(__NR_mmap, 0, STACK_GUARD + STACK_SIZE, PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  if (stack < 0 || raw(__NR_mprotect, stack + STACK_GUARD, STACK_SIZE, PROT_READ | PROT_WRITE) < 0) return 3;
  host.stack = (char *)stack;
  serve(&endpoint);
  return 0;
}

#ifdef BROOD_HOSTED

int main(int argc, char **argv) { return host_main(argc, argv); }

#else

/* The kernel leaves argc and argv on the stack. */
__attribute__((noreturn, used)) static void host_start(long *stack) {
  int status = host_main((int)stack[0], (char **)(stack + 1));
  for (;;) raw(__NR_exit_group, status);
}

#if defined(__x86_64__)
__asm__(
    ".globl _start\n_start:\n\t"
    "xor %ebp, %ebp\n\t"
    "mov %rsp, %rdi\n\t"
    "and $-16, %rsp\n\t"
    "call host_start\n\t"
    "hlt\n");
#elif defined(__aarch64__)
__asm__(
    ".globl _start\n_start:\n\t"
    "mov x29, xzr\n\t"
    "mov x30, xzr\n\t"
    "mov x0, sp\n\t"
    "bl host_start\n\t"
    "brk #0\n");
#endif

#endif
