/* What keepers tell and are told, and what a spawn host's child asks of us before it can go on: id maps. See convert.h, keeper.h. */
#include "convert.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exports.h"
#include "exports_host.h"
#include "id_maps.h"
#include "keeper.h"
#include "sys.h"

/* Our end of a keeper's socket: of one that was executed, or of one that is a copy of a host. */
static struct watch *keeper_at(struct call *call, napi_env env) {
  struct monitor *monitor = &call->environment->monitor;
  uint32_t index = (uint32_t)argument(env, call, 0);
  struct watch *watch = monitor_watch(monitor, index, WATCH_HOST);
  return watch != NULL ? watch : monitor_watch(monitor, index, WATCH_PIPE);
}

/*
 * keptHear(socket index, out, record): reads one note of a keeper. 0: none has come; 1: out is [type, pid, left], of enum
 * keeper_note_type, and record is as the monitor's but for its index. Else a negated errno, -ENOTCONN: the keeper has ended.
 */
napi_value export_keptHear(napi_env env, napi_callback_info info) {
  struct call call;
  struct keeper_note note;
  size_t n_out, n_record;
  begin(env, info, &call);
  struct watch *watch = keeper_at(&call, env);
  int32_t *out = memory(env, call.arguments[1], &n_out);
  double *record = memory(env, call.arguments[2], &n_record);
  if (watch == NULL || out == NULL || n_out < 3 || record == NULL || n_record < MONITOR_FIELDS) return integer(env, -EBADF);
  ssize_t n;
  /* ECONNRESET, once: it ended without having read all that it was told. What it has said itself comes then. unix(7) */
  do n = sys_read(watch->fd, &note, sizeof note);
  while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n < 0 && errno == EAGAIN) return integer(env, 0);
  if (n != (ssize_t)sizeof note) return integer(env, n == 0 ? -ENOTCONN : n < 0 ? -errno : -EPROTO);
  out[0] = note.type;
  out[1] = note.pid;
  out[2] = note.left;
  record[FIELD_TYPE] = note.type == KEEPER_EXIT ? EVENT_CHILD : EVENT_STATE;
  record[FIELD_CODE] = note.code;
  record[FIELD_STATUS] = note.status;
  record[FIELD_UID] = note.uid;
  record[FIELD_USAGE] = note.type == KEEPER_EXIT;
  for (int i = 0; i < 9; i++) record[FIELD_UTIME + i] = note.type == KEEPER_EXIT ? (double)note.usage[i] : 0;
  return integer(env, 1);
}

/* keptOrder(socket index, enum keeper_order). */
napi_value export_keptOrder(napi_env env, napi_callback_info info) {
  struct call call;
  begin(env, info, &call);
  struct watch *watch = keeper_at(&call, env);
  char order = (char)argument(env, &call, 1);
  if (watch == NULL) return integer(env, -EBADF);
  return integer(env, send(watch->fd, &order, 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0);
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
