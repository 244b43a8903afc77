/* See capture.h. */
#include "capture.h"

#include <stdlib.h>

#include "sys.h"

/* Enough for most commands; what is longer gets a pipe's worth next. */
#define FIRST_SIZE 4096
#define PIPE_SIZE ((size_t)64 * 1024)

/* What is long already gets its next pages in one go, so many bytes at a time: a fault for each costs more. */
#define LONG_SIZE ((size_t)1024 * 1024)
#define AHEAD ((size_t)2 * 1024 * 1024)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

/* gcc 12's analyzer forgets what a struct reached through a pointer holds, and calls it a leak. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"

/* Makes room that is worth a read, and gives how much there is; 0 without memory, and all is as it was. */
static size_t make_room(struct capture *capture) {
  size_t least = capture->capacity / 8;
  if (least > PIPE_SIZE) least = PIPE_SIZE;
  if (capture->capacity - capture->size <= least) {
    size_t capacity = capture->capacity * 2;
    if (capture->capacity == 0) capacity = FIRST_SIZE;
    else if (capacity < PIPE_SIZE) capacity = PIPE_SIZE;
    uint8_t *data = sys_realloc(capture->data, capacity);
    if (data == NULL) return 0;
    capture->data = data;
    capture->capacity = capacity;
  }
  return capture->capacity - capture->size;
}

#pragma GCC diagnostic pop

/* Has the pages of the next reads there before they are needed. Linux 5.14; before, and where memory is short, each comes with
 * its fault. */
static void populate(struct capture *capture) {
  if (capture->size < LONG_SIZE || capture->populated >= capture->size + PIPE_SIZE) return;
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  size_t to = capture->size + AHEAD < capture->capacity ? capture->size + AHEAD : capture->capacity;
  uintptr_t start = ((uintptr_t)capture->data + capture->size) & ~(page - 1);
  uintptr_t end = ((uintptr_t)capture->data + to) & ~(page - 1);
  capture->populated = capture->capacity;
  if (start < end && sys_madvise((void *)start, end - start, MADV_POPULATE_WRITE) == 0 && to < capture->capacity)
    capture->populated = to;
}

ssize_t capture_read(struct capture *capture, int fd, size_t most) {
  size_t room = make_room(capture);
  if (room == 0) return -ENOMEM;
  populate(capture);
  ssize_t n;
  do n = sys_read(fd, capture->data + capture->size, room < most ? room : most);
  while (n < 0 && errno == EINTR);
  if (n < 0) return -errno;
  if (n > 0) capture->moved_at = sys_clock_ms();
  capture->size += (size_t)n;
  return n;
}

int capture_gather(struct capture *capture, int fd, uint32_t events, size_t most) {
  const int hung_up = (events & EPOLLHUP) != 0;
  if (hung_up && (events & EPOLLIN) == 0) return 1;
  for (size_t got = 0; got < most;) {
    ssize_t n = capture_read(capture, fd, most);
    if (n == -EAGAIN) return 0;
    if (n <= 0) return n == 0 ? 1 : (int)n;
    got += (size_t)n;
    /* Room is left: mostly the pipe is empty. If not (a pipe of packets), the next event tells. */
    if (!hung_up && capture->size < capture->capacity) return 0;
  }
  return 0;
}

int capture_rest(struct capture *capture, int fd) {
  int there = 0;
  if (ioctl(fd, FIONREAD, &there) != 0) there = 0;
  /* Beyond what was there one more read, which finds the end if it is there. */
  while (there >= 0) {
    ssize_t n = capture_read(capture, fd, PIPE_SIZE);
    if (n == -EAGAIN) return 0;
    if (n <= 0) return n == 0 ? 1 : (int)n;
    there -= (int)n;
  }
  return 0;
}

double capture_moved_at(const struct capture *capture, int fd) {
  int there = 0;
  return ioctl(fd, FIONREAD, &there) == 0 && there > 0 ? sys_clock_ms() : capture->moved_at;
}

void capture_fit(struct capture *capture) {
  if (capture->size == 0 || capture->size == capture->capacity) return;
  /* Shrinking in place, or not at all. */
  uint8_t *data = realloc(capture->data, capture->size);
  if (data == NULL) return;
  capture->data = data;
  capture->capacity = capture->size;
}

void capture_forget(struct capture *capture) {
  capture->data = NULL;
  capture->size = capture->capacity = capture->populated = 0;
}

void capture_drop(struct capture *capture) {
  free(capture->data);
  capture_forget(capture);
}
