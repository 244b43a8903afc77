#ifndef BROOD_KERNEL_VALUES_H
#define BROOD_KERNEL_VALUES_H

#include <stdint.h>

/* The kernel's values, under names of our own: its headers and libc's can't both be included. */
#define KERNEL_O_RDONLY 0
#define KERNEL_O_WRONLY 01
#define KERNEL_O_CREAT 0100
#define KERNEL_O_EXCL 0200
#define KERNEL_O_NOCTTY 0400
#define KERNEL_O_TRUNC 01000
#define KERNEL_O_NONBLOCK 04000
#define KERNEL_O_CLOEXEC 02000000
#define KERNEL_O_PATH 010000000
#define KERNEL_F_SETFD 2
#define KERNEL_F_GETFL 3
#define KERNEL_F_SETFL 4
#define KERNEL_F_DUPFD_CLOEXEC 1030
#define KERNEL_AT_FDCWD (-100)
#define KERNEL_AT_EMPTY_PATH 0x1000
#define KERNEL_SIGCHLD 17
#define KERNEL_TIOCSCTTY 0x540e
#define KERNEL_TIOCGPGRP 0x540f
#define KERNEL_TIOCSPGRP 0x5410
#define KERNEL_CLOSE_RANGE_UNSHARE (1u << 1)
#define KERNEL_CLOSE_RANGE_CLOEXEC (1u << 2)
#define KERNEL_CLONE_FILES 0x400
#define KERNEL_MS_NOSUID 2
#define KERNEL_MS_NODEV 4
#define KERNEL_MS_NOEXEC 8
#define KERNEL_MS_REC 0x4000
#define KERNEL_MS_PRIVATE 0x40000
/* struct stat differs by architecture: its size, and where st_mode is. */
#if defined(__x86_64__)
#define KERNEL_O_DIRECTORY 0200000
#define KERNEL_STAT_SIZE 144
#define KERNEL_STAT_MODE 24
#else
#define KERNEL_O_DIRECTORY 040000
#define KERNEL_STAT_SIZE 128
#define KERNEL_STAT_MODE 16
#endif

/* The kernel's, not libc's. Both architectures have the restorer (arm64 for the sake of AArch32). */
struct kernel_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  uint64_t mask;
};

#endif
