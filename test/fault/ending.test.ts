/**
 * Faults where environments ask each other to end their children.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode } from "./faulty-node.js";

test("an environment that could not take part leaves nothing behind, and can later; twice it can't", async () => {
  const results = await inFaultyNode<(number | boolean)[]>(
    `await run("true");
     const compare = takeStock();
     const results = [];
     for (const [call, code] of [["malloc", "ENOMEM"], ["fcntl", "EMFILE"], ["epoll_ctl", "ENOMEM"]]) {
       fail(call, code);
       results.push(addon().endingJoin());
       clear(call);
       await compare();
     }
     results.push(addon().endingJoin() >= 0, addon().endingJoin());
     done(results);`,
    undefined,
  );
  assert.deepEqual(results, [-12, -24, -12, true, -17]);
});

test("a signal for which nobody else can be asked ends the children of the main thread", async () => {
  const reason = await inFaultyNode<string>(
    `process.on("SIGHUP", () => {});
     brood.installSignalCleanup();
     const child = spawn("sleep", ["100"]);
     fail("fcntl", "EMFILE");
     process.kill(process.pid, "SIGHUP");
     await child.exited;
     if (clear("fcntl") !== 0) throw new Error("nobody was to be asked");
     done(child.reason);`,
    undefined,
  );
  assert.equal(reason, "parent-exit");
});
