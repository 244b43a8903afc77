/**
 * The single calls of brood/posix, on children that nobody watches and on others.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readSync, writeSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { spawn } from "brood";
import { act } from "../helpers/act.js";
import { forkToEnd, posix, reap } from "../helpers/fork.js";
import { inNode } from "../helpers/in-node.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

/** A child that has said "ready", and the end of a pipe on which it then waits. */
function ready(args: readonly string[], options: posix.ForkExecOptions = {}): { child: posix.ForkedChild; let: () => void } {
  const [stdin, input] = posix.cloexecPipe();
  const [output, stdout] = posix.cloexecPipe();
  const child = posix.forkExec(["act", ...args], [act], { ...options, stdin, stdout });
  posix.close(stdin);
  posix.close(stdout);
  assert.equal(readSync(output, Buffer.alloc(64)), 6);
  posix.close(output);
  return { child, let: () => posix.close(input) };
}

test("waitid gives an end as exit code or signal, with pid, uid and usage, and only once", () => {
  const child = posix.forkExec(["act", "exit", "7"], [act]);
  const state = posix.waitid("P_PID", child.pid);
  assert.ok(state?.kind === "exited" && state.usage !== null);
  assert.deepEqual([state.code, state.pid, state.uid], [7, child.pid, process.getuid?.()]);
  assert.ok(state.usage.userCPU >= 0 && state.usage.minorFaults > 0);
  for (const [type, id] of [
    ["P_PID", child.pid],
    ["P_PIDFD", child.pidfd],
  ] as const) {
    assert.throws(() => posix.waitid(type, id, { noHang: true }), { code: "ECHILD", syscall: "waitid", errno: -10 });
  }
  posix.close(child.pidfd);
  assert.equal(reap(posix.forkExec(["act", "raise", "9"], [act])), "killed SIGKILL");
});

test("waitid with noHang is null while nothing has changed; with noWait the state stays", () => {
  const { child, let: go } = ready(["say", "1", "ready", "read", "exit", "3"]);
  assert.equal(posix.waitid("P_PIDFD", child.pidfd, { noHang: true }), null);
  go();
  const first = posix.waitid("P_PIDFD", child.pidfd, { noWait: true });
  const again = posix.waitid("P_PID", child.pid, { noWait: true, noHang: true });
  assert.deepEqual([first?.kind, again?.kind], ["exited", "exited"]);
  assert.equal(reap(child), "exited 3");
});

test("waitid gives stops and continues to whoever asks for them alone", () => {
  const { child, let: go } = ready(["say", "1", "ready", "read"]);
  assert.equal(posix.waitid("P_PID", child.pid, { stopped: true, continued: true, noHang: true }), null);
  posix.kill(child.pid, "SIGSTOP");
  const stopped = posix.waitid("P_PIDFD", child.pidfd, { stopped: true });
  assert.deepEqual([stopped?.kind, stopped?.kind === "stopped" && stopped.signal], ["stopped", "SIGSTOP"]);
  posix.pidfdSendSignal(child.pidfd, "SIGCONT");
  assert.equal(posix.waitid("P_PID", child.pid, { exited: true, noHang: true }), null);
  assert.equal(posix.waitid("P_PID", child.pid, { continued: true })?.kind, "continued");
  go();
  assert.equal(reap(child), "exited 0");
});

test("waitid goes on when a signal interrupts it", async () => {
  const result = await inNode<object>(
    `let handled = 0;
     process.on("SIGUSR1", () => handled++);
     const script = "kill -USR1 $PPID; kill -USR1 $PPID; exec sleep 0.2";
     const child = posix.forkExec(["sh", "-c", script], ["/bin/sh"]);
     const state = posix.waitid("P_PIDFD", child.pidfd);
     while (handled === 0) await new Promise(setImmediate);
     done({ kind: state.kind, code: state.code });`,
  );
  assert.deepEqual(result, { kind: "exited", code: 0 });
});

test("waitid may look at a child of spawn() without taking its end", async () => {
  const child = spawn("true");
  assert.equal(posix.waitid("P_PID", child.pid, { noWait: true })?.kind, "exited");
  assert.equal((await child.closed).kind, "exited");
});

test("kill and pidfdSendSignal reach the process, 0 only asks; a pidfd outlives the number's meaning", () => {
  const { child, let: go } = ready(["say", "1", "ready", "read"]);
  posix.kill(child.pid, 0);
  posix.pidfdSendSignal(child.pidfd, 0);
  const own = posix.pidfdOpen(child.pid);
  assert.equal(self.getCloexec(own), 1);
  posix.pidfdSendSignal(own, "SIGTERM");
  assert.equal(posix.waitid("P_PIDFD", own)?.kind, "killed");
  for (const pidfd of [own, child.pidfd]) {
    assert.throws(() => posix.pidfdSendSignal(pidfd, 0), { code: "ESRCH", syscall: "pidfd_send_signal" });
    posix.close(pidfd);
  }
  assert.throws(() => posix.kill(child.pid, 0), { code: "ESRCH", syscall: "kill", errno: -3 });
  go();
});

