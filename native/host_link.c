/* See host_link.h. unix(7), cmsg(3), memfd_create(2). */
#include "host_link.h"

#include <stdlib.h>
#include <string.h>

#include "orphans.h"
#include "sys.h"

/* A packet that the socket has not taken yet, with copies of its fds. */
struct packet {
  struct packet *next;
  size_t size;
  uint32_t n_fds;
  int fds[HOST_PACKET_FDS];
  char bytes[]; /* struct host_header and its part of the payload */
};

struct host_link {
  int embryo;
  int process; /* a pidfd of the host's; -1: of an embryo, or it has ended */
  uint32_t unanswered;
  uint32_t last_answered;
  int unread; /* the far side has ended, and not read all that was sent */
  struct packet *first;
  struct packet **last;
  struct host_shared *shared; /* NULL for an embryo */
  char *room;
  size_t room_size;
};

#define PAGE 4096
/* How long the end of a link waits for that of its host, and for answers that are under way. */
#define PATIENCE_MS 1000

int host_link_open(int embryo, int process, struct host_link **opened, int *page) {
  *page = -1;
  struct host_link *link = calloc(1, sizeof *link);
  if (link == NULL) return ENOMEM;
  link->embryo = embryo;
  link->process = -1;
  link->last = &link->first;
  if (process >= 0) link->process = sys_fcntl(process, F_DUPFD_CLOEXEC, 3);
  if (process >= 0 && link->process < 0) {
    int error = errno;
    free(link);
    return error;
  }
  if (!embryo) {
    int fd = memfd_create("brood-host", MFD_CLOEXEC);
    void *shared = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, PAGE) == 0) shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared == MAP_FAILED) {
      int error = errno;
      if (fd >= 0) close(fd);
      if (link->process >= 0) close(link->process);
      free(link);
      return error;
    }
    link->shared = shared;
    *page = fd;
  }
  *opened = link;
  return 0;
}

char *host_link_room(struct host_link *link, size_t size, size_t kept) {
  if (size > link->room_size) {
    char *room = sys_malloc(size * 2);
    if (room == NULL) return NULL;
    if (kept > 0) memcpy(room, link->room, kept);
    free(link->room);
    link->room = room;
    link->room_size = size * 2;
  }
  return link->room;
}

size_t host_link_room_size(const struct host_link *link) { return link->room_size; }

/* ---- sending ------------------------------------------------------------------------------------------ */

static ssize_t send_packet(struct host_link *link, int socket, const void *header, const void *payload, size_t size,
                           const int *fds, uint32_t n_fds) {
  struct iovec parts[2] = {{(void *)header, sizeof(struct host_header)}, {(void *)payload, size}};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(HOST_PACKET_FDS * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (n_fds > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
    memset(&control, 0, message.msg_controllen);
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, n_fds * sizeof(int));
  }
  ssize_t n;
  /* ECONNRESET, once: see host_link_receive(). EPIPE comes next. */
  do {
    n = sys_sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == ECONNRESET) link->unread = 1;
  } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  return n;
}

static void packet_free(struct packet *packet) {
  for (uint32_t i = 0; i < packet->n_fds; i++) close(packet->fds[i]);
  free(packet);
}

static void packets_free(struct packet *packet) {
  while (packet != NULL) {
    struct packet *next = packet->next;
    packet_free(packet);
    packet = next;
  }
}

static struct packet *packet_new(const struct host_header *header, const char *payload, size_t size,
                                 const int *fds, uint32_t n_fds) {
  struct packet *packet = sys_malloc(sizeof *packet + sizeof *header + size);
  if (packet == NULL) {
    errno = ENOMEM;
    return NULL;
  }
  packet->next = NULL;
  packet->size = size;
  packet->n_fds = 0;
  memcpy(packet->bytes, header, sizeof *header);
  if (size > 0) memcpy(packet->bytes + sizeof *header, payload, size);
  for (uint32_t i = 0; i < n_fds; i++) {
    int copy = sys_fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
    if (copy < 0) {
      int error = errno;
      packet_free(packet);
      errno = error;
      return NULL;
    }
    packet->fds[packet->n_fds++] = copy;
  }
  return packet;
}

/* What to wait for after an error that passes: the socket is full; there is no memory, or too many fds are on their way (unix(7),
 * ETOOMANYREFS). Else the negated error. */
static int waits_for(int error) {
  if (error == EAGAIN) return HOST_FULL;
  return error == ENOBUFS || error == ENOMEM || error == ETOOMANYREFS ? HOST_LATER : -error;
}

