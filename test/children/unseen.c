/*
 * Becomes a process that is easily overlooked, and stays it:
 *
 *   thread   a thread pauses, and the first one ends: /proc and ps(1) show a zombie
 *   vfork    a child that shares its memory pauses, and it waits for that in the kernel
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void *pause_for_ever(void *unused) {
  for (;;) pause();
  return unused;
}

int main(int argc, char **argv) {
  pthread_t thread;
  if (argc != 2) return 99;
  if (!strcmp(argv[1], "vfork")) {
    if (vfork() == 0) pause_for_ever(NULL);
  } else if (pthread_create(&thread, NULL, pause_for_ever, NULL) == 0) {
    pthread_exit(NULL);
  }
  return 98;
}
