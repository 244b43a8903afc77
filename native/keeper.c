/*
 * The keeper: the parent of a command, as a process of our own, in one of two roles.
 *
 *   keep   a subreaper: every descendant of the command that loses its own parent becomes its child: by double fork, by
 *          setsid, by the death of whoever started it. What it is told to end, it ends by killing its children until it
 *          has none: the children of those become its own.
 *   init   the same as pid 1 of a pid namespace, where everything can be reached by one call, and where the kernel
 *          ends everything when it is gone.
 *
 * In each it ends everything when the other end of its socket is closed: the parent's death, by whatever cause.
 * It has every signal blocked. keeper.h has what is said.
 *
 * It is a part of two programs: brood-keeper (keeper_start.c), which a child of ours executes, and the spawn host, of which
 * it is a fork (host_keeper.c) that starts its commands itself, one after the other. Freestanding.
 *
 * Linux 5.4: pidfd_open(2) (5.3); /proc/PID/task/TID/children (CONFIG_PROC_CHILDREN), else /proc is searched.
 */
#include "keeper.h"
#include "keeper_calls.h"

static struct {
  int socket;
  int proc;    /* an fd of /proc */
  int signals; /* a signalfd for SIGCHLD */
} fds;
static int command; /* its pid, 0 when it has been reaped */
static int is_init;
static int killing;
static int parent_gone;
static struct keeper_note last; /* of the command's end, and EMPTY after it if something was left */
static int last_pending;
static int starved; /* there was no memory for what was said last: no event tells when there is */
static int refused; /* in this sweep: a process that may not be signalled */
static int hit;     /* one that may */

static int say(const struct keeper_note *note) {
  if (parent_gone) return 1;
  long n = raw(__NR_sendto, fds.socket, note, sizeof *note, MSG_DONTWAIT | MSG_NOSIGNAL, 0, 0);
  starved = n == -ENOBUFS || n == -ENOMEM;
  return n != -EAGAIN && !starved;
}

static void note_result(long result) {
  if (result == -EPERM) refused = 1;
  else hit = 1;
}

#define DEEPEST 24

/* What is gone through: the children of a process. */
struct sweep {
  int parent;
  int parent_pidfd;
  int depth;
};
static int listed; /* in this sweep: /proc lists the children of each process */

static void sweep_children(int parent, int parent_pidfd, int depth);

static long open_in_proc(const char *path, int flags) {
  return raw(__NR_openat, fds.proc, path, flags | O_CLOEXEC, 0);
}

/* proc(5), field 4 of /proc/PID/stat; 0: there is no such process. */
static long parent_of(int pid) {
  char path[32], text[256];
  put_text(put_number(path, pid), "/stat");
  long fd = open_in_proc(path, O_RDONLY);
  if (fd < 0) return 0;
  long n = raw(__NR_read, fd, text, sizeof text - 1);
  raw(__NR_close, fd);
  long end = n;
  while (end > 0 && text[end - 1] != ')') end--; /* the name before it may hold anything */
  if (n <= 0 || end == 0 || end + 3 >= n) return 0;
  text[n] = 0;
  return parse(text + end + 3);
}

/* One process below us. A direct child's number is its own until we reap it. Any other may be reaped, and its number
 * be another's, at any time: it is held by its pidfd, and then looked at again, before it is signalled. So is its parent,
 * whose number is its own as long as it can be signalled. */
static void sweep_one(int pid, int parent, int parent_pidfd, int depth) {
  int pidfd = -1;
  if (depth > 0) {
    pidfd = (int)raw(__NR_pidfd_open, pid, 0);
    if (pidfd < 0) return; /* it becomes a child of ours when its parent has ended */
    if (parent_of(pid) != parent ||
        (parent_pidfd >= 0 && raw(__NR_pidfd_send_signal, parent_pidfd, 0, 0, 0) == -ESRCH)) {
      raw(__NR_close, pidfd);
      return;
    }
  }
  /* It can't fork any more from here on: a fork of a process that is being killed fails. */
  note_result(depth > 0 ? raw(__NR_pidfd_send_signal, pidfd, SIGKILL, 0, 0)
                        : raw(__NR_kill, pid, SIGKILL));
  if (depth < DEEPEST) sweep_children(pid, pidfd, depth + 1);
  if (pidfd >= 0) raw(__NR_close, pidfd);
}

