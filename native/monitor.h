/*
 * The monitor: one epoll set per JavaScript environment, which holds the pidfds of its children
 * and our ends of their pipes. Everything is edge-triggered: a zombie that someone else traces is
 * readable but not waitable, and would spin a level-triggered loop.
 *
 * It owns every fd in its table: each has one entry, and is closed by monitor_remove(), or for a
 * child when it has been reaped, or by monitor_close(). It reaps only the children in its table; of other
 * processes it sees the end, and leaves them to their parents.
 *
 * How the set's readiness reaches JavaScript is a `delivery` (deliver_uv.c). All functions here run
 * in the environment's own thread.
 *
 * epoll(7), pidfd_open(2), waitid(2) with P_PIDFD (5.4).
 */
#ifndef BROOD_MONITOR_H
#define BROOD_MONITOR_H

#include <stdint.h>
#include <sys/types.h>

#include "capture.h"
#include "launch.h"

#define MONITOR_EVENTS 256
#define MONITOR_FIELDS 16

/* Fields of one event record, as JavaScript reads them (src/kernel/events.ts). */
enum monitor_field {
  FIELD_INDEX,
  FIELD_TYPE,
  FIELD_CODE,   /* CHILD, STATE: si_code, or 0: unknown. PIPE: epoll's events */
  FIELD_STATUS, /* CHILD, STATE: si_status; of an unknown end enum unknown_cause */
  FIELD_UID,    /* -1: unknown */
  FIELD_USAGE,  /* 1: the usage fields that follow are known */
  FIELD_UTIME,  /* microseconds */
  FIELD_STIME,
  FIELD_MAXRSS, /* KiB, -1: unknown */
  FIELD_MINFLT,
  FIELD_MAJFLT,
  FIELD_INBLOCK,
  FIELD_OUBLOCK,
  FIELD_NVCSW,
  FIELD_NIVCSW,
  FIELD_GROUP,   /* CHILD: enum group_left */
};

/* What is left of the group that a child led (NONE: it led none). All but LEFT free the child's entry. */
enum group_left { GROUP_GONE, GROUP_LEFT, GROUP_LOST, GROUP_NONE };

/* CAPTURED: a pipe whose bytes are kept here has come to its end, or can't be read on: FIELD_STATUS is 0 or an errno,
 * FIELD_UTIME when bytes last came, in milliseconds of the monotonic clock (0: never). */
enum monitor_event { EVENT_CHILD = 1, EVENT_STATE, EVENT_PIPE, EVENT_HOST, EVENT_CAPTURED };
/* UNREAPED: it has ended, and its parent may yet let us know; FOREIGN: nobody will. */
enum unknown_cause { UNKNOWN_STOLEN = 1, UNKNOWN_IGNORED, UNKNOWN_UNREAPED, UNKNOWN_FOREIGN };

/* A PROCESS is somebody's whose end is seen here, and who is never waited for. */
enum watch_kind { WATCH_FREE, WATCH_CHILD, WATCH_PIPE, WATCH_PROCESS, WATCH_HOST };

/* What a child gets when its environment ends: a signal (0: nothing), and after so many milliseconds (-1:
 * never) SIGKILL. */
struct cleanup {
  int signal;
  int grace;
};

struct watch {
  uint32_t generation; /* in the key: an event that outlives its entry is recognised */
  uint8_t kind;
  uint8_t registered; /* a pipe enters the epoll set when it is first waited for */
  uint8_t reaped;
  uint8_t cleaned;    /* it has got its clean-up signal, or is being terminated */
  uint8_t stops;      /* a stop_watch thread serves it */
  uint8_t kept;       /* another process's child, a keeper's or a relay's: that reaps it, and tells of its states */
  uint8_t held;       /* an embryo's, or a host's keeper's: its entry stays until it is removed, for whoever drives that */
  uint8_t much;       /* more than CAPTURE_MUCH was captured from it, which has been told */
  int fd;             /* -1: closed */
  pid_t pid;
  struct cleanup cleanup;
  int64_t kill_at; /* of a cleaned child: sys_now_ms(), -1: never */
  uint64_t far_inode; /* of a socket: its other end */
  int64_t peak;       /* of a child of a spawn host: the host's own peak of memory, in KiB; -1: ours counts */
  struct host_link *link; /* of a spawn host's socket */
  struct capture *capture; /* of a pipe whose bytes are kept here */
  int failed; /* of a pipe: why the last call read no further, an errno that is told at the next */
  double moved_at; /* of a pipe: when bytes last came or went, sys_clock_ms(), 0: never */
  uint32_t next;
};

struct monitor;
struct mailbox;
struct host_link;

/* A way of telling that the epoll set is ready. */
struct delivery {
  int (*start)(struct monitor *monitor, void *loop); /* 0 or an errno */
  void (*ref)(struct monitor *monitor);
  void (*unref)(struct monitor *monitor);
  void (*halt)(struct monitor *monitor); /* ready() is called no more; stop() is still to come */
  void (*stop)(struct monitor *monitor, void (*stopped)(void *context), void *context);
};

