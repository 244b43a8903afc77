/*
 * A client of a spawn host that keeps to no protocol: sends what a host must refuse, and prints what it answers, a line
 * each: "NAME: refused ERRNO", "NAME: done", "NAME: no answer". Last, whether it still serves, and how it ends.
 *   strange_client HOST [relay]
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../native/host.h"

static int far = -1;

static void send_bytes(int fd, const void *bytes, size_t size, const int *fds, int n_fds) {
  struct iovec part = {(void *)bytes, size};
  union {
    struct cmsghdr align;
    char space[CMSG_SPACE(250 * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  if (n_fds > 0) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE((size_t)n_fds * sizeof(int));
    struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN((size_t)n_fds * sizeof(int));
    memcpy(CMSG_DATA(rights), fds, (size_t)n_fds * sizeof(int));
  }
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) perror("sendmsg");
}

static void print_answer(const char *name) {
  struct {
    struct host_header header;
    struct host_answer answer;
  } reply;
  struct pollfd ready = {.fd = far, .events = POLLIN};
  /* Each is answered: a host that starts slowly, under sanitizers, must not count as one that is silent. */
  if (poll(&ready, 1, 30000) <= 0) {
    printf("%s: no answer\n", name);
    return;
  }
  ssize_t n = recv(far, &reply, sizeof reply, 0);
  if (n < (ssize_t)sizeof reply.header) printf("%s: end\n", name);
  else if (reply.answer.outcome == HOST_REFUSED) printf("%s: refused %d\n", name, reply.answer.err);
  else printf("%s: done\n", name);
}

struct packet {
  struct host_header header;
  char payload[HOST_PACKET + 100];
};

static struct packet *packet(int type, uint32_t size) {
  static struct packet p;
  static uint32_t id = 1;
  memset(&p, 0, sizeof p);
  p.header = (struct host_header){.magic = HOST_MAGIC, .version = HOST_VERSION, .type = (uint16_t)type, .id = id++, .size = size};
  return &p;
}

static void say(const char *name, struct packet *p, size_t size, const int *fds, int n_fds) {
  send_bytes(far, p, size, fds, n_fds);
  print_answer(name);
}

int main(int argc, char **argv) {
  int pair[2], on = 1;
  if (argc < 2 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return 1;
  setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  setvbuf(stdout, NULL, _IONBF, 0);
  pid_t pid = fork();
  if (pid == 0) {
    close(pair[0]);
    dup2(pair[1], HOST_SOCKET);
    syscall(SYS_close_range, HOST_SOCKET + 1, ~0u, 0);
    execl(argv[1], "brood-host", argv[2], (char *)NULL);
    _exit(127);
  }
  close(pair[1]);
  far = fcntl(pair[0], F_DUPFD, 20);
  close(pair[0]);
  const size_t head = sizeof(struct host_header);
  int page = memfd_create("page", 0);
  if (ftruncate(page, 4096) != 0) return 1;

  send_bytes(far, "garbage", 7, NULL, 0);
  print_answer("garbage");
  struct packet *p = packet(HOST_HELLO, 0);
  p->header.magic++;
  say("magic", p, head, NULL, 0);
  p = packet(HOST_HELLO, 0);
  p->header.version++;
  say("version", p, head, NULL, 0);
  say("unknown type", packet(99, 0), head, NULL, 0);
  say("answer", packet(HOST_ANSWER, 0), head, NULL, 0);
  say("step to a host", packet(HOST_STEP, 0), head, NULL, 0);
  say("hello without a page", packet(HOST_HELLO, 0), head, NULL, 0);
  say("empty spawn", packet(HOST_SPAWN, 0), head, NULL, 0);
  p = packet(HOST_SPAWN, HOST_MOST_BYTES + 1);
  say("too long", p, head, NULL, 0);
  p = packet(HOST_SPAWN, 16);
  p->header.n_fds = HOST_MOST_FDS + 1;
  say("too many fds", p, head, NULL, 0);
  say("packet too long", packet(HOST_SPAWN, HOST_PACKET + 100), sizeof *p, NULL, 0);
  say("more than said", packet(HOST_SPAWN, 8), head + 64, NULL, 0);
  p = packet(HOST_SPAWN, 100);
  p->header.offset = 50;
  say("a part from nowhere", p, head + 10, NULL, 0);
  say("fds that were not said", packet(HOST_SPAWN, 8), head + 8, &page, 1);
  p = packet(HOST_SPAWN, sizeof(struct host_request) + 64);
  ((struct host_request *)p->payload)->program_size = 64;
  say("no program", p, head + sizeof(struct host_request) + 64, NULL, 0);
  ((struct host_request *)p->payload)->program_size = 0xfffffff8u;
  say("program size", p, head + sizeof(struct host_request) + 64, NULL, 0);
  p = packet(HOST_CREATE, sizeof(struct host_request));
  p->header.n_fds = 1;
  ((struct host_request *)p->payload)->clone_flags = 0x00010000; /* CLONE_THREAD */
  say("unsafe flag", p, head + sizeof(struct host_request), &page, 1);
  p = packet(HOST_CREATE, sizeof(struct host_request));
  p->header.n_fds = 1;
  ((struct host_request *)p->payload)->extra = HOST_CGROUP;
  say("a cgroup without its fds", p, head + sizeof(struct host_request), &page, 1);
  ((struct host_request *)p->payload)->extra = HOST_CGROUP | HOST_KEEPER;
  ((struct host_request *)p->payload)->keeper = HOST_KEEPS;
  say("a keeper with a cgroup", p, head + sizeof(struct host_request), &page, 1);
  /* One part of two, then another message. */
  p = packet(HOST_SPAWN, 100);
  send_bytes(far, p, head + 50, NULL, 0);
  say("a message within another", packet(HOST_HELLO, 0), head, NULL, 0);
  /* Somebody else, who has our socket. */
  fflush(stdout);
  pid_t other = fork();
  if (other == 0) {
    p = packet(HOST_HELLO, 0);
    p->header.n_fds = 1;
    send_bytes(far, p, head, &page, 1);
    _exit(0);
  }
  waitpid(other, NULL, 0);
  print_answer("a stranger");

  p = packet(HOST_HELLO, 0);
  p->header.n_fds = 1;
  say("hello", p, head, &page, 1);
  /* By its answer what came with the request before has been closed. */
  say("afterwards", packet(99, 0), head, NULL, 0);
  char path[64], link[64];
  snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
  int open_fds = 0;
  for (int fd = 0; fd < 256; fd++) {
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    if (readlink(path, link, sizeof link) >= 0 && fd > 2) open_fds++;
  }
  printf("fds: %d\n", open_fds);
  /* Somebody who is no child of its, such as this. */
  p = packet(HOST_END, sizeof(struct host_request));
  ((struct host_request *)p->payload)->argument = (int)getpid();
  say("end of a stranger", p, head + sizeof(struct host_request), NULL, 0);
  /* A child: its number is told in the page where it is ours. */
  const struct host_shared *shared = mmap(NULL, 4096, PROT_READ, MAP_SHARED, page, 0);
  if (shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0) return 1;
  p = packet(HOST_CREATE, sizeof(struct host_request));
  p->header.n_fds = 1;
  say("create", p, head + sizeof(struct host_request), &pair[1], 1);
  printf("announced: %s\n", shared->request == p->header.id ? "yes" : "no");
  close(pair[0]);
  close(pair[1]);
  if (argc == 2) waitpid(-1, NULL, __WALL);
  close(far);
  int status;
  waitpid(pid, &status, 0);
  printf("end: %s %d\n", WIFEXITED(status) ? "exited" : "killed", WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
  return 0;
}
