/*
 * What enters the monitor's table, and the epoll set: children, processes, pipes, sockets of hosts.
 */
#include "monitor_table.h"

#include <stdlib.h>
#include <string.h>

#include "orphans.h"
#include "stop_watch.h"
#include "sys.h"

static struct watch *fill(struct monitor *m, int64_t index, int kind, pid_t pid, int pidfd,
                          struct cleanup cleanup) {
  struct watch *watch = &m->watches[index];
  watch->kind = (uint8_t)kind;
  watch->fd = pidfd;
  watch->pid = pid;
  watch->peak = -1;
  watch->cleanup = cleanup;
  return watch;
}

/* The pidfd is the entry's on success, else still the caller's. */
static int64_t add(struct monitor *m, int kind, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = watch_take(m);
  if (index < 0) return index;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, pidfd, EPOLLIN | EPOLLET,
                    watch_key(m, (uint32_t)index)) != 0) {
    int error = errno;
    watch_give_back(m, (uint32_t)index);
    return -error;
  }
  fill(m, index, kind, pid, pidfd, cleanup)->registered = 1;
  return index;
}

int64_t monitor_add_relayed(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = watch_take(m);
  if (index >= 0) fill(m, index, WATCH_CHILD, pid, pidfd, cleanup)->kept = 1;
  return index;
}

int64_t monitor_add_child(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  int64_t index = add(m, WATCH_CHILD, pid, pidfd, cleanup);
  if (index < 0) orphans_end(pid, pidfd);
  return index;
}

int64_t monitor_add_keeper(struct monitor *m, pid_t pid, int pidfd) {
  return add(m, WATCH_CHILD, pid, pidfd, (struct cleanup){0, -1});
}

int monitor_has_child(const struct monitor *m, pid_t pid) {
  for (uint32_t i = 0; i < m->n_watches; i++) {
    const struct watch *watch = &m->watches[i];
    if (watch->kind == WATCH_CHILD && !watch->reaped && watch->pid == pid) return 1;
  }
  return 0;
}

int64_t monitor_adopt_child(struct monitor *m, pid_t pid, int pidfd, struct cleanup cleanup) {
  siginfo_t info;
  int64_t index;
  /* A look, which takes nothing: only children of this process can be waited for at all. */
  if (sys_wait_child(pid, pidfd, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, NULL) != 0)
    index = -errno;
  /* Of two that wait for the same child only one would get its status. */
  else if (monitor_has_child(m, pid)) index = -EBUSY;
  else index = add(m, WATCH_CHILD, pid, pidfd, cleanup);
  if (index < 0) close(pidfd);
  return index;
}

int64_t monitor_add_process(struct monitor *m, pid_t pid, int pidfd) {
  int64_t index = add(m, WATCH_PROCESS, pid, pidfd, (struct cleanup){0, -1});
  if (index < 0) close(pidfd);
  else m->n_processes++;
  return index;
}

int64_t monitor_add_pipe(struct monitor *m, int fd, uint64_t far_inode) {
  int64_t index = watch_take(m);
  if (index < 0) {
    close(fd);
    return index;
  }
  m->watches[index].kind = WATCH_PIPE;
  m->watches[index].fd = fd;
  m->watches[index].far_inode = far_inode;
  return index;
}

int monitor_arm(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL) return -EBADF;
  if (watch->registered) return 0;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, watch->fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    watch_key(m, index)) != 0)
    return -errno;
  watch->registered = 1;
  return 0;
}

/* Level-triggered, where all else is edge-triggered: what one turn leaves in the pipe is told again. */
int monitor_capture(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL || watch->capture != NULL) return -EBADF;
  struct capture *capture = sys_malloc(sizeof *capture);
  if (capture == NULL) return -ENOMEM;
  const int operation = watch->registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (sys_epoll_ctl(m->epoll, operation, watch->fd, EPOLLIN, watch_key(m, index)) != 0) {
    int error = errno;
    free(capture);
    return -error;
  }
  memset(capture, 0, sizeof *capture);
  watch->registered = 1;
  watch->capture = capture;
  m->n_captures++;
  return 0;
}

int monitor_add_link(struct monitor *m, uint32_t index, struct host_link *link) {
  struct watch *watch = monitor_watch(m, index, WATCH_PIPE);
  if (watch == NULL || watch->registered) return -EBADF;
  if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, watch->fd, EPOLLIN | EPOLLRDHUP | EPOLLET, watch_key(m, index)) != 0)
    return -errno;
  watch->registered = 1;
  watch->kind = WATCH_HOST;
  watch->link = link;
  return 0;
}

int monitor_want_output(struct monitor *m, uint32_t index, int wanted) {
  struct watch *watch = monitor_watch(m, index, WATCH_HOST);
  if (watch == NULL) return -EBADF;
  uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (wanted ? (uint32_t)EPOLLOUT : 0);
  return sys_epoll_ctl(m->epoll, EPOLL_CTL_MOD, watch->fd, events, watch_key(m, index)) == 0 ? 0 : -errno;
}

int monitor_watch_stops(struct monitor *m, uint32_t index) {
  struct watch *watch = monitor_watch(m, index, WATCH_CHILD);
  if (watch == NULL || watch->reaped || watch->stops || watch->kept) return 0;
  if (m->mailbox == NULL) {
    struct mailbox *mailbox;
    int error = mailbox_open(&mailbox);
    if (error != 0) return -error;
    if (sys_epoll_ctl(m->epoll, EPOLL_CTL_ADD, mailbox_fd(mailbox), EPOLLIN, KEY_MAILBOX) != 0) {
      error = errno;
      mailbox_close(mailbox);
      return -error;
    }
    m->mailbox = mailbox;
  }
  int error = stop_watch_start(m->mailbox, watch->fd, index, watch->generation);
  if (error != 0) return -error;
  watch->stops = 1;
  return 0;
}
