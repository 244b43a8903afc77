/*
 * What a keeper (keeper.c) and its parent say to each other, over a SEQPACKET socket.
 *
 * From the keeper: struct keeper_note, one a packet. One that is executed has sent the command's pid and pidfd before that
 * (keep.h), and its end says that nothing is left. One that is a fork of a spawn host gets its commands over this very socket,
 * one after the other, and answers as a host (host.h): each command's notes come after its answer, the last of them is
 * the EXIT where nothing else was left, or EMPTY.
 * To the keeper: one byte, enum keeper_order. The socket's end is the parent's: then everything is ended.
 */
#ifndef BROOD_KEEPER_H
#define BROOD_KEEPER_H

#include <stdint.h>

#define KEEPER_SOCKET 0 /* of one that is executed */
#define KEEPER_ROLE_INIT "init" /* pid 1 of a namespace, whose numbers are its own */

enum keeper_note_type {
  KEEPER_STATE = 1, /* the command has stopped or continued */
  KEEPER_EXIT,      /* the command has ended */
  KEEPER_ENDED,     /* another process that had become the keeper's child has ended, after KEEPER_KILL */
  KEEPER_EMPTY      /* of what the command had left nothing is left */
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

/* Where nothing else is said they run in: keeper. */

/* Whether that fd is of a /proc with our own numbers. */
int keeper_sees(int proc);
/* Readies a process for keeping, by these fds, which are its own from now on. Gives whether SIGCHLD was ignored. */
int keeper_begin(int socket, int proc, int init);
/* Runs in: a child that a keeper has cloned, and that goes on as something else: closes these fds. */
void keeper_forget(void);
/* Of an init: waits until its parent has learned the command's number. */
void keeper_await_go(void);
/* Keeps the command, our child `pid`, and all that it starts, until nothing of it is left. `pidfd`: its end is seen by that, too,
 * as it has to be where it may not have exec'ed yet; or -1. Does not return where it is told to go, or has to. */
void keeper_keep(int pid, int pidfd);
/* All of it, in a process that was executed for it. Never returns. */
__attribute__((noreturn)) void keeper_run(int pid, int init);
/* Runs in: watcher. Ends when it has been there for its end. */
void cgroup_watch(const char *path);

#endif