test("killpg reaches a group and nobody else", () => {
  const { child, let: go } = ready(["fork", "pause", ";", "say", "1", "ready", "pause"], { processGroup: "new" });
  const other = ready(["say", "1", "ready", "read"]);
  posix.killpg(child.pid, 0);
  posix.killpg(child.pid, "SIGKILL");
  assert.equal(reap(child), "killed SIGKILL");
  other.let();
  assert.equal(reap(other.child), "exited 0");
  go();
});

test("pidfdSendSignal with a scope: a group, from Linux 6.9 on; before, EINVAL says that there is none", () => {
  const { child, let: go } = ready(["say", "1", "ready", "pause"], { processGroup: "new" });
  try {
    posix.pidfdSendSignal(child.pidfd, "SIGINT", { scope: "processGroup" });
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, "EINVAL");
    posix.kill(child.pid, "SIGINT");
  }
  assert.equal(reap(child), "killed SIGINT");
  go();
});

test("EPERM is told: a process of another user", async () => {
  const result = await inNode<object>(
    `const child = posix.forkExec(["sleep", "60"], ["/bin/sleep"], { uid: 1234, gid: 1234, groups: [], processGroup: "new" });
     process.seteuid(65533);
     const codes = [];
     for (const call of [() => posix.kill(child.pid, "SIGKILL"), () => posix.pidfdSendSignal(child.pidfd, 0), () => posix.killpg(child.pid, 0)])
       try { call(); codes.push("sent"); } catch (error) { codes.push(error.code + " " + error.errno); }
     process.seteuid(0);
     posix.kill(child.pid, "SIGKILL");
     done([...codes, posix.waitid("P_PIDFD", child.pidfd).signal]);`,
  );
  assert.deepEqual(result, ["EPERM -1", "EPERM -1", "EPERM -1", "SIGKILL"]);
});

test("socketpair: both ways, close-on-exec; messages keep their bounds where they are asked for", () => {
  for (const type of ["stream", "seqpacket", "dgram"] as const) {
    const [one, other] = posix.socketpair(type);
    assert.deepEqual([self.getCloexec(one), self.getCloexec(other)], [1, 1]);
    writeSync(one, "ab");
    writeSync(one, "c");
    writeSync(other, "back");
    const bytes = Buffer.alloc(8);
    assert.equal(readSync(other, bytes), type === "stream" ? 3 : 2);
    assert.equal(bytes.toString("latin1", 0, readSync(one, bytes)), "back");
    posix.close(one);
    posix.close(other);
  }
});

test("a socketpair is a child's stdin and stdout at once", () => {
  const [ours, childs] = posix.socketpair();
  const child = posix.forkExec(["cat"], ["/bin/cat"], { stdin: childs, stdout: childs });
  posix.close(childs);
  writeSync(ours, "there and back");
  const bytes = Buffer.alloc(64);
  assert.equal(bytes.toString("latin1", 0, readSync(ours, bytes)), "there and back");
  posix.close(ours);
  assert.equal(reap(child), "exited 0");
});

test("close closes once; a second time is EBADF", () => {
  const [readEnd, writeEnd] = posix.cloexecPipe();
  posix.close(readEnd);
  assert.throws(() => posix.close(readEnd), { code: "EBADF", syscall: "close" });
  posix.close(writeEnd);
});

test("forkExec from a worker: the child has the worker's environment, is the process's own, and outlives the worker", async () => {
  const url = JSON.stringify(import.meta.resolve("../helpers/fork.js"));
  const worker = new Worker(
    `const { parentPort } = require("node:worker_threads");
     import(${url}).then(({ posix }) => {
       process.env.OF_WORKER = "yes";
       const [stdin, input] = posix.cloexecPipe();
       const [output, stdout] = posix.cloexecPipe();
       const child = posix.forkExec(["sh", "-c", "echo $OF_WORKER; read _; exit 5"], ["/bin/sh"], { stdin, stdout });
       posix.close(stdin);
       posix.close(stdout);
       parentPort.postMessage({ child, input, output });
     });`,
    { eval: true, trackUnmanagedFds: false },
  );
  const [[{ child, input, output }]] = await Promise.all([once(worker, "message"), once(worker, "exit")]);
  assert.equal(posix.waitid("P_PIDFD", child.pidfd, { noHang: true }), null);
  const bytes = Buffer.alloc(16);
  assert.equal(bytes.toString("latin1", 0, readSync(output, bytes)), "yes\n");
  posix.close(input);
  assert.equal(reap(child), "exited 5");
  posix.close(output);
});

test("forkExec: a thousand children in a row leave nothing", () => {
  for (let i = 0; i < 1000; i++) {
    const child = posix.forkExec(["nothing"], ["/bin/true"]);
    if (i % 100 === 0) assert.equal(reap(child), "exited 0");
    else {
      posix.waitid("P_PID", child.pid);
      posix.close(child.pidfd);
    }
  }
  assert.equal(forkToEnd(["echo", "ok"], ["/bin/echo"]).said, "ok\n");
});
