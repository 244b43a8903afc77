/*
 * The protocol between this process (the client) and a spawn host (host.c): messages over an AF_UNIX
 * SOCK_SEQPACKET socketpair, whose far end is the host's fd 3. Shared by the addon and the host.
 *
 * A message is a header, a payload and fds (SCM_RIGHTS). One packet holds at most HOST_PACKET bytes of
 * payload and HOST_PACKET_FDS fds (the kernel's SCM_MAX_FD): a larger message comes in parts, in order and
 * not mixed with others, each with the same header but for `offset` and `fd_offset`.
 *
 * A client sends requests, the host answers each once, in order; only EXEC of an embryo that succeeds has no
 * answer but the end of its socket. A relay (a host that is itself the parent of what it starts, because
 * CLONE_PARENT can't work where it lives) sends STATE besides, unasked.
 *
 * A keeper (keeper.h) is a copy of the host with a socket of its own. It serves SPAWN, and CREATE of an embryo, the next when
 * nothing is left of the one before; in between it says and hears what keeper.h tells.
 *
 * unix(7), cmsg(3), clone(2) for CLONE_PARENT.
 */
#ifndef BROOD_HOST_H
#define BROOD_HOST_H

#include <stdint.h>

#include "child_program.h"

#define HOST_MAGIC 0x31687262u /* "brh1" */
#define HOST_VERSION 4

#define HOST_SOCKET 3 /* the host's end, from its start */

#define HOST_PACKET (64 * 1024)
#define HOST_PACKET_FDS 253
#define HOST_MOST_BYTES (64u * 1024 * 1024)
#define HOST_MOST_FDS 65536u

enum host_type {
  /* To a host. */
  HOST_HELLO = 1, /* fds: the shared page. First of all, once */
  HOST_SPAWN,     /* payload: struct host_request, program, environment; fds: the program's inputs, enum host_extra's */
  HOST_CREATE,    /* payload: struct host_request; fds: enum host_extra's, the copy's end of a socket of its own */
  /* To an embryo. One that could not enter what was to contain it answers these two with that failure. */
  HOST_STEP, /* as SPAWN: runs the program's operations but for its EXEC, which it does not have to mean */
  HOST_EXEC, /* as SPAWN: runs all of it */
  HOST_GIVE, /* fds: one, which stays open there; the answer's result is its number there */
  HOST_TAKE, /* struct host_request, argument: the number of an fd there; the answer's fds: a copy */
  /* From either. */
  HOST_ANSWER, /* payload: struct host_answer; fds: the new child's pidfd, the copy */
  /* From an embryo: it has taken all steps of an EXEC but the last. So its end, if that comes next, is its exec. */
  HOST_EXECUTING,
  /* From a relay. */
  HOST_STATE, /* payload: struct host_state */
  /* To a relay. */
  HOST_END, /* payload: struct host_request, argument: the number there of a child whose pidfd got lost: it is killed */
};

struct host_header {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
  uint32_t id; /* of the request, chosen by the client; the answer has the same */
  uint32_t size;    /* of the whole message's payload */
  uint32_t offset;  /* in it, of this packet's part */
  uint32_t n_fds;   /* of the whole message */
  uint32_t fd_offset;
  uint32_t reserved;
};

struct host_request {
  uint32_t program_size; /* the program follows this struct; a multiple of 8 */
  uint32_t env_size;     /* then, of EXEC with EXTEND_ENV, its environment: so many bytes */
  uint32_t n_env;        /* of so many strings, each ended by a NUL */
  uint32_t clone_flags;  /* namespaces that the child starts in: HOST_NAMESPACES */
  int32_t close_rung;
  int32_t argument;
  int32_t cookie[2]; /* comes back in the answer */
  uint32_t extra;    /* of SPAWN, CREATE, STEP: enum host_extra, any of those that it may have */
  uint32_t keeper;   /* of CREATE with HOST_KEEPER: enum host_keeper */
};

/* What contains a child: fds that follow the program's inputs, in this order. */
enum host_extra {
  /* A cgroup's directory, and its cgroup.procs, open for writing. Not of a keeper's request, nor a keeper's own. Of STEP: the
   * embryo goes there before it runs the program */
  HOST_CGROUP = 1,
  HOST_MAPS = 2,   /* a socket on which the child asks for the id maps of its user namespace, and reads an errno. Not of STEP */
  HOST_KEEPER = 4, /* of CREATE: /proc. The copy is a keeper, else an embryo */
};

enum host_keeper { HOST_KEEPS = 1, HOST_KEEPS_AS_INIT };

/* The namespace flags of clone(2): no other may be asked for. */
#define HOST_NAMESPACES                                                                             \
  (0x00000080u | 0x00020000u | 0x02000000u | 0x04000000u | 0x08000000u | 0x10000000u | 0x20000000u | \
   0x40000000u)

enum host_outcome {
  HOST_DONE,     /* the report tells how it went; of STEP, GIVE: `result` too */
  HOST_REFUSED,  /* nothing was done: `err` */
  HOST_UNCLONED, /* no process could be made: `err` */
  HOST_REAPED    /* by a relay: the child failed or was killed (by signal `result`), and is gone */
};

struct host_answer {
  int32_t outcome;
  int32_t err;
  int32_t pid; /* of SPAWN, CREATE: the child, in the host's pid namespace */
  int32_t result;
  int32_t relayed; /* the host is the child's parent */
  int32_t type;    /* of the request, 0 if it was refused unread */
  int32_t cookie[2];
  int32_t kept;    /* enum host_kept */
  int32_t foreign; /* `pid` is a number of another pid namespace than the client's */
  int64_t peak;                 /* the host's own peak of resident memory, in KiB: where the child's started */
  struct program_report report; /* cut off after its n_tried entries */
};

enum host_kept {
  HOST_KEEPER_MADE = 1, /* `pid` is a keeper */
  HOST_COMMAND_KEPT     /* `pid` is the command, or an embryo, of the keeper that answers */
};

/* A change of a relay's child: the fields of waitid(2) and getrusage(2). */
struct host_state {
  int32_t pid;
  int32_t code;
  int32_t status;
  int32_t uid;
  int64_t usage[9]; /* as enum monitor_field from FIELD_UTIME on; of an end only */
};

/*
 * A page that both sides have mapped. The kernel itself writes the number of a new child into it (clone(2),
 * CLONE_PARENT_SETTID) before the child runs, and the host clears it when it has answered: so a child is never
 * lost, at whatever point the host is killed. It is a child of the client's: the number is its own until the
 * client waits for it. A relay leaves it alone: its children's numbers may be other processes' where the client is.
 */
struct host_shared {
  int32_t child;
  uint32_t request;
  int32_t kept; /* it is a keeper, which ends by itself, with all that it keeps, when its socket is closed */
};

#endif
