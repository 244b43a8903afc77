/*
 * The floor: what each row costs in C with no library and no language above it. One thread, one epoll set,
 * a pidfd for each child, clone3 with the parent's memory shared until exec. The same shape as the other
 * contestants: the children get the same fds, signals and limits, exits and bytes come through the event loop.
 *
 *   contestant TASK KEY=VALUE...      prints one line of JSON
 *
 * See ../contestants/javascript.mjs for the tasks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifndef CLONE_CLEAR_SIGHAND
#define CLONE_CLEAR_SIGHAND 0x100000000ULL
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif
#define CLOSE_ON_EXEC 4u /* CLOSE_RANGE_CLOEXEC */
#define BLOCK 65536
#define MOST_AT_ONCE 100
#define VICTIMS 50
#define BATCHES 10
#define SETTLE_MS 300
#define MIB (1L << 20)

extern char **environ;
static int argc_;
static char **argv_;
static char block[4 * BLOCK];
/* Where chunks are kept that somebody may have for ever: none of it is in a cache when its turn comes again. */
#define LINE 64
static char kept[32 * MIB] __attribute__((aligned(LINE)));

static void die(const char *what) {
  perror(what);
  exit(1);
}

static const char *word(const char *key, const char *otherwise) {
  size_t length = strlen(key);
  for (int i = 2; i < argc_; i++)
    if (strncmp(argv_[i], key, length) == 0 && argv_[i][length] == '=') return argv_[i] + length + 1;
  return otherwise;
}

static long number(const char *key, long otherwise) {
  const char *text = word(key, NULL);
  return text == NULL ? otherwise : atol(text);
}

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static double cpu_us(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e6 + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

/* ---- spawning ------------------------------------------------------------------------------------ */

static long raw(long number, long a, long b, long c) {
#if defined(__x86_64__)
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(0L) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2) : "memory");
  return x0;
#endif
}

static long raw4(long number, long a, long b, long c, long d) {
#if defined(__x86_64__)
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10) : "rcx", "r11", "memory");
  return result;
#elif defined(__aarch64__)
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
#endif
}

/* Starts a child whose fd i is fds[i], or the null device where that is -1. The child runs on our stack, below this
 * frame, and leaves it by exec or exit. */
__attribute__((noinline)) static pid_t start(const char *const *argv, const int fds[3], int *pidfd) {
  uint64_t all = ~0ull, none = 0, mask;
  struct clone_args args = {
      .flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | CLONE_CLEAR_SIGHAND,
      .pidfd = (uint64_t)(uintptr_t)pidfd,
      .exit_signal = SIGCHLD,
  };
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, &mask, sizeof all);
  long pid = raw(SYS_clone3, (long)&args, sizeof args, 0);
  if (pid == 0) {
    long null = -1;
    for (int i = 0; i < 3; i++) {
      long source = fds[i];
      if (source < 0) {
        if (null < 0) null = raw4(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDWR | O_CLOEXEC, 0);
        source = null;
      }
      raw(SYS_dup3, source, i, 0);
    }
    raw(SYS_close_range, 3, ~0u, CLOSE_ON_EXEC);
    raw4(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, sizeof none);
    raw(SYS_execve, (long)argv[0], (long)argv, (long)environ);
    for (;;) raw(SYS_exit, 127, 0, 0);
  }
  syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, sizeof mask);
  if (pid < 0) {
    errno = (int)-pid;
    die("clone3");
  }
  return (pid_t)pid;
}

enum { WE_READ, WE_WRITE };

