/*
 * The spawn host: a small process that makes processes for its client, the process that started it.
 *
 * It serves the requests of host.h from the socket that is its fd 3. What it starts has the *client* as
 * its parent (CLONE_PARENT): the client waits for it, signals it, reaps it; the host only lends what a child
 * starts from (user, directory, limits, namespaces ...), its small memory and its short table of fds. Where
 * that can't work, since the host is a pid namespace's init, or where it is told to ("relay"), it is the
 * parent itself, and reports each change of state over the socket.
 *
 * A keeper (keeper.h) is a copy of it, with a socket of its own, that clones commands and keeps each.
 *
 * It must not do anything that wasn't asked for, nor outlive its client: the end of its socket is its end. It
 * has no policy and keeps no state between requests. All signals but SIGKILL and SIGSTOP stay blocked, as they
 * have to be around a clone anyway: what a terminal sends to the process group is not meant for it.
 *
 * Freestanding: no libc, raw system calls, its own start; some KB, so that starting it and cloning from it are
 * cheap. With -DBROOD_HOSTED it is an ordinary program, for sanitizers. Runs in: a process of its own, with
 * one thread. An embryo (CREATE) is a fork of it that serves steps on a socket of its own.
 *
 * clone(2), unix(7), recvmsg(2), execveat(2).
 */
#include "host_program.h"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define PAGE 4096 /* at least of this size: all that is shared lies in it */

struct host_process host = {.state_fd = -1};

/* The page is mapped in place of the one of our own; not by a relay, see struct host_shared. */
static void serve_hello(struct endpoint *e) {
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

/* Who serves what. */
static void serve_one(struct endpoint *e) {
  static const struct {
    void (*serve)(struct endpoint *);
    int by; /* enum host_role, any of them */
  } requests[] = {
      [HOST_HELLO] = {serve_hello, HOST_ITSELF | HOST_RELAY},
      [HOST_SPAWN] = {serve_spawn, HOST_ITSELF | HOST_RELAY | HOST_KEEPS_COMMANDS},
      [HOST_CREATE] = {serve_create, HOST_ITSELF | HOST_RELAY | HOST_KEEPS_COMMANDS},
      [HOST_END] = {serve_end, HOST_RELAY},
      [HOST_STEP] = {serve_step, HOST_EMBRYO},
      [HOST_EXEC] = {serve_exec, HOST_EMBRYO},
      [HOST_GIVE] = {serve_give, HOST_EMBRYO},
      [HOST_TAKE] = {serve_take, HOST_EMBRYO},
  };
  unsigned type = e->now.type;
  if (type < sizeof requests / sizeof *requests && (requests[type].by & e->role)) requests[type].serve(e);
  else refuse(e, e->now.id, ENOSYS);
  close_fds(e);
  e->have = 0;
}

/* Sleeps until there is a packet, which it reads, or, of a relay, a change of a child. */
static enum received sleep_for_more(struct endpoint *e) {
  enum received got = RECEIVED_NOTHING;
  struct pollfd both[2] = {{e->socket, POLLIN, 0}, {host.state_fd, POLLIN, 0}};
  yield_to_client(1);
  if (host.state_fd < 0) got = receive(e, 0);
  else raw(__NR_ppoll, both, 2, 0, 0, 8);
  yield_to_client(0);
  return got;
}

void serve(struct endpoint *e) {
  for (;;) {
    if (host.state_fd >= 0) tell_states(e);
    /* Requests that wait are served one after the other, without a sleep and what goes with it. */
    enum received got = receive(e, MSG_DONTWAIT);
    if (got == RECEIVED_NOTHING) got = sleep_for_more(e);
    if (got == RECEIVED_END) return;
    if (got != RECEIVED_WHOLE) continue;
    serve_one(e);
    if (host.kept > 0) keep_served();
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
  uint64_t all = ~0ull;
  raw(__NR_rt_sigprocmask, SIG_SETMASK, &all, 0, sizeof all);
  raw(__NR_prctl, PR_SET_NAME, "brood-host", 0, 0, 0);
  host.client = (int)raw(__NR_getppid);
  host.dumpable = raw(__NR_prctl, PR_GET_DUMPABLE);
  host.peak = peak_at_start();
  host.shared = &host.no_shared;
  host.yields = raw(__NR_sched_getscheduler, 0) == SCHED_OTHER;
  for (int i = 1; i < argc; i++) {
    if (equal(argv[i], "clone")) host.legacy = 1;
    if (equal(argv[i], "relay")) host.relay = 1;
    /* Its parent is a keeper, and its client is not: by its number here, 0 in an outer pid namespace. */
    if (equal(argv[i], "client") && i + 1 < argc) host.client = number_of(argv[++i]);
  }
  /* A namespace's init can't give its children away: clone(2), EINVAL. */
  if (raw(__NR_getpid) == 1) host.relay = 1;
  if (raw(__NR_fcntl, HOST_SOCKET, KERNEL_F_SETFD, 1 /* FD_CLOEXEC */) < 0) return 2;
  endpoint.role = host.relay ? HOST_RELAY : HOST_ITSELF;
  if (host.relay && relay_begin() < 0) return 3;
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
