/* See id_maps.h. */
#include "id_maps.h"

#include <stdio.h>
#include <string.h>

#include "sys.h"

static int put(const char *pid, const char *file, const char *text) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, file);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) return errno;
  int error = write(fd, text, strlen(text)) < 0 ? errno : 0;
  close(fd);
  return error;
}

int id_maps_write(const char *pid, const char *uid, const char *gid, int deny_setgroups) {
  int error = deny_setgroups ? put(pid, "setgroups", "deny") : 0;
  if (error == 0) error = put(pid, "uid_map", uid);
  return error == 0 ? put(pid, "gid_map", gid) : error;
}

static void *serve(void *argument) {
  struct id_maps *maps = argument;
  char pid[17];
  ssize_t n;
  do n = recv(maps->own, pid, sizeof pid - 1, 0);
  while (n < 0 && errno == EINTR);
  if (n <= 0) return NULL; /* there was no child */
  pid[n] = 0;
  int32_t error = id_maps_write(pid, maps->uid, maps->gid, maps->deny_setgroups);
  send(maps->own, &error, sizeof error, MSG_NOSIGNAL);
  return NULL;
}

int id_maps_start(struct id_maps *maps) {
  int pair[2];
  sigset_t all, before;
  if (sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair) != 0) return errno;
  maps->own = pair[0];
  maps->child = pair[1];
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int error = sys_pthread_create(&maps->thread, NULL, serve, maps);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (error != 0) {
    close(pair[0]);
    close(pair[1]);
  }
  return error;
}

void id_maps_finish(struct id_maps *maps) {
  close(maps->child);
  pthread_join(maps->thread, NULL);
  close(maps->own);
}