/* Makes both ends; ours is non-blocking. */
static int channel(const char *kind, int direction, int *ours) {
  int pair[2], mine = direction == WE_READ ? 0 : 1;
  int result = strcmp(kind, "socket") == 0 ? socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) : pipe2(pair, O_CLOEXEC);
  if (result != 0) die("pipe");
  if (strcmp(kind, "pipe1m") == 0 && fcntl(pair[0], F_SETPIPE_SZ, MIB) < 0) die("F_SETPIPE_SZ");
  /* What others grow to when they find it full. */
  if (strcmp(kind, "grows") == 0 && fcntl(pair[0], F_SETPIPE_SZ, MIB / 2) < 0) die("F_SETPIPE_SZ");
  /* What brood asks for: so much may be written before the other side has read. */
  int size = MIB;
  if (strcmp(kind, "socket") == 0) setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  fcntl(pair[mine], F_SETFL, O_NONBLOCK);
  *ours = pair[mine];
  return pair[1 - mine];
}

/* ---- the event loop ------------------------------------------------------------------------------- */

struct child {
  int fds[3]; /* [0] the pidfd, [1] and [2] our ends of its output */
  int open;
};

static struct child children[MOST_AT_ONCE];
static int epoll, live;

static void watch(int fd, uint64_t key) {
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = key};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
}

/* A child that is on its way through exec may hold a copy of the fd, and keep it in the set. */
static void unwatch(int fd) {
  epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
  close(fd);
}

static void reap(int pidfd) {
  siginfo_t info;
  struct rusage usage;
  if (syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED, &usage) != 0) die("waitid");
  unwatch(pidfd);
}

static void start_watched(const char *file, int slot, int pipes) {
  const char *argv[] = {file, NULL};
  struct child *child = &children[slot];
  int ends[3] = {-1, -1, -1}, ours[3];
  if (pipes)
    for (int i = 0; i < 3; i++) ends[i] = channel("pipe64", i == 0 ? WE_WRITE : WE_READ, &ours[i]);
  start(argv, ends, &child->fds[0]);
  child->open = 1;
  watch(child->fds[0], (uint64_t)slot * 4);
  if (pipes) {
    for (int i = 0; i < 3; i++) close(ends[i]);
    close(ours[0]);
    for (int i = 1; i < 3; i++) {
      child->fds[i] = ours[i];
      watch(ours[i], (uint64_t)slot * 4 + (uint64_t)i);
      child->open++;
    }
  }
  live++;
}

/* Until all children that are watched are over: reaped, and read to the end. */
static void settle(void) {
  while (live > 0) {
    struct epoll_event events[192];
    int n = epoll_wait(epoll, events, 192, -1);
    for (int i = 0; i < n; i++) {
      struct child *child = &children[events[i].data.u64 / 4];
      int which = (int)(events[i].data.u64 % 4);
      if (which == 0) reap(child->fds[0]);
      else if (read(child->fds[which], block, sizeof block) == 0) unwatch(child->fds[which]);
      else continue;
      if (--child->open == 0) live--;
    }
  }
}

/* ---- tasks ---------------------------------------------------------------------------------------- */

static const char *file;

/* Microseconds of one `round`, over so many milliseconds. */
static double lasting(long ms, void (*round)(void)) {
  double begin = now_us(), end = begin + (double)ms * 1e3, n = 0;
  do {
    round();
    n++;
  } while (now_us() < end);
  return (now_us() - begin) / n;
}

/* The same, after warm-up. */
static double timed(void (*round)(void)) {
  lasting(number("warm", 100), round);
  return lasting(number("ms", 200), round);
}

/* The steps=1,2,3 of the command line, one at each call; -1 after the last. */
static long next_step(void) {
  static const char *rest;
  if (rest == NULL) rest = word("steps", "0");
  if (*rest == 0) return -1;
  char *end;
  long step = strtol(rest, &end, 10);
  rest = *end == ',' ? end + 1 : end;
  return step;
}

/* One number of the line of JSON. */
static void put(const char *name, long step, double value) {
  static int any;
  printf(any++ ? ", " : "{");
  if (step < 0) printf("\"%s\": %.3f", name, value);
  else printf("\"%s%ld\": %.3f", name, step, value);
}

static int pipes;

static void exit_one(void) {
  start_watched(file, 0, pipes);
  settle();
}

