/**
 * How an end is found, and told.
 */

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { spawn } from "brood";
import { inFaultyNode } from "../../fault/faulty-node.js";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { inNode } from "../../helpers/in-node.js";
import { ended, stateOf } from "../../helpers/processes.js";
import { test } from "../../helpers/test.js";

test("L1: an end is told as exit status or signal, never both, with core flag, uid and usage", async () => {
  const exited = await spawn(act, ["exit", "42"]).closed;
  assert.ok(exited.kind === "exited" && !("signal" in exited));
  assert.deepEqual([exited.code, exited.uid], [42, process.getuid?.()]);
  assert.ok(exited.usage !== null && exited.usage.minorFaults > 0);
  const killed = await spawn(act, ["raise", "15"]).closed;
  assert.ok(killed.kind === "killed" && !("code" in killed));
  assert.deepEqual([killed.signal, killed.coreDumped], ["SIGTERM", false]);
});

test("L1: every exit status and every signal that ends a process come through", async () => {
  for (const code of [0, 1, 2, 126, 127, 128, 255]) {
    const exit = await spawn(act, ["exit", String(code)]).closed;
    assert.equal(exit.kind === "exited" && exit.code, code);
  }
  for (const [number, name] of [
    [1, "SIGHUP"],
    [9, "SIGKILL"],
    [14, "SIGALRM"],
    [40, "SIGRTMIN+6"],
  ] as const) {
    const exit = await spawn(act, ["raise", String(number)]).closed;
    assert.equal(exit.kind === "killed" && exit.signal, name);
  }
});

test("L7: other children of the process stay waitable by whoever started them", async () => {
  const result = await inNode<object>(
    `import { spawn as nodeSpawn } from "node:child_process";
     const unwatched = posix.forkExec(["sh", "-c", "exit 3"], ["/bin/sh"]);
     const theirs = nodeSpawn("sh", ["-c", "exit 4"]);
     const their = new Promise((resolve) => theirs.on("exit", resolve));
     // Many wake-ups of ours, while theirs are zombies too.
     for (let i = 0; i < 20; i++) await spawn("true").closed;
     const state = posix.waitid("P_PIDFD", unwatched.pidfd);
     posix.close(unwatched.pidfd);
     done([state.code, await their]);`,
  );
  assert.deepEqual(result, [3, 4]);
});

test("L7: everything that has ended is reaped before the first callback runs", async () => {
  const children = Array.from({ length: 20 }, () => spawn(act, ["read"]));
  const seen: boolean[] = [];
  for (const child of children) {
    void child.exited.then(() => {
      if (seen.length === 0) seen.push(...children.map(({ pid }) => existsSync(`/proc/${pid}`)));
    });
  }
  for (const child of children) child.kill("SIGKILL");
  // All are zombies before the event loop gets its turn.
  for (const { pid } of children) while (stateOf(pid) !== "Z") {}
  await Promise.all(children.map(({ closed }) => closed));
  assert.deepEqual(seen, Array(20).fill(false));
});

test("L7: an interrupted wait goes on, and a child whose status has gone settles", async () => {
  const kinds = await inFaultyNode<string[]>(
    `await run("true");
     const kinds = [];
     for (const [errno, count] of [["EINTR", 5], ["ECHILD", 1]]) {
       const child = spawn("true", [], { stdio: "ignore" });
       posix.waitid("P_PID", child.pid, { noWait: true });
       fail("waitid", errno, 0, count);
       kinds.push((await child.closed).kind, String(clear("waitid")));
     }
     done(kinds);`,
    undefined,
  );
  assert.deepEqual(kinds.slice(0, 2), ["exited", "0"]);
  // Where a wait fails with ECHILD the kernel may still tell the end.
  assert.ok(["unknown", "exited"].includes(kinds[2] as string), kinds[2]);
  assert.equal(kinds[3], "0");
});

test("L12: a child that has no callback and no waiter is reaped", async () => {
  const pids = Array.from({ length: 5 }, () => spawn("true", [], { stdio: "ignore" }).pid);
  for (const pid of pids) await ended(pid);
  while (pids.some((pid) => stateOf(pid) !== undefined)) await new Promise(setImmediate);
});

test("L13: a callback may spawn, kill and dispose of any child of its own batch", async () => {
  const children = Array.from({ length: 12 }, () => spawn(act, ["read"]));
  const more: Promise<unknown>[] = [];
  const told = children.map(async (child, i) => {
    const { kind } = await child.exited;
    children[(i + 1) % 12]?.kill("SIGTERM");
    children[(i + 2) % 12]?.[Symbol.dispose]();
    more.push(spawn("true").closed);
    return kind;
  });
  for (const child of children) child.kill("SIGKILL");
  for (const { pid } of children) while (stateOf(pid) !== "Z") {}
  assert.deepEqual(await Promise.all(told), Array(12).fill("killed"));
  assert.equal((await Promise.all(more)).length, 12);
});

test("L13: an unexpected error of one wait neither ends the process nor stops the other exits", async () => {
  const result = await inFaultyNode<{ kinds: string[]; left: number }>(
    `await run("true");
     const children = Array.from({ length: 6 }, () => spawn("true", [], { stdio: "ignore" }));
     for (const { pid } of children) posix.waitid("P_PID", pid, { noWait: true });
     // Both ways of waiting for the second child fail with what waitid(2) never gives.
     fail("waitid", "EIO", 1, 2);
     const kinds = (await Promise.all(children.map((child) => child.closed))).map(({ kind }) => kind);
     const left = clear("waitid");
     // It may be told as unknown, but not be left as a zombie of ours.
     for (const { pid } of children) try { posix.waitid("P_PID", pid, { noHang: true }); } catch { /* brood was faster */ }
     done({ kinds, left });`,
    undefined,
  );
  assert.equal(result.left, 0);
  assert.equal(result.kinds.filter((kind) => kind === "exited").length >= 5, true);
});

test("L14: exited settles though the status was stolen; where the kernel can't tell, the end is of unknown kind", async () => {
  const stolen = (asked: string): Promise<{ kind: string; cause?: string; code?: number; usage: unknown }> =>
    inNode(
      `const filter = { exports: {} };
       process.dlopen(filter, ${JSON.stringify(childPath("filter_addon"))});
       const child = spawn("sh", ["-c", "cat; exit 5"]);
       child.stdin.end();
       process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
       ${asked}
       done(await child.closed);`,
    );
  // PIDFD_GET_INFO is an ioctl: refused, as where it is older than Linux 6.15.
  const { kind, cause, usage } = await stolen(`filter.exports.install("ioctl=ENOSYS");`);
  assert.deepEqual([kind, cause, usage], ["unknown", "stolen", null]);
  const exit = await stolen("");
  if (exit.kind === "unknown") assert.equal(exit.cause, "stolen");
  else assert.deepEqual([exit.kind, exit.code], ["exited", 5]);
  assert.equal(exit.usage, null);
});

test("L15: when the end is told the child has been reaped, takes no signal, and holds no event loop", async () => {
  const child = spawn(act, ["read"]);
  child.stdin.end();
  await child.exited;
  assert.equal(existsSync(`/proc/${child.pid}`), false);
  assert.deepEqual([child.kill(0), child.kill("SIGKILL")], [false, false]);
  await child.closed;
  const out = await inNode<string>(
    `const child = spawn("true", [], { stdio: "ignore" });
     child.exited.then(() => process.on("exit", () => done("the loop was left")));`,
  );
  assert.equal(out, "the loop was left");
});
