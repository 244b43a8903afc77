/*
 * The terminal as a job-control shell handles it: who has its foreground, and its modes; and how one is made.
 *
 * tcsetpgrp(3), tcsetattr(3). Both change a terminal that may not be ours at that moment: the calling
 * thread blocks SIGTTOU meanwhile, or the process would be stopped. All functions return >= 0 or a
 * negated errno, run in the calling thread, and keep nothing.
 */
#ifndef BROOD_TERMINAL_H
#define BROOD_TERMINAL_H

#include <stddef.h>
#include <sys/types.h>

/* The foreground group of the controlling terminal on fd; 0: one of another pid namespace. -ENOTTY: fd is
 * not our controlling terminal. -EIO: it has hung up. */
pid_t terminal_group(int fd);
int terminal_set_group(int fd, pid_t group);
/* Copies a struct termios out, which is opaque to JavaScript. Returns its size; -ERANGE: no room. */
int terminal_modes(int fd, void *modes, size_t size);
int terminal_set_modes(int fd, const void *modes, size_t size);
/* Makes a pseudo-terminal, pty(7): the master and its slave, both close-on-exec, nobody's controlling terminal, and the
 * caller's from then on. On failure nothing is left open. */
int terminal_open(int pair[2]);
/* Its columns and rows, by either end. Who has its foreground is told by SIGWINCH where they change. */
int terminal_set_size(int fd, unsigned short columns, unsigned short rows);

#endif
