/*
 * One thread that lives as long as the process, and launches on behalf of others.
 *
 * The kernel sends a child's parent-death signal when the *thread* that cloned it ends (prctl(2),
 * PR_SET_PDEATHSIG). From a worker thread that would be the worker's end; users mean the process's.
 */
#include "launch.h"
#include "sys.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct launch *job;
static int done;
static int running;

static void *run(void *unused) {
  struct launch_stack stack = {NULL};
  pthread_mutex_lock(&lock);
  for (;;) {
    while (job == NULL || done) pthread_cond_wait(&changed, &lock);
    struct launch *mine = job;
    pthread_mutex_unlock(&lock);
    struct launch_stack *callers = mine->stack;
    mine->stack = &stack;
    launch_run(mine);
    mine->stack = callers;
    pthread_mutex_lock(&lock);
    done = 1;
    pthread_cond_broadcast(&changed);
  }
  return unused;
}

static int start(void) {
  pthread_t thread;
  if (running) return 0;
  uint64_t before = sys_block_signals();
  int error = sys_pthread_create(&thread, NULL, run, NULL);
  sys_unblock_signals(before);
  if (error != 0) return error;
  pthread_detach(thread);
  running = 1;
  return 0;
}

void launch_run_lasting(struct launch *launch) {
  pthread_mutex_lock(&lock);
  while (job != NULL) pthread_cond_wait(&changed, &lock);
  int error = start();
  if (error != 0) {
    launch->failure = LAUNCH_FAILED_CLONE;
    launch->error = error;
    launch->pidfd = -1;
    pthread_mutex_unlock(&lock);
    return;
  }
  job = launch;
  done = 0;
  pthread_cond_broadcast(&changed);
  while (!done || job != launch) pthread_cond_wait(&changed, &lock);
  job = NULL;
  done = 0;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
}
