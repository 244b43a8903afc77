/*
 * Fault injection behind the seam of sys.h: which call is to fail, when, and with what.
 * Part of test builds only (-DBROOD_FAULTS).
 */
#include <string.h>

#include "sys.h"

static struct {
  int skip;
  int count;
  int error;
} faults[SYS_CALL_COUNT];

/* Calls may come from any thread; a test injects while no other thread spawns. */
int sys_fault(enum sys_call call) {
  if (faults[call].count == 0) return 0;
  if (faults[call].skip > 0) {
    faults[call].skip--;
    return 0;
  }
  faults[call].count--;
  return faults[call].error;
}

/* Lets `skip` calls of that name pass, then fails `count` with `error`. Returns how many failures of
 * the injection before have not come about, or -1: no such call. */
int sys_fault_inject(const char *name, int skip, int count, int error) {
  static const char *const names[] = {
#define X(name) #name,
      SYS_CALLS(X)
#undef X
  };
  for (int i = 0; i < SYS_CALL_COUNT; i++) {
    if (strcmp(names[i], name) != 0) continue;
    int left = faults[i].count;
    faults[i].skip = skip;
    faults[i].count = count;
    faults[i].error = error;
    return left;
  }
  return -1;
}
