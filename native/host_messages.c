/*
 * The messages of a spawn host and of its copies, in both directions (host.h says what they are). A packet is refused, with
 * an answer that says why, or it is a part of the message that is being put together. Runs in: host, keeper, embryo.
 *
 * unix(7), recvmsg(2), cmsg(3).
 */
#include "host_program.h"
#include "keeper.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* What the client does not take, because it has gone, is dropped: the end of the socket is about to be read. */
void send_packet(const struct endpoint *e, int type, uint32_t id, const void *payload, uint32_t size, int fd) {
  struct host_header header = {.magic = HOST_MAGIC,
                               .version = HOST_VERSION,
                               .type = (uint16_t)type,
                               .id = id,
                               .size = size,
                               .n_fds = fd >= 0};
  struct iovec parts[2] = {{&header, sizeof header}, {(void *)payload, size}};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  if (fd >= 0) {
    message.msg_control = &control;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    *(int *)CMSG_DATA(rights) = fd;
  }
  /* Too many fds under way, or no memory: for a while. An answer that is lost would be waited for for ever; a client
   * that has gone is EPIPE. */
  for (;;) {
    long sent = raw(__NR_sendmsg, e->socket, &message, MSG_NOSIGNAL);
    if (sent != -EINTR && sent != -ETOOMANYREFS && sent != -ENOBUFS && sent != -ENOMEM) return;
    if (sent == -EINTR) continue;
    long pause[2] = {0, 1000000};
    raw(__NR_nanosleep, pause, 0);
  }
}

void answer(const struct endpoint *e, struct host_answer *a, int fd) {
  a->type = e->now.type;
  int tried = a->report.n_tried < 0 ? 0 : a->report.n_tried;
  uint32_t size = (uint32_t)(offsetof(struct host_answer, report) +
                             offsetof(struct program_report, tried) + (uint32_t)tried);
  send_packet(e, HOST_ANSWER, e->now.id, a, size, fd);
}

void refuse(const struct endpoint *e, uint32_t id, int error) {
  struct host_answer a = {.outcome = HOST_REFUSED, .err = error};
  send_packet(e, HOST_ANSWER, id, &a,
              offsetof(struct host_answer, report) + offsetof(struct program_report, tried), -1);
}

void close_fds(struct endpoint *e) {
  for (uint32_t i = 0; i < e->have_fds; i++)
    if (fds_of(e)[i] >= 0) raw(__NR_close, fds_of(e)[i]);
  e->have_fds = 0;
}

/* CMSG_NXTHDR, which may be a function of libc's. */
static struct cmsghdr *next_control(const struct msghdr *message, struct cmsghdr *c) {
  char *end = (char *)message->msg_control + message->msg_controllen;
  char *next = (char *)c + CMSG_ALIGN(c->cmsg_len);
  if (c->cmsg_len < sizeof *c || end - next < (long)sizeof *c) return NULL;
  return (struct cmsghdr *)next;
}

/* Takes a packet's fds behind those that the message has. Returns how many, or a negated errno; closes them
 * then. *stranger: they come from another process than our parent. */
static int take_fds(struct endpoint *e, struct msghdr *message, uint32_t more, int *stranger) {
  uint32_t before = e->have_fds, n = 0;
  int error = 0;
  *stranger = 1;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = next_control(message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_CREDENTIALS) {
      const struct ucred *from = (const struct ucred *)CMSG_DATA(c);
      *stranger = from->pid != host.client;
    }
    if (c->cmsg_type != SCM_RIGHTS) continue;
    const int *list = (const int *)CMSG_DATA(c);
    uint32_t count = (uint32_t)((c->cmsg_len - CMSG_LEN(0)) / sizeof *list);
    error = arena_reserve(&e->fds, (uint64_t)(before + n + count) * sizeof *list);
    for (uint32_t i = 0; i < count; i++) {
      if (error < 0) raw(__NR_close, list[i]);
      else fds_of(e)[before + n++] = list[i];
    }
  }
  e->have_fds = before + n;
  if (error < 0) return error;
  /* Cut off: our table of fds is full. */
  if (message->msg_flags & MSG_CTRUNC) return -EMFILE;
  return n == more ? (int)n : -EBADMSG;
}

static int header_error(const struct endpoint *e, const struct host_header *h, uint64_t payload) {
  if (h->magic != HOST_MAGIC) return EBADMSG;
  if (h->version != HOST_VERSION) return EPROTONOSUPPORT;
  if (h->size > HOST_MOST_BYTES || h->n_fds > HOST_MOST_FDS) return EMSGSIZE;
  if (e->open) {
    const struct host_header *now = &e->now;
    if (h->id != now->id || h->type != now->type || h->size != now->size || h->n_fds != now->n_fds)
      return EBADMSG;
  }
  if (h->offset != e->have || h->fd_offset != e->have_fds) return EBADMSG;
  return payload > h->size - h->offset ? EBADMSG : 0;
}

enum received receive(struct endpoint *e, int flags) {
  struct host_header h = {0};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(HOST_PACKET_FDS * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  } control;
  int error = arena_reserve(&e->bytes, e->have + HOST_PACKET + 8);
  if (error < 0) return RECEIVED_END;
  struct iovec parts[2] = {{&h, sizeof h}, {e->bytes.base + e->have, HOST_PACKET}};
  struct msghdr message = {.msg_iov = parts,
                           .msg_iovlen = 2,
                           .msg_control = &control,
                           .msg_controllen = sizeof control.space};
  long n = raw(__NR_recvmsg, e->socket, &message, MSG_CMSG_CLOEXEC | flags);
  if (n == -EINTR) return RECEIVED_PART;
  if (n == -EAGAIN) return RECEIVED_NOTHING;
  if (n <= 0) return RECEIVED_END;
  /* An order to a keeper that has nothing to keep any more: it was given before that was known. */
  if (n == 1 && e->role == HOST_KEEPS_COMMANDS) return *(const char *)&h == KEEPER_RELEASE ? RECEIVED_END : RECEIVED_PART;

  int stranger;
  uint64_t payload = n > (long)sizeof h ? (uint64_t)n - sizeof h : 0;
  int wrong = n < (long)sizeof h ? EBADMSG : message.msg_flags & MSG_TRUNC ? EMSGSIZE : 0;
  if (wrong == 0 && !e->open && e->skip && h.id == e->skipped && h.offset != 0) wrong = -1; /* told already */
  if (wrong == 0) wrong = header_error(e, &h, payload);
  uint32_t expected = 0;
  if (wrong == 0) {
    expected = h.n_fds - h.fd_offset;
    if (expected > HOST_PACKET_FDS) expected = HOST_PACKET_FDS;
  }
  int taken = take_fds(e, &message, expected, &stranger);
  if (stranger && wrong >= 0) wrong = EPERM;
  if (wrong == 0 && taken < 0) wrong = -taken;
  if (wrong != 0) {
    close_fds(e);
    e->have = 0;
    e->open = 0;
    e->skip = n >= (long)sizeof h;
    e->skipped = h.id;
    if (wrong > 0) refuse(e, n >= (long)sizeof h ? h.id : 0, wrong);
    return RECEIVED_PART;
  }
  e->now = h;
  e->have += payload;
  e->skip = 0;
  e->open = e->have < h.size || e->have_fds < h.n_fds;
  return e->open ? RECEIVED_PART : RECEIVED_WHOLE;
}