struct monitor {
  int epoll;
  struct watch *watches;
  uint32_t n_watches;
  uint32_t free;  /* list of entries to use, ends with NO_WATCH */
  uint32_t n_processes; /* of kind WATCH_PROCESS */
  uint32_t n_captures;
  uint32_t freed; /* freed in this batch: usable only when the batch is over */
  struct mailbox *mailbox;
  struct launch_stack stack;
  double *events; /* MONITOR_EVENTS records */
  const struct delivery *delivery;
  void *delivery_state;
  void (*ready)(struct monitor *monitor); /* called by the delivery when the set is readable */
  void *context;
};

#define NO_WATCH UINT32_MAX

/* All return 0 or a count on success, and a negated errno on failure. */
int monitor_open(struct monitor *monitor);
/* Signals the children that are to be cleaned up, hands those alive to the orphans' reaper (if the
 * process itself ends: waits for them), closes every fd. The delivery must have been stopped. */
void monitor_close(struct monitor *monitor, int process_ends);
/* Takes over pidfd, also on failure (the child is then killed and reaped). Returns the index. */
int64_t monitor_add_child(struct monitor *monitor, pid_t pid, int pidfd, struct cleanup cleanup);
/* Takes over the pidfd of a child that is a keeper, on success only: killed it would let go of what it keeps. */
int64_t monitor_add_keeper(struct monitor *monitor, pid_t pid, int pidfd);
/* As monitor_add_child() for a child that something else started: on failure it is left alone, and pidfd closed. -ECHILD: it is
 * no child of this process. -EBUSY: it is watched here already. */
int64_t monitor_adopt_child(struct monitor *monitor, pid_t pid, int pidfd, struct cleanup cleanup);
/* Whether that child is watched here, and not reaped yet. */
int monitor_has_child(const struct monitor *monitor, pid_t pid);
/* Takes over the pidfd of any process, also on failure, to see its end. Returns the index. */
int64_t monitor_add_process(struct monitor *monitor, pid_t pid, int pidfd);
/* From now on this child is known to be a keeper's: it is signalled, and not waited for. */
void monitor_keep_child(struct monitor *monitor, uint32_t index);
/* Its keeper has told that it has ended. Returns an enum group_left. */
int monitor_kept_ended(struct monitor *monitor, uint32_t index);
/* Takes over the pidfd of a relay's child, on success only: it is never waited for, and the relay tells of its end. */
int64_t monitor_add_relayed(struct monitor *monitor, pid_t pid, int pidfd, struct cleanup cleanup);
/* Kills and reaps a child that JavaScript has never heard of, and forgets it. */
void monitor_end_child(struct monitor *monitor, uint32_t index);
/* Takes over fd, also on failure. Returns the index. */
int64_t monitor_add_pipe(struct monitor *monitor, int fd, uint64_t far_inode);
/* Puts a pipe into the epoll set. */
int monitor_arm(struct monitor *monitor, uint32_t index);
/* From now on what comes from a pipe that we only read is kept here, and JavaScript is told of its end alone. The memory is
 * the entry's, until it is taken. On failure it is as before. */
int monitor_capture(struct monitor *monitor, uint32_t index);
/* Makes a pipe entry into a spawn host's socket, and owns the link from then on. */
int monitor_add_link(struct monitor *monitor, uint32_t index, struct host_link *link);
/* Whether it is to be told of when the link's socket takes more. */
int monitor_want_output(struct monitor *monitor, uint32_t index, int wanted);
/* Closes the entry's fd and forgets it. A child must have been reaped. */
int monitor_remove(struct monitor *monitor, uint32_t index);
/* 1: a live child was signalled. 0: it has ended. `ends`: this is what it would get at clean-up, whose
 * grace runs from now. */
int monitor_signal(struct monitor *monitor, uint32_t index, int signal, int ends);
/* The same for a process that is watched, by its pidfd alone. -ENOSYS: that is filtered. */
int monitor_signal_process(struct monitor *monitor, uint32_t index, int signal);
/* The same for the group that the child leads, also after its end. -ENOTSUP: it leads none. */
int monitor_signal_group(struct monitor *monitor, uint32_t index, int signal);
/* From now on stops and continues of this child are events too. */
int monitor_watch_stops(struct monitor *monitor, uint32_t index);
/* Sends each live child its clean-up signal, once. With `wait`, waits until they have ended, at most each
 * one's grace, and sends the rest SIGKILL. Reaps nobody. Returns how many were signalled. */
int monitor_cleanup(struct monitor *monitor, int wait);
/* Closes the sockets of spawn hosts, whose entries stay: what they have started, and nobody has heard of, is ended. */
void monitor_close_links(struct monitor *monitor);
/* The set has failed: its children are handed over as by monitor_close(), all entries but theirs stay, and no event
 * will come any more. */
void monitor_abandon(struct monitor *monitor);
/* Gathers what has happened into `events`; reaps. Returns the number of records. */
int monitor_collect(struct monitor *monitor);
/* The batch is over: entries freed meanwhile may be used again. */
void monitor_settle(struct monitor *monitor);
/* The entry of that index and kind, or NULL. */
struct watch *monitor_watch(struct monitor *monitor, uint32_t index, int kind);

#endif
