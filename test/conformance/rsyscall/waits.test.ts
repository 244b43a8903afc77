/**
 * Waiting for changes of state: whose, which, when, and how often.
 */

import assert from "node:assert/strict";
import { spawn as nodeSpawn } from "node:child_process";
import { once } from "node:events";
import { type ChildState, ExitError } from "brood";
import { act, processState } from "../../helpers/act.js";
import { posix } from "../../helpers/fork.js";
import { inNode } from "../../helpers/in-node.js";
import { launch } from "../../helpers/launch.js";
import { test } from "../../helpers/test.js";

const uid = process.getuid?.();

async function inState(pid: number, letter: string): Promise<void> {
  while (processState(pid) !== letter) await new Promise(setImmediate);
}

test("R1: of four children with different parents in this process each waiter gets its own, though all end at once", async () => {
  const theirs = nodeSpawn(act, ["read", "exit", "3"], { stdio: ["pipe", "ignore", "ignore"] });
  const exited = once(theirs, "exit");
  const raw = posix.forkExec(["act", "exit", "4"], [act], { closeFds: true });
  const ours = await Promise.all([5, 6].map((code) => launch(act, ["read", "exit", String(code)])));
  await inState(raw.pid, "Z");
  for (const child of ours) child.stdin.end();
  theirs.stdin?.end();
  const states = await Promise.all(ours.map((child) => child.wait({ exited: true })));
  assert.deepEqual(
    states.map((state) => state.kind === "exited" && state.code),
    [5, 6],
  );
  assert.deepEqual(await exited, [3, null]);
  // Nobody has taken the one that nobody has asked for.
  const left = posix.waitid("P_PIDFD", raw.pidfd, { exited: true });
  assert.equal(left?.kind === "exited" && left.code, 4);
  posix.close(raw.pidfd);
  await Promise.all(ours.map((child) => child.closed));
});

test("R1: as pid 1 an orphan that comes to us is left a zombie, waitable by who asks for it", async () => {
  const result = await inNode<{ pid: number; state: string; code: number }>(
    `const child = spawn("sh", ["-c", "(read _; exit 9) <&3 & echo $!"], { fds: { 3: { pipe: "w" } } });
     const orphan = Number(await child.stdout.lines().next().then(({ value }) => value));
     await child.exited;
     child.fds.get(3).end();
     const state = () => fs.readFileSync("/proc/" + orphan + "/stat", "latin1").split(") ")[1][0];
     while (state() !== "Z") await new Promise(setImmediate);
     // Others of ours come and go.
     for (let i = 0; i < 5; i++) await run("true");
     const before = state();
     done({ pid: process.pid, state: before, code: posix.waitid("P_PID", orphan, { exited: true }).code });`,
    { wrapper: ["unshare", "-pf", "--mount-proc"] },
  );
  assert.deepEqual(result, { pid: 1, state: "Z", code: 9 });
});

test("R2: exited, killed, dumped, stopped, trapped and continued come as they are, with pid, uid, code or signal", async () => {
  const child = await launch(act, ["raise", "19", "read", "exit", "5"]);
  const { pid } = child;
  assert.deepEqual(await child.wait({ stopped: true, exited: true }), { kind: "stopped", signal: "SIGSTOP", pid, uid });
  child.kill("SIGCONT");
  assert.deepEqual(await child.wait({ continued: true, exited: true }), { kind: "continued", pid, uid });
  child.stdin.end();
  const exit = await child.wait({ exited: true, stopped: true, continued: true });
  assert.deepEqual([exit.kind, exit.pid, exit.uid, exit.kind === "exited" && exit.code], ["exited", pid, uid, 5]);
  await child.closed;

  const killed = await launch(act, ["pause"]);
  killed.kill("SIGUSR1");
  const death = await killed.wait({ exited: true });
  assert.deepEqual([death.kind, death.kind === "killed" && [death.signal, death.coreDumped]], ["killed", ["SIGUSR1", false]]);
  await killed.closed;

  const traced = await launch(act, ["traceme", "raise", "12"]);
  assert.deepEqual(await traced.wait({ stopped: true }), { kind: "trapped", signal: "SIGUSR2", pid: traced.pid, uid });
  traced.kill("SIGKILL");
  await traced.closed;
});

