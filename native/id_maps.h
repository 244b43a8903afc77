/*
 * The id maps of a new user namespace. Most of them can be written by a process outside of it only, while the one that
 * launches is suspended until its child has exec'ed: so a thread writes them. user_namespaces(7)
 */
#ifndef BROOD_ID_MAPS_H
#define BROOD_ID_MAPS_H

#include <pthread.h>

struct id_maps {
  const char *uid; /* as written to uid_map */
  const char *gid;
  int deny_setgroups; /* without privileges a gid_map can be written only then */
  int child;          /* out: the child's end of the socket */
  int own;
  pthread_t thread;
};

/* Writes the maps of a process's user namespace. Returns 0 or an errno. */
int id_maps_write(const char *pid, const char *uid, const char *gid, int deny_setgroups);
/* Starts the thread. Returns 0 or an errno. Runs in: parent. */
int id_maps_start(struct id_maps *maps);
/* Ends it. The child must have exec'ed or ended. */
void id_maps_finish(struct id_maps *maps);

#endif