/* Goes through the numbers that `directory` has entries of. */
static void each_number(long directory, void (*visit)(long number, const struct sweep *sweep),
                        const struct sweep *sweep) {
  char entries[1024] __attribute__((aligned(8)));
  long n;
  while ((n = raw(__NR_getdents64, directory, entries, sizeof entries)) > 0) {
    for (long at = 0; at < n;) {
      const char *name = entries + at + 19;
      at += *(uint16_t *)(entries + at + 16);
      if (*name >= '0' && *name <= '9') visit(parse(name), sweep);
    }
  }
}

/* The children that one thread has. The kernel lists them as they are meanwhile: what is missed is found by a later
 * sweep. */
static void sweep_thread(long thread, const struct sweep *sweep) {
  char path[64], numbers[1024];
  put_text(put_number(put_text(put_number(path, sweep->parent), "/task/"), thread), "/children");
  long file = open_in_proc(path, O_RDONLY), size, pid = 0;
  if (file < 0) return;
  while ((size = raw(__NR_read, file, numbers, sizeof numbers)) > 0) {
    for (long i = 0; i < size; i++) {
      if (numbers[i] >= '0' && numbers[i] <= '9') {
        pid = pid * 10 + (numbers[i] - '0');
      } else if (pid > 0) {
        sweep_one((int)pid, sweep->parent, sweep->parent_pidfd, sweep->depth);
        pid = 0;
      }
    }
  }
  raw(__NR_close, file);
}

static void sweep_if_child(long pid, const struct sweep *sweep) {
  if (parent_of((int)pid) == sweep->parent) sweep_one((int)pid, sweep->parent, sweep->parent_pidfd, sweep->depth);
}

/* Whether the kernel lists children at all: CONFIG_PROC_CHILDREN. Asked of ourselves, who are there. */
static int lists_children(void) {
  char path[64];
  long self = raw(__NR_getpid);
  put_text(put_number(put_text(put_number(path, self), "/task/"), self), "/children");
  long file = open_in_proc(path, O_RDONLY);
  if (file >= 0) raw(__NR_close, file);
  return file >= 0;
}

static void sweep_children(int parent, int parent_pidfd, int depth) {
  struct sweep sweep;
  char path[32];
  sweep.parent = parent;
  sweep.parent_pidfd = parent_pidfd;
  sweep.depth = depth;
  if (listed) put_text(put_number(path, parent), "/task");
  else put_text(path, ".");
  long directory = open_in_proc(path, O_RDONLY | O_DIRECTORY);
  if (directory < 0) return;
  each_number(directory, listed ? sweep_thread : sweep_if_child, &sweep);
  raw(__NR_close, directory);
}

/* The /proc of another pid namespace has other numbers than those that signals take. */
int keeper_sees(int proc) {
  char self[16];
  long n = raw(__NR_readlinkat, proc, "self", self, sizeof self - 1);
  if (n <= 0) return 0;
  self[n] = 0;
  return parse(self) == raw(__NR_getpid);
}

static void sweep(void) {
  refused = hit = 0;
  if (is_init) {
    raw(__NR_kill, -1, SIGKILL);
    return;
  }
  listed = lists_children();
  if (keeper_sees(fds.proc)) sweep_children((int)raw(__NR_getpid), -1, 0);
  else if (command != 0) note_result(raw(__NR_kill, command, SIGKILL)); /* it has not been reaped */
  else refused = 1;
}

static void fill_usage(struct keeper_note *note, const struct usage *usage) {
  note->usage[0] = usage->user.seconds * 1000000 + usage->user.nanoseconds; /* microseconds, in a timeval */
  note->usage[1] = usage->system.seconds * 1000000 + usage->system.nanoseconds;
  note->usage[2] = usage->maxrss;
  note->usage[3] = usage->minflt;
  note->usage[4] = usage->majflt;
  note->usage[5] = usage->inblock;
  note->usage[6] = usage->oublock;
  note->usage[7] = usage->nvcsw;
  note->usage[8] = usage->nivcsw;
}

/* Takes every change of state that there is. Returns 0 when no child is left. */
static int reap(void) {
  struct child_info info;
  struct usage usage;
  struct keeper_note note;
  int left;
  for (;;) {
    info.pid = 0;
    long error = raw(__NR_waitid, P_ALL, 0, &info, WEXITED | WSTOPPED | WCONTINUED | WNOHANG | WALL, &usage);
    if (error == -EINTR) continue;
    left = error == 0;
    if (error != 0 || info.pid == 0) break;
    note.pid = info.pid;
    note.code = info.code;
    note.status = info.status;
    note.uid = info.uid;
    note.left = 0;
    if (info.pid != command) {
      if (!killing || info.code != CLD_KILLED || info.status != SIGKILL) continue;
      note.type = KEEPER_ENDED;
      say(&note); /* if there is no room for it: it is only told */
    } else if (info.code > CLD_DUMPED) {
      note.type = KEEPER_STATE;
      say(&note);
    } else {
      note.type = KEEPER_EXIT;
      fill_usage(&note, &usage);
      last = note;
      last_pending = 1;
      command = 0;
    }
  }
  if (last_pending && last.type == KEEPER_EXIT) last.left = left;
  if (!last_pending && command == 0 && !left && last.left) {
    last.type = KEEPER_EMPTY;
    last.left = 0;
    last_pending = 1;
  }
  if (last_pending) last_pending = !say(&last);
  return left;
}

