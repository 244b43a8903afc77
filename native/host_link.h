/*
 * Our end of a spawn host's socket: what is on its way to it, what comes back. See host.h for the protocol.
 * All functions run in the environment's own thread. The socket's fd is the monitor's.
 */
#ifndef BROOD_HOST_LINK_H
#define BROOD_HOST_LINK_H

#include <stddef.h>

#include "host.h"

struct host_link;

/* What came back. */
struct host_received {
  int type; /* HOST_ANSWER, HOST_STATE or HOST_EXECUTING */
  uint32_t id;
  int fd;      /* of an answer; the caller's; -1: none came */
  int lost_fd; /* one was sent, and our table of fds is full */
  struct host_answer answer;
  struct host_state state;
};

/* `embryo`: the far side is a copy of a host, and there is nothing to rescue when it ends. `process`: the host's pidfd, of which
 * the link has a copy; -1: it has ended. Returns 0 or an errno. On success *page is an fd of the page that is to be sent with
 * HELLO (-1 for an embryo): the caller's. */
int host_link_open(int embryo, int process, struct host_link **link, int *page);

/* Gone; some of it waits until the socket takes more, which an event tells; or, which none does, until the kernel has memory, or
 * fewer fds are on their way. */
enum host_sent { HOST_SENT, HOST_FULL, HOST_LATER };

/*
 * Sends one message. Returns an enum host_sent, or a negated errno, and nothing is sent; -EPIPE: the far side has ended.
 * The fds stay the caller's in each case: what waits has copies.
 */
int host_link_send(struct host_link *link, int socket, int type, uint32_t id, const void *payload, size_t size,
                   const int *fds, uint32_t n_fds);

/* Sends what waits. As host_link_send(); after another failure than -EPIPE a message may be cut off: the link is of no more use. */
int host_link_flush(struct host_link *link, int socket);

/* 1: *received is filled in. 0: nothing has come. -ENOTCONN: the far side has ended; -ECONNRESET: and
 * has not read all that was sent. Or another negated errno. */
int host_link_receive(struct host_link *link, int socket, struct host_received *received);

/* Memory of at least that size for a message that is to be built, whose first `kept` bytes stay; the link's. NULL: there is
 * none, and what was there stays. */
char *host_link_room(struct host_link *link, size_t size, size_t kept);
size_t host_link_room_size(const struct host_link *link);

/* Takes over the pidfd (-1: there is none) of a child that nobody will know, and ends it; a keeper ends by itself, with all that it
 * keeps, when its socket is closed, and is reaped. */
void host_link_end_child(int pid, int pidfd, int relayed, int keeper);

/* Gives the link up: the host is killed, and so are children of which nobody has been told. The socket stays open. */
void host_link_close(struct host_link *link, int socket);

#endif
