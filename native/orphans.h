/*
 * Children that nobody watches any more: their JavaScript environment has ended before them, or they
 * could not be watched. Without a reaper they would stay zombies for as long as the process lives.
 * Global state of the addon, as are the probe's result, the lasting thread, and who takes part in ending.h.
 */
#ifndef BROOD_ORPHANS_H
#define BROOD_ORPHANS_H

#include <sys/types.h>

/* Takes over pidfd; the child is reaped when it ends, by a thread that lives while there
 * are any. After kill_after milliseconds it gets SIGKILL; -1: never. exit(3) waits for that.
 * pid -1: it is another's child, a relay's, and has only to be killed in time. */
void orphans_adopt(pid_t pid, int pidfd, int kill_after);

/* Takes over pidfd; the child is killed and reaped, at once if it can be killed. */
void orphans_end(pid_t pid, int pidfd);

/* Waits until all that have a time to be killed at have ended, or been killed. */
void orphans_await(void);

#endif
