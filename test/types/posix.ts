/**
 * Types only: compiled, never run. What brood/posix takes and gives.
 */

import type { ChildState } from "brood";
import { cloexecPipe, type ForkedChild, forkExec, kill, pidfdSendSignal, socketpair, waitid } from "brood/posix";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_: Equal<A, B>): void {}

export function results(): void {
  const child = forkExec(["ls"], ["/bin/ls"]);
  same<typeof child, ForkedChild>(true);
  const state = waitid("P_PIDFD", child.pidfd, { noHang: true });
  same<typeof state, ChildState | null>(true);
  const pipe = cloexecPipe();
  same<typeof pipe, [readEnd: number, writeEnd: number]>(true);
}

export function taken(stream: NodeJS.ReadableStream): void {
  forkExec([Buffer.from("ls")], [new URL("file:///bin/ls")], {
    stdin: -1,
    stdout: 5,
    stderr: { dup: 1 },
    fds: { 3: "ignore", 4: { file: "/etc/passwd" }, 5: stream },
    fdsToKeep: [7, 7],
    rlimits: { nofile: 64 },
  });
  kill(1, 0);
  pidfdSendSignal(3, "SIGTERM", { scope: "processGroup" });
  socketpair("seqpacket");
}

export function refused(): void {
  // @ts-expect-error a pipe would have no other end here
  forkExec(["ls"], ["/bin/ls"], { stdout: "pipe" });
  // @ts-expect-error said by args[0]
  forkExec(["ls"], ["/bin/ls"], { argv0: "ls" });
  // @ts-expect-error any child
  waitid("P_ALL", 0);
  // @ts-expect-error raw sockets
  socketpair("raw");
}
