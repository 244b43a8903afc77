/*
 * The bytes of a pipe, read to where they stay: memory that at least doubles when it grows, which for large
 * sizes moves pages and copies nothing. Shared by the monitor (a child's output that is collected) and
 * sync_run.c.
 *
 * The fd is the caller's throughout, and so is what to do at the end. All functions run in: parent.
 *
 * read(2), ioctl(2) FIONREAD, realloc(3).
 */
#ifndef BROOD_CAPTURE_H
#define BROOD_CAPTURE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* All zero: nothing is kept. */
struct capture {
  uint8_t *data; /* malloc's, owned by this */
  size_t size;
  size_t capacity;
  size_t populated; /* up to here its pages are there, or are not asked for */
  double moved_at; /* when bytes last came: sys_clock_ms(), 0: never */
};

/* One read of at most `most` bytes. Bytes read; 0: the end; or a negated errno (ENOMEM: nothing was read). */
ssize_t capture_read(struct capture *capture, int fd, size_t most);

/*
 * Reads what is there after these events of epoll, up to about `most` bytes. 1: the end. 0: not yet; if anything is
 * left, a level-triggered set tells again. Or a negated errno, and nothing more is to be had.
 */
int capture_gather(struct capture *capture, int fd, uint32_t events, size_t most);

/* Reads what the pipe holds at this moment, and no further: someone who goes on writing does not hold this up. 1: that was
 * the end; 0: it is open; or a negated errno. */
int capture_rest(struct capture *capture, int fd);

/* When bytes last came, by sys_clock_ms(); now, if some wait to be read; 0: none ever came. */
double capture_moved_at(const struct capture *capture, int fd);

/* Makes the memory as large as what it holds. */
void capture_fit(struct capture *capture);

/* What was kept is the caller's to free() from then on: nothing is kept. */
void capture_forget(struct capture *capture);

/* Frees what is kept. */
void capture_drop(struct capture *capture);

#endif
