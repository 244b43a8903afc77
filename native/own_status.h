/*
 * What the kernel tells of this process in /proc/self/status, which nothing else tells without changing it, or at once:
 * umask(2) gives the mask by setting another, with which a thread might make a file meanwhile; sigaction(2) tells of one
 * signal at a time. proc_pid_status(5), Umask since Linux 4.7
 */
#ifndef BROOD_OWN_STATUS_H
#define BROOD_OWN_STATUS_H

#include <stdint.h>

struct own_status {
  uint32_t umask;
  uint64_t ignored; /* signal n is bit n - 1 */
};

/* In the parent, in any thread. Keeps one fd for as long as the process lives; without /proc it asks the other way. */
void own_status_read(struct own_status *status);

#endif
