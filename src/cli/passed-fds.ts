/**
 * Which fds `--pass-fd` may name: those that the command was started with. Node has opened others by the time that any code
 * of ours runs, from the lowest free number up, and has made all close-on-exec, so that flags don't tell them apart. What
 * they are does.
 */

import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { UsageError } from "./usage-error.js";

/** What Node's event loops are made of. anon_inode names of the kernel's. */
const NODES = /^anon_inode:\[(?:eventpoll|eventfd|io_uring)\]$/;

function linkOf(fd: number | string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

/** O_RDONLY or O_WRONLY of the fd's flags: which end of a pipe it is. */
function endOf(fd: string): number {
  const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
  return Number.parseInt(flags, 8) & 3;
}

/** Whether we have both ends of a pipe, as Node has of those by which it tells itself of signals. */
function isOwnPipe(link: string): boolean {
  if (!link.startsWith("pipe:")) return false;
  const fds = readdirSync("/proc/self/fd").filter((fd) => linkOf(fd) === link);
  return new Set(fds.map(endOf)).size > 1;
}

/** @throws UsageError for an fd of Node's own. One that isn't open is the spawn's to refuse. */
export function checkPassedFds(fds: readonly number[]): void {
  for (const fd of fds) {
    const link = fd > 2 ? linkOf(fd) : "";
    if (!NODES.test(link) && !isOwnPipe(link)) continue;
    throw new UsageError(`--pass-fd names fd ${fd}, which brood was not started with: it is one of Node's own (${link})`);
  }
}