int host_link_flush(struct host_link *link, int socket) {
  while (link->first != NULL) {
    struct packet *packet = link->first;
    if (send_packet(link, socket, packet->bytes, packet->bytes + sizeof(struct host_header), packet->size, packet->fds,
                    packet->n_fds) < 0)
      return waits_for(errno);
    link->first = packet->next;
    if (link->first == NULL) link->last = &link->first;
    packet_free(packet);
  }
  return HOST_SENT;
}

int host_link_send(struct host_link *link, int socket, int type, uint32_t id, const void *payload, size_t size,
                   const int *fds, uint32_t n_fds) {
  struct host_header header = {.magic = HOST_MAGIC,
                               .version = HOST_VERSION,
                               .type = (uint16_t)type,
                               .id = id,
                               .size = (uint32_t)size,
                               .n_fds = n_fds};
  if (size > HOST_MOST_BYTES) return -E2BIG;
  if (n_fds > HOST_MOST_FDS) return -EMFILE;
  if (size <= HOST_PACKET && n_fds <= HOST_PACKET_FDS && link->first == NULL) {
    if (send_packet(link, socket, &header, payload, size, fds, n_fds) >= 0) {
      link->unanswered++;
      return HOST_SENT;
    }
    if (waits_for(errno) < 0) return -errno;
  }
  /* All parts first: a message of which only some can be made must not begin. */
  struct packet *first = NULL, **last = &first;
  uint64_t at = 0;
  uint32_t fd_at = 0;
  do {
    size_t bytes = size - at < HOST_PACKET ? size - at : HOST_PACKET;
    uint32_t more = n_fds - fd_at < HOST_PACKET_FDS ? n_fds - fd_at : HOST_PACKET_FDS;
    header.offset = (uint32_t)at;
    header.fd_offset = fd_at;
    struct packet *packet = packet_new(&header, (const char *)payload + at, bytes, fds + fd_at, more);
    if (packet == NULL) {
      int error = errno;
      packets_free(first);
      return -error;
    }
    *last = packet;
    last = &packet->next;
    at += bytes;
    fd_at += more;
  } while (at < size || fd_at < n_fds);
  *link->last = first;
  link->last = last;
  link->unanswered++;
  int result = host_link_flush(link, socket);
  /* That is found by the next flush, too, and ends the link, by which the request is answered. */
  return result < 0 ? HOST_LATER : result;
}

/* ---- receiving ---------------------------------------------------------------------------------------- */

int host_link_receive(struct host_link *link, int socket, struct host_received *received) {
  struct host_header header;
  union {
    struct host_answer answer;
    struct host_state state;
  } payload;
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(4 * sizeof(int))];
  } control;
  struct iovec parts[2] = {{&header, sizeof header}, {&payload, sizeof payload}};
  struct msghdr message = {
      .msg_iov = parts, .msg_iovlen = 2, .msg_control = &control, .msg_controllen = sizeof control.space};
  ssize_t n;
  /* ECONNRESET, once: the far side ended with requests unread. Its answers are still here, and then its end. */
  do {
    n = sys_recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == ECONNRESET) link->unread = 1;
  } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n < 0) return errno == EAGAIN ? 0 : -errno;
  if (n == 0) return link->unread ? -ECONNRESET : -ENOTCONN;

  received->fd = -1;
  received->lost_fd = (message.msg_flags & MSG_CTRUNC) != 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c != NULL; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const int *fds = (const int *)CMSG_DATA(c);
    size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof *fds;
    for (size_t i = 0; i < count; i++) {
      if (received->fd < 0) received->fd = fds[i];
      else close(fds[i]);
    }
  }
  size_t size = (size_t)n < sizeof header ? 0 : (size_t)n - sizeof header;
  const size_t least = offsetof(struct host_answer, report) + offsetof(struct program_report, tried);
  int good = (size_t)n >= sizeof header && header.magic == HOST_MAGIC && header.version == HOST_VERSION &&
             (header.type == HOST_ANSWER  ? size >= least
              : header.type == HOST_STATE ? size == sizeof payload.state
              : header.type == HOST_EXECUTING ? size == 0
                                          : 0);
  if (good && header.type == HOST_ANSWER) {
    int32_t tried = payload.answer.report.n_tried;
    good = tried >= 0 && tried <= PROGRAM_TRIED_MAX && size >= least + (size_t)tried;
  }
  if (received->fd >= 0 && (!good || header.type != HOST_ANSWER)) {
    close(received->fd);
    received->fd = -1;
  }
  if (!good) return -EPROTO;
  received->type = header.type;
  received->id = header.id;
  if (header.type == HOST_STATE) {
    received->state = payload.state;
  } else if (header.type == HOST_ANSWER) {
    memcpy(&received->answer, &payload.answer, size);
    if (link->unanswered > 0) link->unanswered--;
    link->last_answered = header.id;
  }
  return 1;
}

