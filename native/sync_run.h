/*
 * A synchronous run: one child whose pipes and end are waited for by a loop of their own, while the
 * thread's event loop stands still. The monitor, and every other child, are untouched.
 *
 * What is done when (signals, deadlines, when to give up pipes) is decided by the caller, between
 * two calls of sync_run_wait(). All functions run in: parent, in their environment's own thread.
 *
 * poll(2), pidfd_open(2), waitid(2) with P_PIDFD (5.4).
 */
#ifndef BROOD_SYNC_RUN_H
#define BROOD_SYNC_RUN_H

#include <stddef.h>
#include <stdint.h>

#include "launch.h"

/* What sync_run_wait() returns, as bits. */
enum sync_run_state {
  SYNC_RUN_EXITED = 1, /* reaped; the record tells how it ended */
  SYNC_RUN_ENDED = 2,  /* no pipe is open any more */
  SYNC_RUN_TIME = 4,   /* the time is over */
  SYNC_RUN_FULL = 8,   /* more than the given number of bytes is held */
};

/* Fields behind the event record (enum monitor_field), of the same array of doubles. */
enum sync_run_field {
  SYNC_RUN_QUIET = 16, /* milliseconds since a byte last moved */
  SYNC_RUN_WRITE_ERROR, /* errno of the first failed write, 0: none */
  SYNC_RUN_FIELDS
};

struct sync_run;

/* Takes over a launched child: its pidfd and our ends of its n inputs; `feed` is the one that will be
 * written to, -1: none. Those that nobody will write to read their end from now on. Returns NULL,
 * with everything still the caller's, without memory. */
struct sync_run *sync_run_open(const struct launch *launch, uint32_t n, int feed);

/* Closes every pipe and frees it; a child that has not been reaped is killed and reaped. */
void sync_run_close(struct sync_run *run);

/*
 * Moves bytes, and waits until the child has been reaped (told once, when what its pipes held then
 * has been read) and then until no pipe is open; or the time is over (milliseconds, negative: never);
 * or the readers hold more than `most` bytes together. `input` is what `feed` is to be written, in
 * each call the same.
 *
 * Returns bits of enum sync_run_state, or a negated errno (ENOMEM: nothing read is lost).
 */
int sync_run_wait(struct sync_run *run, double ms, double most, const uint8_t *input, size_t size,
                  double *record);

/* What was read from pipe i and not dropped yet. */
const uint8_t *sync_run_data(const struct sync_run *run, uint32_t i, size_t *size);
void sync_run_drop(struct sync_run *run, uint32_t i);

/* Pipe i's fd, -1: it has come to its end, or was closed. */
int sync_run_fd(const struct sync_run *run, uint32_t i);
/* The inode of its other end. */
uint64_t sync_run_far_inode(const struct sync_run *run, uint32_t i);
void sync_run_close_pipe(struct sync_run *run, uint32_t i);

/* 1: the child was signalled. 0: it has ended. Else a negated errno. */
int sync_run_signal(struct sync_run *run, int signal);

#endif
