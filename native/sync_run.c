/* See sync_run.h. */
#include "sync_run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "capture.h"
#include "exit_status.h"
#include "orphans.h"
#include "sys.h"

/* The most that one read asks for. */
#define READ_SIZE (1024 * 1024)
/* How often a zombie that someone else traces, and that is not waitable until then, is asked again. */
#define TRACED_MS 20

struct sync_pipe {
  int fd; /* -1: closed */
  int kind;
  uint64_t far_inode;
  struct capture capture;
};

struct sync_run {
  pid_t pid;
  int pidfd; /* -1: reaped */
  int traced;
  int feed;
  size_t written;
  int write_error;
  double moved_at; /* milliseconds of the monotonic clock */
  size_t held;
  uint32_t n;
  uint32_t n_open;
  struct pollfd *polls; /* the pipes', then the pidfd's */
  struct sync_pipe pipes[];
};

void sync_run_close_pipe(struct sync_run *run, uint32_t i) {
  if (i >= run->n || run->pipes[i].fd < 0) return;
  close(run->pipes[i].fd);
  run->pipes[i].fd = -1;
  run->n_open--;
}

struct sync_run *sync_run_open(const struct launch *launch, uint32_t n, int feed) {
  size_t pipes = sizeof(struct sync_run) + n * sizeof(struct sync_pipe);
  struct sync_run *run = sys_malloc(pipes + (n + 1) * sizeof(struct pollfd));
  if (run == NULL) return NULL;
  memset(run, 0, pipes);
  run->pid = launch->pid;
  run->pidfd = launch->pidfd;
  run->feed = feed;
  run->moved_at = sys_clock_ms();
  run->n = run->n_open = n;
  run->polls = (struct pollfd *)((char *)run + pipes);
  for (uint32_t i = 0; i < n; i++) {
    run->pipes[i].fd = launch->ours[i].fd;
    const int kind = LAUNCH_INPUT_KIND(launch->inputs[i]);
    run->pipes[i].kind = kind;
    run->pipes[i].far_inode = launch->ours[i].far_inode;
    if ((int)i == feed) {
      run->pipes[i].kind = LAUNCH_WE_WRITE; /* of a socket, too: nobody reads it */
      continue;
    }
    if (kind == LAUNCH_WE_WRITE) sync_run_close_pipe(run, i);
    else if (kind == LAUNCH_SOCKET) shutdown(run->pipes[i].fd, SHUT_WR);
  }
  return run;
}

void sync_run_close(struct sync_run *run) {
  if (run->pidfd >= 0) orphans_end(run->pid, run->pidfd);
  for (uint32_t i = 0; i < run->n; i++) {
    sync_run_close_pipe(run, i);
    capture_drop(&run->pipes[i].capture);
  }
  free(run);
}

/* ---- moving bytes ------------------------------------------------------------------------------ */

/* One read. Bytes read; 0: the pipe is at its end and closed; -EAGAIN: nothing is there; -ENOMEM. An
 * error of the pipe is its end: ECONNRESET of a socket whose other side left bytes unread. */
static ssize_t read_some(struct sync_run *run, uint32_t i) {
  struct sync_pipe *pipe = &run->pipes[i];
  ssize_t n = capture_read(&pipe->capture, pipe->fd, READ_SIZE);
  if (n == -EAGAIN || n == -ENOMEM) return n;
  if (n <= 0) {
    sync_run_close_pipe(run, i);
    return 0;
  }
  run->held += (size_t)n;
  run->moved_at = pipe->capture.moved_at;
  return n;
}

/* Writes as much as fits; closes the pipe when all is written, or nobody wants it. */
static void feed_some(struct sync_run *run, uint32_t i, const uint8_t *input, size_t size) {
  while (run->written < size) {
    ssize_t n;
    do n = sys_write(run->pipes[i].fd, input + run->written, size - run->written);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      if (run->write_error == 0) run->write_error = errno;
      break;
    }
    run->written += (size_t)n;
    run->moved_at = sys_clock_ms();
  }
  sync_run_close_pipe(run, i);
}

/* After the reaping: reads what the pipes hold at this moment. Someone else who goes on writing does
 * not hold this up. */
