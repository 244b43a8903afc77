/**
 * Flags of clone(2) by the names of namespaces; and why others are refused.
 */

import { wrongType, wrongValue } from "../errors.js";
import { NAMESPACES } from "../program/namespaces.js";
import type { Namespace } from "../program/options.js";
import { checkArray } from "../program/validate.js";

/** What other flags would do. */
const UNSAFE: Record<string, string> = {
  CLONE_VM: "would share the memory of the host",
  CLONE_FS: "would share the directory, root and umask of the host",
  CLONE_FILES: "would share the fds of the host",
  CLONE_SIGHAND: "would share the signal handlers of the host",
  CLONE_THREAD: "would make a thread of the host, not a process",
  CLONE_VFORK: "would suspend the host until the exec",
  CLONE_PARENT: "is set anyhow",
  CLONE_PTRACE: "would hand the child to whoever traces the host",
  CLONE_UNTRACED: "is not a namespace",
  CLONE_SETTLS: "is not a namespace",
  CLONE_SYSVSEM: "would share the semaphore undo list of the host",
  CLONE_IO: "would share the I/O context of the host",
  CLONE_PIDFD: "is set anyhow",
  CLONE_CLEAR_SIGHAND: "is set anyhow",
  CLONE_INTO_CGROUP: "is not a namespace",
};

/**
 * Gives the flags of clone(2) for a list of namespaces.
 *
 * @throws TypeError ERR_INVALID_ARG_VALUE for anything else, which says why a flag of clone(2) is refused.
 */
export function namespacesOf(list: unknown, name: string): number {
  if (list === undefined) return 0;
  let flags = 0;
  checkArray(list, name).forEach((value, i) => {
    const what = `${name}[${i}]`;
    if (typeof value !== "string") throw wrongType(what, "the name of a namespace", value);
    if (Object.hasOwn(NAMESPACES, value)) flags |= NAMESPACES[value as Namespace];
    else if (Object.hasOwn(UNSAFE, value)) throw wrongValue(what, value, `can't be asked for: it ${UNSAFE[value]}`);
    else throw wrongValue(what, value, `must be one of ${Object.keys(NAMESPACES).join(", ")}`);
  });
  return flags;
}