static void exit_hundred(void) {
  for (int i = 0; i < MOST_AT_ONCE; i++) start_watched(file, i, pipes);
  settle();
}

static void task_exit(void) {
  pipes = strcmp(word("stdio", "ignore"), "pipe") == 0;
  put("one", -1, timed(exit_one));
  put("hundred", -1, lasting(number("ms", 200), exit_hundred) / MOST_AT_ONCE);
}

/* How long each spawn has taken: by the clock, and without the time in which others had the CPU. What comes after so many is not kept. */
#define MOST_SPAWNS (1 << 16)
static double in_spawn[MOST_SPAWNS], own[MOST_SPAWNS];
static long spawned;

static int less(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double median(double *values, long count) {
  qsort(values, (size_t)count, sizeof *values, less);
  return values[count / 2];
}

/* How long we have been ready to go on, and others had the CPU. */
static double waited_us(void) {
  static int fd = -1;
  char text[80], *next;
  if (fd < 0 && (fd = open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC)) < 0) die("schedstat");
  ssize_t n = pread(fd, text, sizeof text - 1, 0);
  if (n <= 0) die("schedstat");
  text[n] = 0;
  strtoull(text, &next, 10);
  return (double)strtoull(next, NULL, 10) / 1e3;
}

static void blocked_round(void) {
  double waited = waited_us(), begin = now_us();
  start_watched(file, 0, pipes);
  double us = now_us() - begin;
  double of_others = waited_us() - waited;
  if (spawned < MOST_SPAWNS) {
    in_spawn[spawned] = us;
    own[spawned++] = us > of_others ? us - of_others : 0;
  }
  settle();
}

static void occupy(long mib) {
  if (mib == 0) return;
  char *memory = mmap(NULL, (size_t)(mib * MIB), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) die("mmap");
  memset(memory, 1, (size_t)(mib * MIB));
}

static void task_blocked(void) {
  pipes = strcmp(word("stdio", "ignore"), "pipe") == 0;
  int fds = strcmp(word("what", "memory"), "fds") == 0;
  long held = 0;
  lasting(number("warm", 100), blocked_round);
  for (long step; (step = next_step()) >= 0;) {
    for (; held < step; held++)
      if (!fds) occupy(1);
      else if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0) die("open");
    usleep(SETTLE_MS * 1000);
    lasting(SETTLE_MS, blocked_round);
    spawned = 0;
    lasting(number("ms", 200), blocked_round);
    put("us", step, median(in_spawn, spawned));
    put("own", step, median(own, spawned));
  }
}

static void expect(int fd, const char *line) {
  char said[32];
  ssize_t n = read(fd, said, sizeof said - 1);
  said[n < 0 ? 0 : n] = 0;
  if (strncmp(said, line, strlen(line)) != 0) {
    fprintf(stderr, "the lease's holder said \"%s\", not \"%s\"\n", said, line);
    exit(1);
  }
}

/* A copy of the child, the opening of which takes so long: see test/children/lease.c. */
static void task_slow(void) {
  const char *slow = word("copy", NULL), *argv[] = {word("lease", NULL), slow, word("delay", "20"), NULL};
  int say, hear, pidfd, ends[3] = {channel("pipe64", WE_WRITE, &say), channel("pipe64", WE_READ, &hear), -1};
  start(argv, ends, &pidfd);
  fcntl(hear, F_SETFL, 0);
  file = slow;
  long rounds = number("rounds", 10);
  for (long i = 0; i < rounds; i++) {
    if (write(say, "t", 1) != 1) die("write");
    expect(hear, "held");
    blocked_round();
    expect(hear, "asked");
  }
  put("us", -1, median(in_spawn, spawned));
}

/* Starts a child that stays. Returns its pidfd, which is in the epoll set. */
static int start_idle(uint64_t key) {
  const char *argv[] = {file, "idle", NULL};
  const int ends[3] = {-1, -1, -1};
  int pidfd;
  start(argv, ends, &pidfd);
  watch(pidfd, key);
  return pidfd;
}

