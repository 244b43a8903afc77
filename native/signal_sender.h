/*
 * Who sent a signal that JavaScript handles: the kernel (a terminal's Ctrl-C, which goes to a whole process
 * group) or some process. libuv's handler does not keep it; ours stands in front of that one, counts, and
 * calls it. sigaction(2), SA_SIGINFO.
 */
#ifndef BROOD_SIGNAL_SENDER_H
#define BROOD_SIGNAL_SENDER_H

enum signal_sender { SENDER_UNKNOWN, SENDER_KERNEL, SENDER_PROCESS };

/* Counts that signal's senders from now on, until its handler is set anew. It must have a handler: -EINVAL. */
int signal_sender_trace(int signal);
/* Takes one signal off the count, a process's first: enum signal_sender. */
int signal_sender_take(int signal);

#endif
