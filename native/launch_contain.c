/*
 * What contains a child from its birth on: a cgroup, new namespaces with their id maps, a keeper. Runs in: parent.
 */
#include <string.h>

#include "keeper.h"
#include "launch_parts.h"
#include "pidfd.h"
#include "sys.h"

void launch_meet_command(struct launch *launch) {
  pid_t pid = -1;
  union {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec iov = {&pid, sizeof pid};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t n = sys_recvmsg(launch->keeper_socket, &message, MSG_CMSG_CLOEXEC);
  int error = n < 0 ? errno : EMFILE;
  struct cmsghdr *rights = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
  launch->keeper = launch->pid;
  launch->keeper_pidfd = launch->pidfd;
  if (rights == NULL) { /* there was no room for the pidfd */
    siginfo_t info;
    launch_dismiss_keeper(launch);
    launch_reap(launch, launch->keeper, &info);
    launch_fail(launch, LAUNCH_FAILED_PIDFD, error);
    return;
  }
  memcpy(&launch->pidfd, CMSG_DATA(rights), sizeof launch->pidfd);
  if (strcmp(launch->contain->keeper_role, KEEPER_ROLE_INIT) == 0) {
    char go = KEEPER_GO;
    pid = pidfd_process(launch->pidfd); /* its number here */
    send(launch->keeper_socket, &go, 1, MSG_NOSIGNAL);
  }
  launch->pid = pid;
  if (pid > 0) return;
  siginfo_t info;
  launch_dismiss_keeper(launch);
  sys_wait_child(launch->keeper, launch->keeper_pidfd, &info, WEXITED | __WALL, NULL);
  close(launch->keeper_pidfd);
  launch_fail(launch, LAUNCH_FAILED_PIDFD, ENOSYS);
}

int launch_contain(struct launch *launch, struct child_containment *contain,
                               struct id_maps *maps) {
  const struct launch_containment *wanted = launch->contain;
  *contain = (struct child_containment){.cgroup = wanted->cgroup, .procs = -1, .maps = -1, .keeper = -1};
  /* vfork(2) takes no flags, and a keeper has to clone by itself. */
  if (launch->rung == LAUNCH_VFORK && (wanted->namespaces != 0 || wanted->keeper_path != NULL))
    launch->rung = LAUNCH_FORK;
  contain->shared = launch->rung != LAUNCH_FORK;
  contain->stack = launch->stack->base + STACK_GUARD;
  contain->stack_size = STACK_OF_COMMAND;
  if (wanted->uid_map != NULL) {
    maps->uid = wanted->uid_map;
    maps->gid = wanted->gid_map;
    maps->deny_setgroups = wanted->deny_setgroups;
    int error = id_maps_start(maps);
    if (error != 0) return error;
    contain->maps = maps->child;
  }
  if (wanted->keeper_path != NULL) {
    int pair[2];
    int error = sys_socketpair(SOCK_SEQPACKET | SOCK_CLOEXEC, pair) != 0 ? errno : 0;
    if (error == 0 && sys_fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0) {
      error = errno;
      close(pair[0]);
      close(pair[1]);
    }
    if (error != 0) {
      if (contain->maps >= 0) id_maps_finish(maps);
      return error;
    }
    launch->keeper_socket = pair[0];
    contain->keeper = pair[1];
    contain->keeper_path = wanted->keeper_path;
    contain->keeper_role = wanted->keeper_role;
  }
  return 0;
}

void launch_dismiss_keeper(struct launch *launch) {
  if (launch->keeper_socket >= 0) close(launch->keeper_socket);
  launch->keeper_socket = -1;
}