/* What the process holds while it does its task. */
static void burden(void) {
  occupy(number("resident", 0));
  for (long others = number("others", 0); others > 0; others--) start_idle(~0ull);
}

static void end_victims(long alive, double *wall, double *cpu) {
  for (int i = 0; i < VICTIMS; i++) {
    children[i].fds[0] = start_idle((uint64_t)i * 4);
    children[i].open = 1;
  }
  usleep((useconds_t)(50000 + alive * 20));
  *wall = now_us();
  *cpu = cpu_us();
  for (int i = 0; i < VICTIMS; i++) {
    if (syscall(SYS_pidfd_send_signal, children[i].fds[0], SIGKILL, NULL, 0) != 0) die("pidfd_send_signal");
    live = 1;
    settle();
  }
  *wall = (now_us() - *wall) / VICTIMS;
  *cpu = (cpu_us() - *cpu) / VICTIMS;
}

static void task_alive(void) {
  long held = 0;
  for (long step; (step = next_step()) >= 0;) {
    for (; held < step; held++) start_idle(~0ull);
    double walls[BATCHES], cpus[BATCHES];
    end_victims(step, walls, cpus);
    for (int i = 0; i < BATCHES; i++) end_victims(step, &walls[i], &cpus[i]);
    put("wall", step, median(walls, BATCHES));
    put("cpu", step, median(cpus, BATCHES));
    put("whole", step, lasting(number("ms", 200), exit_one));
  }
}

static void wait_for(int fd, short events) {
  struct pollfd poll_fd = {.fd = fd, .events = events};
  poll(&poll_fd, 1, -1);
}

static double receive(long mib) {
  char digits[24];
  snprintf(digits, sizeof digits, "%ld", mib);
  const char *argv[] = {file, "give", digits, NULL};
  int ours, pidfd, ends[3] = {-1, channel(word("kind", "pipe64"), WE_READ, &ours), -1};
  double begin = now_us();
  start(argv, ends, &pidfd);
  close(ends[1]);
  long total = 0;
  size_t room = (size_t)number("kept", 0) * MIB, at = 0;
  for (;;) {
    if (at + sizeof block > room) at = 0;
    ssize_t n = read(ours, room == 0 ? block : kept + at, sizeof block);
    if (n == 0) break;
    if (n > 0) {
      total += n;
      at += ((size_t)n + LINE - 1) / LINE * LINE;
    }
    else if (errno == EAGAIN) wait_for(ours, POLLIN);
    else die("read");
  }
  double end = now_us();
  close(ours);
  reap(pidfd);
  if (total != mib * MIB) exit(1);
  return end - begin;
}

static double send_all(long mib) {
  const char *argv[] = {file, "take", NULL};
  int ours, pidfd, ends[3] = {channel(word("kind", "pipe64"), WE_WRITE, &ours), -1, -1};
  double begin = now_us();
  start(argv, ends, &pidfd);
  close(ends[0]);
  for (long left = mib * MIB; left > 0;) {
    ssize_t n = write(ours, block, BLOCK);
    if (n > 0) left -= n;
    else if (errno == EAGAIN) wait_for(ours, POLLOUT);
    else die("write");
  }
  close(ours);
  wait_for(pidfd, POLLIN);
  double end = now_us();
  reap(pidfd);
  return end - begin;
}

#define MOVES 5

static void throughput(double (*move)(long)) {
  long mib = number("mib", 256);
  memset(block, 1, sizeof block);
  move(512);
  double rates[MOVES];
  for (int i = 0; i < MOVES; i++) rates[i] = (double)(mib * MIB) / move(mib) / 1e3;
  put("gbps", -1, median(rates, MOVES));
}

static void task_receive(void) { throughput(receive); }
static void task_send(void) { throughput(send_all); }

