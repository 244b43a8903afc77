/**
 * Somebody else in the process takes the status of a child of ours (waitpid(-1)).
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

interface Stolen {
  kind: string;
  code?: number;
  signal?: string;
  cause?: string;
  usage: unknown;
}

/** Lets a child end and has its status stolen before brood can look. */
function steal(script: string, more = ""): Promise<{ exit: Stolen; text: string; late: string; kill: boolean }> {
  return inNode(`
    const child = spawn("sh", ["-c", ${JSON.stringify(script)}]);
    ${more}
    child.stdin.end();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    const kill = child.kill(0);
    const exit = await child.closed;
    const text = await child.stdout.text();
    const late = await child.wait({ stopped: true }).catch((error) => error.code);
    done({ exit, text, late, kill });
  `);
}

test("15, L14: exited and closed settle though the status was stolen; the output is complete", async () => {
  const { exit, text, late, kill } = await steal("cat; echo out; exit 5");
  // From Linux 6.15 on the kernel tells the status all the same.
  if (exit.kind === "unknown") assert.equal(exit.cause, "stolen");
  else assert.deepEqual([exit.kind, exit.code], ["exited", 5]);
  assert.equal(exit.usage, null);
  assert.equal(text, "out\n");
  assert.equal(late, "ERR_EXIT");
  assert.equal(kill, false);
});

test("15: the same for a child that a signal ended, with waits pending", async () => {
  const { exit } = await steal(
    "cat; kill -KILL $$",
    "child.wait({ stopped: true, exited: true }).catch(() => {}); child.wait({ exited: true });",
  );
  if (exit.kind === "unknown") assert.equal(exit.cause, "stolen");
  else assert.deepEqual([exit.kind, exit.signal], ["killed", "SIGKILL"]);
});

test("15: run() of a command whose status can't be known is not taken for a success", async () => {
  const { reason } = await inNode<{ reason: string }>(`
    const child = spawn("sh", ["-c", "cat; exit 1"]);
    child.stdin.end();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    const error = await child.check().catch((error) => error);
    await child.closed;
    done({ reason: error.reason });
  `);
  assert.ok(reason === "unknown" || reason === "exit", reason);
});
