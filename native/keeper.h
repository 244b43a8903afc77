/*
 * What a keeper (keeper.c) and its parent say to each other, over a SEQPACKET socket that is the keeper's fd 0.
 *
 * From the keeper: struct keeper_note, one a packet. Before its exec it has sent the command's pid and pidfd (keep.h).
 * To the keeper: one byte, enum keeper_order. The socket's end is the parent's: then everything is ended.
 */
#ifndef BROOD_KEEPER_H
#define BROOD_KEEPER_H

#include <stdint.h>

#define KEEPER_SOCKET 0
#define KEEPER_ROLE_INIT "init" /* pid 1 of a namespace, whose numbers are its own */

enum keeper_note_type {
  KEEPER_STATE = 1, /* the command has stopped or continued */
  KEEPER_EXIT,      /* the command has ended */
  KEEPER_ENDED      /* another process that had become the keeper's child has ended, after KEEPER_KILL */
};

enum keeper_order {
  KEEPER_GO = 'G',     /* to an init, once: its parent has learned the command's number, which may now be given up */
  KEEPER_KILL = 'K',   /* end everything, again and again until nothing is left */
  KEEPER_RELEASE = 'R' /* go, and leave everything alone */
};

/* The fields of waitid(2) and getrusage(2). */
struct keeper_note {
  int32_t type;
  int32_t pid; /* in the keeper's pid namespace */
  int32_t code;
  int32_t status;
  int32_t uid;
  int32_t left; /* EXIT: whether anything else is left */
  int64_t usage[9]; /* EXIT: as enum monitor_field from FIELD_UTIME on */
};

/* Whether that fd is of a /proc with our own numbers. */
int keeper_sees(int proc);
/* Runs in: keeper, whose child `pid` is the command. `proc`: an fd of /proc, or -1: it is opened. Never returns. */
__attribute__((noreturn)) void keeper_run(int pid, int init, int proc);
/* Runs in: watcher. Ends when it has been there for its end. */
void cgroup_watch(const char *path);

#endif