test("R3: a change from before the wait is told by it, one between two waits by the second", async () => {
  const child = await launch(act, ["raise", "19", "pause"]);
  await inState(child.pid, "T");
  assert.equal((await child.wait({ stopped: true })).kind, "stopped");
  child.kill("SIGCONT");
  await inState(child.pid, "S");
  assert.equal((await child.wait({ stopped: true, continued: true })).kind, "continued");
  child.kill("SIGSTOP");
  await inState(child.pid, "T");
  child.kill("SIGKILL");
  const seen = [await child.wait(), await child.wait()].map(({ kind }) => kind);
  assert.equal(seen.at(-1), "killed");
  await child.closed;
});

test("R3: a hundred changes in a row, each waited for after it was caused: none is lost, none told twice", async () => {
  const child = await launch(act, ["pause"]);
  const seen: string[] = [];
  for (let i = 0; i < 50; i++) {
    child.kill("SIGSTOP");
    seen.push((await child.wait({ stopped: true, continued: true })).kind);
    child.kill("SIGCONT");
    seen.push((await child.wait({ stopped: true, continued: true })).kind);
  }
  assert.deepEqual(seen, Array(50).fill(["stopped", "continued"]).flat());
  child.kill("SIGKILL");
  await child.closed;
});

test("R4: the end is told to whoever asks, whenever, however often", async () => {
  const child = await launch(act, ["exit", "6"]);
  const early = child.wait({ exited: true });
  const exit = await child.exited;
  for (const told of [await early, await child.wait({ exited: true }), await child.wait(), await child.closed]) {
    assert.equal(told, exit);
  }
});

test("R5: a change that a waiter did not ask for is there for the one who does; none takes another's", async () => {
  const child = await launch(act, ["pause"]);
  const told: [who: string, kind: string][] = [];
  const tell = (who: string) => (state: ChildState) => void told.push([who, state.kind]);
  const continues = child.wait({ continued: true }).then(tell("continues"));
  const stops = [1, 2].map((n) => child.wait({ stopped: true }).then(tell(`stops ${n}`)));
  const end = child.wait({ exited: true }).then(tell("end"));
  child.kill("SIGSTOP");
  await Promise.all(stops);
  child.kill("SIGCONT");
  await continues;
  child.kill("SIGSTOP");
  await inState(child.pid, "T");
  // Asked for only now.
  await child.wait({ stopped: true }).then(tell("late"));
  child.kill("SIGKILL");
  await end;
  assert.deepEqual(told.sort(), [
    ["continues", "continued"],
    ["end", "killed"],
    ["late", "stopped"],
    ["stops 1", "stopped"],
    ["stops 2", "stopped"],
  ]);
  await child.closed;
});

test("R16: a wait for nothing is refused; for what can't come any more it fails with the end, pending or late", async () => {
  const child = await launch(act, ["read", "exit", "8"]);
  await assert.rejects(child.wait({}), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  await assert.rejects(child.wait({ exited: false }), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  const withTheEnd = (error: unknown): boolean => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.exit, child.exit);
    return error.exit.kind === "exited" && error.exit.code === 8;
  };
  const pending = [{ stopped: true }, { continued: true }].map((kinds) => assert.rejects(child.wait(kinds), withTheEnd));
  child.stdin.end();
  await Promise.all(pending);
  await assert.rejects(child.wait({ stopped: true, continued: true }), withTheEnd);
  await child.closed;
});

test("R18: a wait that does not say for what gets the next change, whichever it is", async () => {
  const child = await launch(act, ["raise", "19", "pause"]);
  assert.equal((await child.wait()).kind, "stopped");
  child.kill("SIGCONT");
  assert.equal((await child.wait()).kind, "continued");
  child.kill("SIGKILL");
  assert.equal((await child.wait()).kind, "killed");
  await child.closed;
});
