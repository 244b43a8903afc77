/* See ending.h. */
#include "ending.h"

#include <stdlib.h>
#include <sys/eventfd.h>

#include "sys.h"

struct ending {
  int event; /* a copy, ours */
  int kill;
  int64_t asked; /* the number of the last question, 0: none */
  int64_t heard;
  int64_t answered;
  struct ending *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct ending *endings;
static struct ending *last_asker;

/* Runs under the lock. */
static void tell(const struct ending *ending) {
  uint64_t one = 1;
  if (write(ending->event, &one, sizeof one) < 0) {
    /* The counter is full: readable all the same. */
  }
}

int ending_join(int event, struct ending **result) {
  struct ending *ending = sys_malloc(sizeof *ending);
  if (ending == NULL) return ENOMEM;
  *ending = (struct ending){.event = sys_fcntl(event, F_DUPFD_CLOEXEC, 0)};
  if (ending->event < 0) {
    int error = errno;
    free(ending);
    return error;
  }
  pthread_mutex_lock(&lock);
  ending->next = endings;
  endings = ending;
  pthread_mutex_unlock(&lock);
  *result = ending;
  return 0;
}

void ending_leave(struct ending *ending) {
  pthread_mutex_lock(&lock);
  struct ending **link = &endings;
  while (*link != ending) link = &(*link)->next;
  *link = ending->next;
  if (last_asker == ending) last_asker = NULL;
  else if (last_asker != NULL) tell(last_asker);
  pthread_mutex_unlock(&lock);
  close(ending->event);
  free(ending);
}

int ending_ask(struct ending *asker, int kill) {
  int n = 0;
  pthread_mutex_lock(&lock);
  last_asker = asker;
  for (struct ending *ending = endings; ending != NULL; ending = ending->next) {
    if (ending == asker) continue;
    ending->asked++;
    ending->kill |= kill;
    tell(ending);
    n++;
  }
  pthread_mutex_unlock(&lock);
  return n;
}

int64_t ending_take(struct ending *ending) {
  pthread_mutex_lock(&lock);
  int64_t question = ending->asked > ending->heard ? ending->asked * 2 + ending->kill : 0;
  ending->heard = ending->asked;
  pthread_mutex_unlock(&lock);
  return question;
}

void ending_answer(struct ending *ending, int64_t question) {
  pthread_mutex_lock(&lock);
  if (question > ending->answered) ending->answered = question;
  if (last_asker != NULL) tell(last_asker);
  pthread_mutex_unlock(&lock);
}

int ending_left(int heard) {
  int n = 0;
  pthread_mutex_lock(&lock);
  for (const struct ending *ending = endings; ending != NULL; ending = ending->next)
    if (ending->answered < ending->asked && (!heard || ending->heard == ending->asked)) n++;
  pthread_mutex_unlock(&lock);
  return n;
}
