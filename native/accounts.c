/* See accounts.h. getpwnam_r(3), getgrouplist(3). */
#include "accounts.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

static int find_groups(const char *name, struct account *account) {
  int room = 32;
  for (;;) {
    gid_t *groups = malloc((size_t)room * sizeof *groups);
    if (groups == NULL) return ENOMEM;
    int n = room;
    if (getgrouplist(name, account->gid, groups, &n) >= 0) {
      account->groups = groups;
      account->n_groups = n;
      return 0;
    }
    free(groups);
    if (n <= room) n = room * 2;
    room = n;
  }
}

int account_find(const char *name, uid_t uid, struct account *account) {
  size_t size = 1024;
  for (;;) {
    char *text = malloc(size);
    if (text == NULL) return ENOMEM;
    struct passwd entry, *found = NULL;
    int error = name != NULL ? getpwnam_r(name, &entry, text, size, &found)
                             : getpwuid_r(uid, &entry, text, size, &found);
    if (error == 0 && found != NULL) {
      account->uid = entry.pw_uid;
      account->gid = entry.pw_gid;
      error = find_groups(entry.pw_name, account);
      free(text);
      return error;
    }
    free(text);
    if (error == EINTR) continue;
    if (error == ERANGE && size < 1 << 24) {
      size *= 2;
      continue;
    }
    /* Several errnos say "not found", see the manual's notes. */
    return error == 0 || error == ENOENT || error == ESRCH || error == EBADF || error == EPERM
               ? -1
               : error;
  }
}
