/*
 * Stops and continues. A pidfd does not tell of them, SIGCHLD belongs to the application, and a wait
 * for any child would take the states of others. So each child that somebody asked about gets a
 * thread, blocked in waitid for that one child, which posts what it sees to its monitor's mailbox.
 * The thread ends when the child does.
 */
#ifndef BROOD_STOP_WATCH_H
#define BROOD_STOP_WATCH_H

#include <stdint.h>

struct mailbox;

struct state_note {
  uint32_t index;
  uint32_t generation;
  int code;   /* si_code */
  int status; /* the signal */
  int64_t uid;
};

/* The monitor's side. Returns 0 or an errno. */
int mailbox_open(struct mailbox **mailbox);
/* Readable while there are notes. The mailbox keeps it. */
int mailbox_fd(const struct mailbox *mailbox);
/* Takes out the oldest note: 1, or 0 if there is none. */
int mailbox_take(struct mailbox *mailbox, struct state_note *note);
/* The monitor is gone: the threads that are left post into nothing, the last one frees it. */
void mailbox_close(struct mailbox *mailbox);

/* Starts the thread; it works on a copy of pidfd. Returns 0 or an errno. */
int stop_watch_start(struct mailbox *mailbox, int pidfd, uint32_t index, uint32_t generation);

#endif
