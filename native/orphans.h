/*
 * Children whose JavaScript environment has ended before them: without a reaper they would stay
 * zombies for as long as the process lives. The only global state of the addon, besides the probe's
 * result and the lasting thread.
 */
#ifndef BROOD_ORPHANS_H
#define BROOD_ORPHANS_H

/* Takes over pidfd; the child is reaped when it ends, by a thread that lives while there are any. */
void orphans_adopt(int pidfd);

#endif
