/*
 * The duty of pid 1 and of a subreaper: to reap the processes that are reparented to it. The children in a
 * monitor's table are left to the monitor. waitid(2) with WNOWAIT, prctl(2) PR_GET_CHILD_SUBREAPER (3.4).
 */
#ifndef BROOD_STRANGERS_H
#define BROOD_STRANGERS_H

#include "monitor.h"

/* Whether orphans come to this process: 1 or 0. */
int strangers_come(void);
/* Reaps all strangers that have ended. Returns how many, or a negated errno. It must run in the monitor's own
 * thread, so that a child is in the table or reaped already when it is seen here. */
int strangers_reap(const struct monitor *monitor);

#endif