static void take_orders(void) {
  for (;;) {
    char order;
    long n = raw(__NR_recvfrom, fds.socket, &order, 1, MSG_DONTWAIT, 0, 0);
    if (n == -EINTR) continue;
    if (n == -EAGAIN) return;
    if (n <= 0) {
      parent_gone = killing = 1;
      return;
    }
    if (order == KEEPER_RELEASE) leave();
    if (order == KEEPER_KILL) killing = 1;
  }
}

/* What is left may not be signalled, and nobody is there to be told: after so many sweeps it is left alone. */
#define MOST_VAIN_SWEEPS 100

int keeper_begin(int socket, int proc, int init) {
  uint64_t mask = 1ull << (SIGCHLD - 1);
  uint64_t action[4] = {0, 0, 0, 0}, before[4] = {0, 0, 0, 0};
  /* Where it is ignored, children would be reaped without us. */
  raw(__NR_rt_sigaction, SIGCHLD, action, before, 8);
  fds.socket = socket;
  fds.proc = proc;
  fds.signals = (int)raw(__NR_signalfd4, -1, &mask, 8, O_CLOEXEC | 04000 /* SFD_NONBLOCK */);
  is_init = init;
  return before[0] == 1 /* SIG_IGN */;
}

void keeper_forget(void) {
  raw(__NR_close, fds.proc);
  raw(__NR_close, fds.signals);
}

void keeper_await_go(void) {
  char order;
  long n;
  do n = raw(__NR_read, fds.socket, &order, 1);
  while (n == -EINTR);
  if (n <= 0) leave();
}

void keeper_keep(int pid, int pidfd) {
  enum { SOCKET, SIGNALS, COMMAND, EVENTS };
  struct poll_fd events[EVENTS];
  int vain = 0;
  command = pid;
  killing = last_pending = last.left = 0;
  events[SOCKET].revents = events[SIGNALS].revents = events[COMMAND].revents = 0;
  events[SIGNALS].fd = fds.signals;
  events[SIGNALS].events = events[COMMAND].events = POLLIN;
  for (;;) {
    char signals[512]; /* there is one SIGCHLD at most */
    if (events[SIGNALS].revents != 0) raw(__NR_read, fds.signals, signals, sizeof signals);
    if (events[SOCKET].revents & ~POLLOUT) take_orders();
    /* pid 1 takes everything along. */
    if (parent_gone && is_init) leave();
    int left = reap();
    if (!left && !last_pending) {
      if (command != 0) leave(); /* somebody else has reaped it: our end says that nothing is known */
      return;
    }
    long pause = fds.signals < 0 ? 10 : -1;
    if (killing && left) {
      sweep();
      /* Those that were children of children are ours when their parents have been reaped by nobody: again. */
      vain = refused && !hit ? vain + 1 : 0;
      if (vain > MOST_VAIN_SWEEPS && parent_gone) leave();
      pause = vain > 0 ? 10 + vain : 5;
    }
    if (last_pending && starved && pause < 0) pause = 10;
    events[SOCKET].fd = parent_gone ? -1 : fds.socket;
    events[SOCKET].events = last_pending && !starved ? POLLIN | POLLOUT : POLLIN;
    /* It has ended, and whoever traces it is told first. */
    int traced = command != 0 && events[COMMAND].revents != 0;
    if (traced && pause < 0) pause = 10;
    events[COMMAND].fd = command == 0 || traced ? -1 : pidfd;
    wait_for(events, EVENTS, pause);
  }
}

void keeper_run(int pid, int init) {
  /* Anywhere else "everyone" would be everyone. */
  if (init && raw(__NR_getpid) != 1)
    for (;;) raw(__NR_exit_group, 2);
  settle_in(KEEPER_SOCKET + 1);
  keeper_begin(KEEPER_SOCKET, (int)raw(__NR_openat, AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0), init);
  if (init) keeper_await_go();
  /* Until its exec the command has no exit signal: that it was killed before no SIGCHLD tells. */
  keeper_keep(pid, (int)raw(__NR_pidfd_open, pid, 0));
  leave();
}
