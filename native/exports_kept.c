/* What a spawn host's child asks of us before it can go on: a keeper's first word, and id maps. See convert.h, keeper.h. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_host.h"
#include "id_maps.h"
#include "keeper.h"
#include "pidfd.h"
#include "sys.h"

/* A packet of a keeper that has its command, or does not have it. */
struct first_word {
  ssize_t size;
  int pid;
  int pidfd; /* -1: none came */
  int cut;   /* there was no room for it */
  struct program_report report;
};

static void read_first_word(int socket, struct first_word *word) {
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {&word->report, sizeof word->report};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  do word->size = sys_recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  while (word->size < 0 && errno == EINTR);
  word->pidfd = -1;
  if (word->size < 0) return;
  struct cmsghdr *rights = CMSG_FIRSTHDR(&message);
  if (rights != NULL && rights->cmsg_type == SCM_RIGHTS) memcpy(&word->pidfd, CMSG_DATA(rights), sizeof word->pidfd);
  word->cut = (message.msg_flags & MSG_CTRUNC) != 0;
  memcpy(&word->pid, &word->report, sizeof word->pid);
}

/*
 * keptMet(socket index, translate, cleanupSignal, cleanupGrace, out): 0: nothing has come; 1: there is a command: out is [child
 * index, pid], and the socket has left the epoll set: whoever arms it next hears all. 2: there is none: out[1] and what follows
 * are as hostReceive's of a failure; the keeper is ending. `translate`: the keeper's numbers are those of another namespace.
 */
napi_value export_keptMet(napi_env env, napi_callback_info info) {
  struct call call;
  size_t n_out;
  struct first_word word;
  begin(env, info, &call);
  struct monitor *monitor = &call.environment->monitor;
  struct watch *watch = monitor_watch(monitor, (uint32_t)argument(env, &call, 0), WATCH_PIPE);
  int32_t *out = memory(env, call.arguments[4], &n_out);
  if (watch == NULL || out == NULL || n_out < 7 + PROGRAM_TRIED_MAX) return integer(env, -EBADF);
  read_first_word(watch->fd, &word);
  if (word.size < 0 && errno == EAGAIN) return integer(env, 0);
  struct launch launch = {.failure = LAUNCH_FAILED_KILLED};
  if (word.size == (ssize_t)sizeof word.report) {
    launch.report = word.report;
    int tried = word.report.n_tried;
    if (tried < 0 || tried > PROGRAM_TRIED_MAX) launch.report.n_tried = 0;
    if (word.report.phase == PROGRAM_PHASE_FAILED) {
      launch.failure = LAUNCH_FAILED_CHILD;
      launch.error = word.report.err;
    }
  } else if (word.size == (ssize_t)sizeof word.pid) {
    launch.failure = word.pidfd >= 0 ? LAUNCH_OK : LAUNCH_FAILED_PIDFD;
    launch.error = word.cut ? EMFILE : EPROTO;
  }
  if (launch.failure == LAUNCH_OK) {
    struct cleanup cleanup = {argument(env, &call, 2), argument(env, &call, 3)};
    int pid = argument(env, &call, 1) ? pidfd_process(word.pidfd) : word.pid;
    if (pid <= 0) pid = -1; /* it has ended: nobody is to be signalled by number */
    /* An init gives up the command's number, if that has ended, only now. */
    char go = KEEPER_GO;
    send(watch->fd, &go, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (watch->registered) epoll_ctl(monitor->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->registered = 0;
    int64_t index = monitor_add_relayed(monitor, pid, word.pidfd, cleanup);
    if (index >= 0) {
      out[0] = (int32_t)index;
      out[1] = pid;
      return integer(env, 1);
    }
    launch.failure = LAUNCH_FAILED_WATCH;
    launch.error = (int)-index;
  } else if (word.pidfd >= 0) {
    close(word.pidfd);
  }
  host_tell_failure(out, &launch);
  return integer(env, 2);
}

/* The map of one id to itself, where none was asked for. */
static const char *map_of(const char *text, unsigned id, char own[64]) {
  if (text[0] != 0) return text;
  snprintf(own, 64, "%u %u 1\n", id, id);
  return own;
}

/* Which process /proc/PID is must be known: that of another pid namespace has other numbers. */
static int own_proc(void) {
  char self[16] = {0};
  return readlink("/proc/self", self, sizeof self - 1) > 0 && atoi(self) == getpid();
}

/*
 * answerIdMaps(socket index, texts, denySetgroups): a child in a new user namespace asks for its id maps: writes them, and tells
 * it how that went. texts: uid map and gid map, each ended by a NUL; empty: the child's own id stays what it is. 0: it has not
 * asked yet; 1: done. user_namespaces(7)
 */
napi_value export_answerIdMaps(napi_env env, napi_callback_info info) {
  struct call call;
  size_t size;
  char asked[16], pid[16], uid_room[64], gid_room[64];
  begin(env, info, &call);
  struct watch *watch = monitor_watch(&call.environment->monitor, (uint32_t)argument(env, &call, 0), WATCH_PIPE);
  const char *uid = memory(env, call.arguments[1], &size);
  const char *gid = uid == NULL ? NULL : memchr(uid, 0, size);
  int on = 1;
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec iov = {asked, sizeof asked};
  struct msghdr message = {
      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  if (watch == NULL || gid == NULL || (size_t)(++gid - uid) >= size || uid[size - 1] != 0) return integer(env, -EBADF);
  if (setsockopt(watch->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return integer(env, -errno);
  ssize_t n = sys_recvmsg(watch->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n < 0) return integer(env, errno == EAGAIN || errno == EINTR ? 0 : -errno);
  if (n == 0) return integer(env, -ENOTCONN);
  struct cmsghdr *c = CMSG_FIRSTHDR(&message);
  int32_t error = EXDEV;
  if (c != NULL && c->cmsg_type == SCM_CREDENTIALS && own_proc()) {
    struct ucred from;
    memcpy(&from, CMSG_DATA(c), sizeof from);
    snprintf(pid, sizeof pid, "%d", from.pid);
    error = from.pid <= 0 ? ESRCH
                          : id_maps_write(pid, map_of(uid, from.uid, uid_room), map_of(gid, from.gid, gid_room),
                                          argument(env, &call, 2));
  }
  send(watch->fd, &error, sizeof error, MSG_NOSIGNAL | MSG_DONTWAIT);
  return integer(env, 1);
}
