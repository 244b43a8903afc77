/*
 * The monitor's table, for the files that make it up. An entry's index is free for another only when the batch of events is
 * over in which it was freed: see monitor_settle().
 */
#ifndef BROOD_MONITOR_TABLE_H
#define BROOD_MONITOR_TABLE_H

#include "monitor.h"

#define KEY_MAILBOX UINT64_MAX

#ifndef PIDFD_SIGNAL_PROCESS_GROUP
#define PIDFD_SIGNAL_PROCESS_GROUP (1u << 2) /* Linux 6.9 */
#endif

/* What an entry is called in the epoll set. */
uint64_t watch_key(const struct monitor *monitor, uint32_t index);
/* Gives the index of a new entry, or -ENOMEM. */
int64_t watch_take(struct monitor *monitor);
/* Frees an entry whose fd has been closed, or is somebody else's. */
void watch_give_back(struct monitor *monitor, uint32_t index);
/* Closes the entry's fd, and its link. */
void watch_close_fd(struct monitor *monitor, struct watch *watch);
/* Frees what was captured and not taken. */
void watch_drop_capture(struct monitor *monitor, struct watch *watch);

#endif