static int read_what_is_there(struct sync_run *run, double most) {
  for (uint32_t i = 0; i < run->n; i++) {
    int there = 0;
    if (run->pipes[i].fd < 0 || run->pipes[i].kind == LAUNCH_WE_WRITE) continue;
    if (ioctl(run->pipes[i].fd, FIONREAD, &there) != 0) there = 0;
    for (;;) {
      ssize_t n = read_some(run, i);
      if (n == -ENOMEM) return -ENOMEM;
      if (n <= 0 || (double)run->held > most) break;
      there -= (int)n;
      /* Beyond what was there one more read, which finds the end, if it is there. */
      if (there < 0) break;
    }
  }
  return 0;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

static int reap(struct sync_run *run, double *record) {
  siginfo_t info;
  struct rusage usage;
  int result = sys_wait_child(run->pid, run->pidfd, &info, WEXITED | WNOHANG | __WALL, &usage);
  if (result == 0 && info.si_pid == 0) {
    run->traced = 1;
    return 0;
  }
  if (result == 0) exit_status_known(&info, &usage, -1, record);
  else exit_status_stolen(run->pidfd, record);
  close(run->pidfd);
  run->pidfd = -1;
  return 1;
}

static int wait_for_events(struct sync_run *run, double left) {
  for (uint32_t i = 0; i < run->n; i++) {
    run->polls[i].fd = run->pipes[i].fd;
    run->polls[i].events = run->pipes[i].kind == LAUNCH_WE_WRITE ? POLLOUT : POLLIN;
  }
  run->polls[run->n] = (struct pollfd){.fd = run->traced ? -1 : run->pidfd, .events = POLLIN};
  if (run->traced && run->pidfd >= 0 && (left < 0 || left > TRACED_MS)) left = TRACED_MS;
  time_t seconds = (time_t)(left / 1e3);
  struct timespec time = {.tv_sec = seconds, .tv_nsec = (long)((left - (double)seconds * 1e3) * 1e6)};
  return sys_ppoll(run->polls, run->n + 1, left < 0 ? NULL : &time);
}

static int state(struct sync_run *run, int bits, double *record) {
  record[SYNC_RUN_QUIET] = sys_clock_ms() - run->moved_at;
  record[SYNC_RUN_WRITE_ERROR] = run->write_error;
  return bits | (run->pidfd < 0 ? SYNC_RUN_EXITED : 0) | (run->n_open == 0 ? SYNC_RUN_ENDED : 0);
}

int sync_run_wait(struct sync_run *run, double ms, double most, const uint8_t *input, size_t size,
                  double *record) {
  double now = sys_clock_ms();
  double deadline = ms < 0 ? HUGE_VAL : now + ms;
  while (run->pidfd >= 0 || run->n_open > 0) {
    int n = wait_for_events(run, ms < 0 ? -1 : deadline > now ? deadline - now : 0);
    if (n < 0 && errno != EINTR) return -errno;
    for (uint32_t i = 0; n > 0 && i < run->n; i++) {
      if (run->polls[i].fd < 0 || run->polls[i].revents == 0) continue;
      if (run->pipes[i].kind == LAUNCH_WE_WRITE) {
        feed_some(run, i, input, size);
        continue;
      }
      if (read_some(run, i) == -ENOMEM) return -ENOMEM;
      if ((double)run->held > most) return state(run, SYNC_RUN_FULL, record);
    }
    now = sys_clock_ms();
    int ended = run->pidfd >= 0 && ((n > 0 && run->polls[run->n].revents != 0) || run->traced);
    if (ended && reap(run, record)) {
      int error = read_what_is_there(run, most);
      if (error != 0) return error;
      return state(run, (double)run->held > most ? SYNC_RUN_FULL : 0, record);
    }
    if (now >= deadline) return state(run, SYNC_RUN_TIME, record);
  }
  return state(run, 0, record);
}

/* ---- what the caller asks ---------------------------------------------------------------------- */

const uint8_t *sync_run_data(const struct sync_run *run, uint32_t i, size_t *size) {
  *size = i < run->n ? run->pipes[i].capture.size : 0;
  return *size > 0 ? run->pipes[i].capture.data : NULL;
}

void sync_run_drop(struct sync_run *run, uint32_t i) {
  if (i >= run->n) return;
  run->held -= run->pipes[i].capture.size;
  run->pipes[i].capture.size = 0;
}

int sync_run_fd(const struct sync_run *run, uint32_t i) {
  return i < run->n ? run->pipes[i].fd : -1;
}

uint64_t sync_run_far_inode(const struct sync_run *run, uint32_t i) {
  struct stat own;
  if (i >= run->n || run->pipes[i].fd < 0) return 0;
  if (run->pipes[i].far_inode != 0) return run->pipes[i].far_inode;
  return fstat(run->pipes[i].fd, &own) == 0 ? own.st_ino : 0;
}

int sync_run_signal(struct sync_run *run, int signal) {
  if (run->pidfd < 0 || sys_pidfd_ended(run->pidfd)) return 0;
  if (sys_signal_child(run->pid, run->pidfd, signal) == 0) return 1;
  return errno == ESRCH ? 0 : -errno;
}
