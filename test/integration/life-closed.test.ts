/**
 * exited and closed are two facts: the end of the child, and the end of its pipes.
 */

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { run } from "brood";
import { act, filling, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("exited gives code, pid, uid and usage; closed gives the same state", async () => {
  const child = await launch(act, ["exit", "3"]);
  const exit = await child.exited;
  assert.equal(exit.kind === "exited" && exit.code, 3);
  assert.equal(exit.pid, child.pid);
  assert.equal(exit.uid, process.getuid?.());
  assert.equal(child.exit, exit);
  assert.equal(child.reason, "exit");
  assert.equal(await child.closed, exit);
  assert.equal(await child.exited, exit);
});

test("a child without pipes is closed when it has exited", async () => {
  const child = await launch("true", [], { stdio: "ignore" });
  assert.equal(await child.closed, await child.exited);
});

test("25: exited doesn't wait for a grandchild that holds the pipe, closed does; inspect tells for which fd", async () => {
  const child = await launch(
    act,
    ["fork", "ignore", "1", "read", "say", "1", "late", "fill", "1", "200000", ";", "say", "1", "early"],
    {
      fds: { 5: { pipe: "w" } },
    },
  );
  // Its fd 0 ends when the child has exited; fd 2 is held, too.
  const exit = await child.exited;
  assert.equal(exit.kind, "exited");
  assert.match(inspect(child), /exited 0.*still held by another process: fd 1/);
  let closed = false;
  void child.closed.then(() => {
    closed = true;
  });
  assert.equal(await lineOf(child.stdout), "early");
  assert.equal(await lineOf(child.stdout), "late");
  assert.equal(closed, false);
  assert.ok((await child.stdout.bytes()).equals(filling(200_000)));
  await child.closed;
});

test("25: run's output is complete, with what a grandchild writes after the command has exited", async () => {
  const { stdout, exit } = await run(act, ["fill", "1", "1000", "fork", "fill", "1", "300000", ";"], { encoding: "buffer" });
  assert.equal(exit.kind, "exited");
  assert.ok(stdout.equals(Buffer.concat([filling(1000), filling(300_000)])));
});

test("25: an untouched stream that a grandchild held finds its end when that is gone", async () => {
  const child = await launch(act, ["fork", "read", "fill", "2", "60000", "say", "1", "late", ";", "say", "1", "early"]);
  await child.exited;
  await child.closed;
  assert.equal(await child.stdout.text(), "early\nlate\n");
  assert.equal((await child.stderr.bytes()).length, 60_000);
});

test("38: exited and closed asked for late, or never, reject nothing", async () => {
  const child = await launch(act, ["exit", "1"]);
  await child.closed;
  await new Promise(setImmediate);
  const exit = await child.exited;
  assert.equal(exit.kind === "exited" && exit.code, 1);
});
