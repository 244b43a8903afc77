/**
 * A contained spawn in which one system call of ours fails, each in turn: one clear error, and nothing of it is left.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode, type Outcome } from "./faulty-node.js";

const GOOD = { said: "hello", exit: "exited 0" };
const failed = (code: string, stage: string) => ({ name: "SpawnError", code, stage });

const FAULTS: { call: string; errno: string; options: object; first: object[] }[] = [
  { call: "socketpair", errno: "EMFILE", options: { contain: "keeper" }, first: [failed("EMFILE", "report")] },
  { call: "recvmsg", errno: "EMFILE", options: { contain: "keeper" }, first: [failed("EMFILE", "pidfd")] },
  { call: "recvmsg", errno: "EMFILE", options: { contain: "namespace" }, first: [failed("EMFILE", "pidfd")] },
  { call: "clone", errno: "EAGAIN", options: { contain: "keeper" }, first: [failed("EAGAIN", "clone")] },
  { call: "clone", errno: "EAGAIN", options: { contain: "cgroup" }, first: [failed("EAGAIN", "clone")] },
  {
    call: "epoll_ctl",
    errno: "ENOMEM",
    options: { contain: "keeper" },
    first: [failed("ENOMEM", "watch"), failed("ENOMEM", "watch")],
  },
  { call: "socketpair", errno: "EMFILE", options: { namespaces: ["user"] }, first: [failed("EMFILE", "report")] },
  { call: "pthread_create", errno: "EAGAIN", options: { namespaces: ["user"] }, first: [failed("EAGAIN", "report")] },
];

for (const { call, errno, options, first } of FAULTS) {
  test(`${JSON.stringify(options)}: ${call} fails with ${errno}: one error, nothing left, and the next spawn works`, async () => {
    const outcomes = await inFaultyNode<Outcome[]>(
      `await run("true", ${JSON.stringify(options)});
       done(await positions("${call}", "${errno}", ${JSON.stringify(options)}));`,
      undefined,
    );
    assert.deepEqual(outcomes.slice(0, first.length), first);
    for (const outcome of outcomes.slice(first.length)) assert.deepEqual(outcome, GOOD);
  });
}

for (const [contain, descendants, skip] of [
  ["keeper", "leave", 2],
  ["cgroup", "wait", 1],
] as const) {
  test(`${contain}: where the epoll set takes no more nobody waits for ever for what is told through it`, async () => {
    const said = await inFaultyNode<[exit: number, left: number]>(
      `await run("true", { contain: "${contain}" });
       const [read, write] = posix.cloexecPipe();
       const none = { stdin: "ignore", stdout: "ignore", stderr: "ignore" };
       fail("epoll_ctl", "ENOSPC", ${skip});
       const child = spawn("sh", ["-c", "cat <&3 & exit 3"], { ...none, fds: { 3: read }, contain: "${contain}", descendants: "${descendants}" });
       const { code } = await child.exited;
       posix.close(read);
       posix.close(write);
       await child.closed;
       done([code, clear("epoll_ctl")]);`,
      undefined,
    );
    assert.deepEqual(said, [3, 0]);
  });
}
