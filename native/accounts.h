/*
 * Accounts, asked of libc, so that every source that the system knows (files, LDAP, ...) counts.
 * Blocks as long as those sources do.
 */
#ifndef BROOD_ACCOUNTS_H
#define BROOD_ACCOUNTS_H

#include <stdint.h>
#include <sys/types.h>

struct account {
  uid_t uid;
  gid_t gid;
  gid_t *groups; /* malloc'ed, the caller's; the primary group among them */
  int n_groups;
};

/* By name, or with name NULL by uid. 0, an errno, or -1 if there is no such account. */
int account_find(const char *name, uid_t uid, struct account *account);

#endif
