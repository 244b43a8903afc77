/**
 * Children of forkExec, which nobody watches: run to their end by blocking calls alone.
 */

import assert from "node:assert/strict";
import { readSync } from "node:fs";
import * as posix from "brood/posix";
import { childPath } from "./children.js";
import { parseReport, type Report } from "./report.js";

export { posix };

/** Reads an fd to its end. */
export function readToEnd(fd: number): string {
  const chunks: Buffer[] = [];
  const chunk = Buffer.alloc(65536);
  for (let n = readSync(fd, chunk); n > 0; n = readSync(fd, chunk)) chunks.push(Buffer.from(chunk.subarray(0, n)));
  return Buffer.concat(chunks).toString("latin1");
}

/** Reaps a child and closes its pidfd; gives its end in a word and a number or name: "exited 3", "killed SIGTERM". */
export function reap({ pid, pidfd }: posix.ForkedChild): string {
  const state = posix.waitid("P_PIDFD", pidfd);
  posix.close(pidfd);
  assert.ok(state !== null);
  assert.equal(state.pid, pid);
  return state.kind === "exited" ? `exited ${state.code}` : state.kind === "killed" ? `killed ${state.signal}` : state.kind;
}

/** Starts a child whose fd `fd` is a pipe, and gives what it wrote there and how it ended. */
export function forkToEnd(
  args: readonly string[],
  executables: readonly string[],
  options: posix.ForkExecOptions = {},
  fd = 1,
): { said: string; end: string } {
  const [readEnd, writeEnd] = posix.cloexecPipe();
  try {
    let child: posix.ForkedChild;
    try {
      child = posix.forkExec(args, executables, { ...options, ...entry(options, fd, writeEnd) });
    } finally {
      posix.close(writeEnd);
    }
    const said = readToEnd(readEnd);
    return { said, end: reap(child) };
  } finally {
    posix.close(readEnd);
  }
}

function entry(options: posix.ForkExecOptions, fd: number, source: number): posix.ForkExecOptions {
  const name = (["stdin", "stdout", "stderr"] as const)[fd];
  return name === undefined ? { fds: { ...options.fds, [fd]: source } } : { [name]: source };
}

/** Gives what a child with these options says of itself, over its fd `fd`. */
export function forkReport(options: posix.ForkExecOptions = {}, fd = 1, args: readonly string[] = []): Report {
  const { said, end } = forkToEnd(["report", String(fd), ...args], [childPath("report")], options, fd);
  assert.equal(end, "exited 0");
  return parseReport(said);
}
