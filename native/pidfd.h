/* A pidfd that is not from a clone: opened by a number, or handed to us. pidfd_open(2) (5.3). Runs in: parent. */
#ifndef BROOD_PIDFD_H
#define BROOD_PIDFD_H

#include <sys/types.h>

/* The number of the process behind a pidfd. -ESRCH: it has been reaped. -EBADF: it is no pidfd. -ENXIO: the
 * process is in no pid namespace of ours. */
pid_t pidfd_process(int pidfd);

#endif
