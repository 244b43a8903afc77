/**
 * killGroup(): the group that a child leads, also when the leader has gone.
 */

import assert from "node:assert/strict";
import { readdirSync, readlinkSync } from "node:fs";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const MEMBER = ["fork", "on", "12", "member hit", "say", "1", "member", "pause", ";"];

test("killGroup() hits leader and members", async () => {
  const child = await launch(act, [...MEMBER, "on", "12", "leader hit", "say", "1", "leader", "pause"], { processGroup: "new" });
  assert.deepEqual([await lineOf(child.stdout), await lineOf(child.stdout)].sort(), ["leader", "member"]);
  assert.equal(child.killGroup(0), true);
  assert.equal(child.killGroup("SIGUSR2"), true);
  const text = await child.stdout.text();
  assert.deepEqual(text.trim().split("\n").sort(), ["leader hit", "member hit"]);
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 7);
  child[Symbol.dispose]();
});

test("R7: killGroup() hits the members that are left when the leader has gone", async () => {
  const child = await launch(act, [...MEMBER, "read"], { session: true });
  assert.equal(await lineOf(child.stdout), "member");
  child.stdin.end();
  const exit = await child.exited;
  assert.equal(exit.kind, "exited");
  assert.equal(child.kill(), false);
  assert.equal(child.killGroup("SIGUSR2"), true);
  assert.equal(await child.stdout.text(), "member hit\n");
  await child.closed;
  child[Symbol.dispose]();
  assert.equal(child.killGroup("SIGUSR2"), false);
});

test("killGroup() is false when nobody is left, and a leader that is not reaped yet counts as somebody", async () => {
  const child = await launch("true", [], { processGroup: "new" });
  await child.closed;
  assert.equal(child.killGroup(), false);
  assert.equal(child.killGroup(0), false);
});

test("R7: killGroup() of a child that leads no group is refused; nobody is hit", async () => {
  const child = await launch(act, ["read"]);
  assert.throws(() => child.killGroup("SIGKILL"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => child.killGroup(0), { name: "TypeError" });
  child.stdin.end();
  const exit = await child.closed;
  assert.equal(exit.kind, "exited");
  assert.throws(() => child.killGroup("SIGKILL"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
});

test("a child that made itself a leader counts as one", async () => {
  const child = await launch(act, ["setpgid", "say", "1", "ready", "pause"]);
  assert.equal(await lineOf(child.stdout), "ready");
  assert.equal(child.killGroup("SIGINT"), true);
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGINT");
});

test("what is kept to reach a group's rest goes with the last use of the child", async () => {
  const pidfds = (): number =>
    readdirSync("/proc/self/fd").filter((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`).includes("pidfd");
      } catch {
        return false;
      }
    }).length;
  const before = pidfds();
  await (async () => {
    const child = await launch(act, ["fork", "say", "1", "member", "count", "0", ";", "close", "0"], {
      processGroup: "new",
      stdin: "socket",
    });
    assert.equal(await lineOf(child.stdout), "member");
    const exit = await child.exited;
    assert.equal(exit.kind, "exited");
    assert.equal(child.killGroup(0), true);
    assert.equal(pidfds(), before + 1);
    // The member ends when its fd 0 does.
    child.stdin.destroy();
    await child.closed;
  })();
  for (let i = 0; i < 200 && pidfds() > before; i++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.equal(pidfds(), before);
});