/* Runs a command and keeps all its output: fds 1 and 2 are pipes. Returns how many bytes came on fd 1. */
static size_t capture(const char *const *argv) {
  struct {
    char *bytes;
    size_t size, room;
    int fd;
  } outputs[2] = {{0}, {0}};
  int pidfd, ends[3] = {-1, -1, -1}, open = 3;
  for (int i = 0; i < 2; i++) ends[i + 1] = channel("pipe64", WE_READ, &outputs[i].fd);
  start(argv, ends, &pidfd);
  watch(pidfd, 0);
  for (int i = 0; i < 2; i++) {
    close(ends[i + 1]);
    watch(outputs[i].fd, (uint64_t)i + 1);
  }
  while (open > 0) {
    struct epoll_event events[3];
    int n = epoll_wait(epoll, events, 3, -1);
    for (int i = 0; i < n; i++) {
      if (events[i].data.u64 == 0) {
        reap(pidfd);
        open--;
        continue;
      }
      __typeof__(outputs[0]) *output = &outputs[events[i].data.u64 - 1];
      if (output->room == output->size) {
        output->room = output->room == 0 ? 4096 : output->room * 2;
        output->bytes = realloc(output->bytes, output->room);
        if (output->bytes == NULL) die("realloc");
      }
      ssize_t got = read(output->fd, output->bytes + output->size, output->room - output->size);
      if (got > 0) output->size += (size_t)got;
      else if (got == 0) {
        unwatch(output->fd);
        open--;
      }
    }
  }
  size_t size = outputs[0].size;
  for (int i = 0; i < 2; i++) free(outputs[i].bytes);
  return size;
}

static void run_round(void) {
  const char *argv[] = {file, "say", NULL};
  if (capture(argv) != 6) exit(1);
}

static void task_run(void) { put("us", -1, timed(run_round)); }

static void task_capture(void) {
  const char *what = strcmp(word("as", "bytes"), "text") == 0 ? "words" : "give";
  const char *argv[] = {file, what, word("mib", "200"), NULL};
  const char *small[] = {file, what, "16", NULL};
  capture(small);
  double begin = now_us();
  if (capture(argv) != (size_t)(number("mib", 200) * MIB)) exit(1);
  put("ms", -1, (now_us() - begin) / 1e3);
}

/* One loop for both calls that run a command for its output. */
static void task_calls(void) {
  pipes = 0;
  lasting(number("warm", 100), blocked_round);
  spawned = 0;
  put("spawn", -1, lasting(number("ms", 200), blocked_round));
  put("blocked", -1, median(in_spawn, spawned));
  pipes = 1;
  put("pipes", -1, timed(exit_one));
  double run = timed(run_round);
  put("execFile", -1, run);
  put("spawnSync", -1, run);
}

static int echo_in, echo_out;

static void echo_round(void) {
  if (write(echo_in, "x", 1) != 1) die("write");
  wait_for(echo_out, POLLIN);
  if (read(echo_out, block, 1) != 1) die("read");
}

static void task_echo(void) {
  const char *argv[] = {file, "echo", NULL};
  int pidfd, ends[3] = {channel("pipe64", WE_WRITE, &echo_in), channel("pipe64", WE_READ, &echo_out), -1};
  start(argv, ends, &pidfd);
  put("us", -1, timed(echo_round));
}

static const struct {
  const char *name;
  void (*run)(void);
} tasks[] = {
    {"exit", task_exit},       {"blocked", task_blocked}, {"alive", task_alive},     {"receive", task_receive},
    {"send", task_send},       {"run", task_run},         {"runSync", task_run},     {"capture", task_capture}, {"echo", task_echo},
    {"slow", task_slow},
    {"calls", task_calls},
};

int main(int argc, char **argv) {
  argc_ = argc;
  argv_ = argv;
  file = word("child", NULL);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  burden();
  for (size_t i = 0; i < sizeof tasks / sizeof *tasks; i++)
    if (argc > 1 && file != NULL && strcmp(argv[1], tasks[i].name) == 0) {
      tasks[i].run();
      puts("}");
      return 0;
    }
  return 2;
}
