/*
 * How a process ended, written into an event record: by waiting for it, or, where it is not ours to wait for or
 * somebody else has, by what the kernel tells besides.
 *
 * waitid(2); ioctl_pidfd PIDFD_GET_INFO with the exit code (6.15, and only of what has been reaped);
 * proc_pid_stat(5), exit_code (3.5, of what has not, and only to those who may trace it). Runs in: parent.
 */
#ifndef BROOD_EXIT_STATUS_H
#define BROOD_EXIT_STATUS_H

#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Of a child that was waited for. Each fills in a record from CODE on. `peak`: of the spawn host that made it, in KiB,
 * where its own peak of memory began; -1: at ours. */
void exit_status_known(const siginfo_t *info, const struct rusage *usage, int64_t peak, double *event);
/* Of a child whose status someone else took, or that was never kept. */
void exit_status_stolen(int pidfd, double *event);
/* Of any process whose pidfd is readable. Takes nothing from anyone. */
void exit_status_look(pid_t pid, int pidfd, double *event);

#endif
