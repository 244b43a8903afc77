/**
 * Signals: to a child, and to any process.
 */

import assert from "node:assert/strict";
import { spawn } from "brood";
import { act } from "../../helpers/act.js";
import { posix, reap } from "../../helpers/fork.js";
import { stateOf } from "../../helpers/processes.js";
import { test } from "../../helpers/test.js";

test("L8: signal 0 probes: true for a live child, which goes on; false for one that has exited but isn't reaped", async () => {
  const child = spawn(act, ["read"]);
  assert.equal(child.kill(0), true);
  child.kill("SIGTERM");
  // The event loop has no turn meanwhile, so nothing reaps it.
  while (stateOf(child.pid) !== "Z") {}
  assert.deepEqual([child.kill(0), child.kill("SIGKILL")], [false, false]);
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGTERM");
});

test("L8: posix.kill reaches arbitrary processes, and 0 tells whether there is one", () => {
  posix.kill(process.pid, 0);
  const child = posix.forkExec(["cat"], ["/bin/cat"], { stdin: "ignore", stdout: "ignore" });
  posix.kill(child.pid, "SIGTERM");
  const { pid } = child;
  reap(child);
  assert.throws(() => posix.kill(pid, 0), { code: "ESRCH", syscall: "kill" });
});
