/*
 * A signal that ends the process is heard by the main thread's environment alone. Here it asks the others to end their
 * children, and learns when they have. Each takes part by an eventfd in its monitor's set.
 *
 * The functions may be called from any environment's thread.
 */
#ifndef BROOD_ENDING_H
#define BROOD_ENDING_H

#include <stdint.h>

struct ending;

/* An environment takes part from now on; `event` is written to when it is asked, or when one that it has asked answers. It
 * stays the caller's: a copy is kept. Returns 0 or an errno. */
int ending_join(int event, struct ending **result);
/* Its environment has ended: nothing more is to be had of it. */
void ending_leave(struct ending *ending);

/* Asks all others to end their children; `kill`: at once. Who asks last is told of the answers. Returns how many were asked. */
int ending_ask(struct ending *asker, int kill);
/* What this one has been asked, from then on known to have heard it: 0 nothing new, else the number of the question, for the
 * answer, times two, plus `kill`. */
int64_t ending_take(struct ending *ending);
/* All that it was asked up to that question is done. */
void ending_answer(struct ending *ending, int64_t question);
/* How many have yet to answer; `heard`: of those that have heard what they are asked. */
int ending_left(int heard);

#endif
