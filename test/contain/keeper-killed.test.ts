/**
 * A keeper that is killed: the command's state is unknown, what can still be found is ended, and the rest is listed.
 */

import assert from "node:assert/strict";
import { spawn } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { runNode } from "../helpers/node.js";
import { parentOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

test("keeper: the command and those below it are ended, its state is unknown", () =>
  withMark(async (mark) => {
    const family = ["fork", "fork", "say", "1", "ready", "pause", ";", "pause", ";", "pause"];
    const child = spawn(act, family, { contain: "keeper", env: mark.env });
    await lineOf(child.stdout);
    process.kill(parentOf(child.pid), "SIGKILL");
    const exit = await child.closed;
    assert.equal(exit.kind === "unknown" && exit.cause, "keeper");
    assert.equal(child.reason, "unknown");
    assert.deepEqual(await mark.settle(), []);
    assert.deepEqual(child.containment?.survivors, []);
    await child[Symbol.asyncDispose]();
  }));

test("keeper: also those whose parents had ended, if they had been seen before", () =>
  withMark(async (mark) => {
    const child = spawn(childPath("torture"), ["stay"], { contain: "keeper", env: mark.env });
    await lineOf(child.stdout);
    assert.equal(child.descendants().length, 9);
    process.kill(parentOf(child.pid), "SIGKILL");
    await child.closed;
    assert.deepEqual(await mark.settle(), []);
    assert.equal(child.containment?.ended.length, 9);
    await child[Symbol.asyncDispose]();
  }));

test("keeper: of those that were never seen only the ones in the command's own group or session are found", () =>
  withMark(async (mark) => {
    const child = spawn(childPath("torture"), ["stay"], { contain: "keeper", env: mark.env, session: true });
    await lineOf(child.stdout);
    process.kill(parentOf(child.pid), "SIGKILL");
    await child.exited;
    // Those with a session of their own and without a parent: "orphan session", "daemonised", "reparented".
    assert.equal((await mark.settle(3)).length, 3);
    await mark.clean();
    await child[Symbol.asyncDispose]();
  }));

test("namespace: the kernel ends everything with its pid 1", () =>
  withMark(async (mark) => {
    const child = spawn(childPath("torture"), ["stay"], { contain: "namespace", env: mark.env });
    await lineOf(child.stdout);
    process.kill(parentOf(child.pid), "SIGKILL");
    const exit = await child.closed;
    assert.equal(exit.kind === "unknown" && exit.cause, "keeper");
    assert.deepEqual(mark.living(), []);
  }));

test("cgroup: a watcher that is killed is started again, and does what it is there for", () =>
  withMark(async (mark) => {
    const code = `
      import { once } from "node:events";
      const child = spawn(${JSON.stringify(childPath("torture"))}, ["stay"], { contain: "cgroup", env: ${JSON.stringify(mark.env)} });
      await once(child.stdout, "data");
      const [watcher] = watchers();
      process.kill(watcher, "SIGKILL");
      const isOther = (now) => now.length === 1 && now[0] !== watcher;
      while (!isOther(watchers())) await new Promise(setImmediate);
      process.kill(process.pid, "SIGKILL");`;
    const helpers = JSON.stringify(import.meta.resolve("../helpers/processes.js"));
    await runNode(`import { watchersOf } from ${helpers};\nconst watchers = () => watchersOf(process.pid);\n${code}`);
    assert.deepEqual(await mark.settle(), []);
  }));