/* ---- the end -------------------------------------------------------------------------------------------- */

/* A child that nobody knows: of a relay only its pidfd reaches it. */
static void end_unknown(int pid, int pidfd, int relayed) {
  if (relayed) {
    if (pidfd >= 0) sys_pidfd_send_signal(pidfd, SIGKILL, 0);
    if (pidfd >= 0) close(pidfd);
    return;
  }
  siginfo_t info;
  if (pidfd >= 0) {
    orphans_end(pid, pidfd);
  } else if (sys_wait_child(pid, -1, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) == 0) {
    /* It is a child of ours that has not been waited for: the number is its own. */
    kill(pid, SIGKILL);
    sys_wait_child(pid, -1, &info, WEXITED | __WALL, NULL);
  }
}

/* A keeper that nobody knows. Its socket is ours to close, by whoever asked for it: then it ends, with all that it keeps,
 * for which it must not be killed. */
static void reap_keeper(int pid, int pidfd, int relayed) {
  siginfo_t info;
  if (relayed) {
    if (pidfd >= 0) close(pidfd);
    return;
  }
  if (pidfd < 0 && sys_wait_child(pid, -1, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) == 0)
    pidfd = sys_pidfd_open(pid);
  if (pidfd >= 0) orphans_adopt(pid, pidfd, -1);
}

void host_link_end_child(int pid, int pidfd, int relayed, int keeper) {
  if (keeper) reap_keeper(pid, pidfd, relayed);
  else end_unknown(pid, pidfd, relayed);
}

/* Reads the answers that are here, and ends what they tell of. 0: the socket is at its end. */
static int end_answered(struct host_link *link, int socket) {
  struct host_received received = {.fd = -1};
  int result;
  while ((result = host_link_receive(link, socket, &received)) == 1) {
    if (received.type != HOST_ANSWER) continue;
    const struct host_answer *a = &received.answer;
    int child = a->outcome == HOST_DONE && (a->type == HOST_SPAWN || a->type == HOST_CREATE);
    if (child) host_link_end_child(a->pid, received.fd, a->relayed, a->kept);
    else if (received.fd >= 0) close(received.fd);
  }
  return result == 0;
}

/* The child that the host had made and not told of yet, 0: none. */
static int unannounced(const struct host_link *link) {
  int pid = __atomic_load_n(&link->shared->child, __ATOMIC_ACQUIRE);
  return pid > 0 && link->shared->request != link->last_answered ? pid : 0;
}

/*
 * Ends all that nobody has been told of. The host is killed first, so that it makes nothing more: what it has told of is in the
 * socket then, and what it has made last in the page. Its end is not the socket's, of which a child has a copy until its exec.
 * A host that can't be killed, since we have changed our user, ends by itself, when it has read everything.
 */
static void rescue(struct host_link *link, int socket) {
  const int64_t until = sys_now_ms() + PATIENCE_MS;
  shutdown(socket, SHUT_WR);
  if (link->process >= 0) sys_pidfd_send_signal(link->process, SIGKILL, 0);
  for (;;) {
    int gone = link->process < 0 || sys_pidfd_ended(link->process);
    int open = end_answered(link, socket);
    int64_t left = until - sys_now_ms();
    if (!open || (gone && unannounced(link) > 0) || left <= 0) break;
    /* Gone, and not at the end: a child that writes its number itself (clone(2), CLONE_CHILD_SETTID) may have yet to run. */
    struct pollfd ready[2] = {{.fd = socket, .events = POLLIN}, {.fd = gone ? -1 : link->process, .events = POLLIN}};
    poll(ready, 2, (int)left);
  }
  int pid = unannounced(link);
  if (pid > 0) host_link_end_child(pid, -1, 0, link->shared->kept);
}

void host_link_close(struct host_link *link, int socket) {
  packets_free(link->first);
  link->first = NULL;
  link->last = &link->first;
  if (!link->embryo && link->unanswered > 0) rescue(link, socket);
  if (link->process >= 0) close(link->process);
  if (link->shared != NULL) munmap(link->shared, PAGE);
  free(link->room);
  free(link);
}
