/*
 * filter RULE... -- COMMAND ARG...: runs a command under a seccomp filter, which binds this thread and its descendants.
 * Rules are such as
 *
 *   clone3=ENOSYS   pidfd_open=EPERM   execve=KILL   clone:0x1000=EPERM
 *
 * A call named twice gets the first rule. KILL is a SIGSYS for the whole process. A number after the name: only where
 * one of these bits of the call's first argument is set. seccomp(2); the filter sees registers, so what clone3 takes in
 * memory can't be told apart.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILTER_RULES 32

static const struct {
  const char *name;
  int number;
} filter_calls[] = {
    {"clone3", SYS_clone3},
    {"clone", SYS_clone},
#ifdef SYS_vfork
    {"vfork", SYS_vfork},
#endif
    {"execve", SYS_execve},
    {"close_range", SYS_close_range},
    {"close", SYS_close},
    {"getdents64", SYS_getdents64},
    {"ioctl", SYS_ioctl},
    {"pidfd_open", SYS_pidfd_open},
    {"pidfd_send_signal", SYS_pidfd_send_signal},
    {"setsid", SYS_setsid},
};

static const struct {
  const char *name;
  unsigned action;
} filter_actions[] = {
    {"KILL", SECCOMP_RET_KILL_PROCESS},
    {"ENOSYS", SECCOMP_RET_ERRNO | ENOSYS},
    {"EPERM", SECCOMP_RET_ERRNO | EPERM},
    {"EINTR", SECCOMP_RET_ERRNO | EINTR},
};

static int filter_compile(const char *rule, struct sock_filter *out) {
  size_t length = strcspn(rule, ":=");
  unsigned long bits = rule[length] == ':' ? strtoul(rule + length + 1, NULL, 0) : 0;
  const char *action = strchr(rule, '=');
  if (action == NULL) return -1;
  for (size_t i = 0; i < sizeof filter_calls / sizeof *filter_calls; i++) {
    if (strlen(filter_calls[i].name) != length || strncmp(filter_calls[i].name, rule, length) != 0) continue;
    for (size_t k = 0; k < sizeof filter_actions / sizeof *filter_actions; k++) {
      if (strcmp(filter_actions[k].name, action + 1) != 0) continue;
      const struct sock_filter code[] = {
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)filter_calls[i].number, 0, 3),
          BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
          BPF_JUMP(BPF_JMP | (bits != 0 ? BPF_JSET : BPF_JGE) | BPF_K, (unsigned)bits, 0, 1),
          BPF_STMT(BPF_RET | BPF_K, filter_actions[k].action),
      };
      memcpy(out, code, sizeof code);
      return sizeof code / sizeof *code;
    }
  }
  return -1;
}

/* Returns 0, or an errno; EINVAL for a rule that can't be read. */
static int filter_install(const char *const *rules, int count) {
  struct sock_filter code[FILTER_RULES * 5 + 1];
  int n = 0;
  if (count > FILTER_RULES) return EINVAL;
  for (int i = 0; i < count; i++) {
    int more = filter_compile(rules[i], code + n);
    if (more < 0) return EINVAL;
    n += more;
  }
  code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0) return errno;
  return 0;
}

#ifndef FILTER_ADDON
int main(int argc, char **argv) {
  int i = 1;
  while (i < argc && strcmp(argv[i], "--") != 0) i++;
  if (i + 1 >= argc) return 2;
  int error = filter_install((const char *const *)argv + 1, i - 1);
  if (error == 0) execvp(argv[i + 1], argv + i + 1);
  fprintf(stderr, "filter: %s\n", strerror(error != 0 ? error : errno));
  return 1;
}
#endif
