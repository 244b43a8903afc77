/**
 * What holds the event loop.
 */

import assert from "node:assert/strict";
import { runNode } from "../../helpers/node.js";
import { test } from "../../helpers/test.js";

async function printed(code: string): Promise<string> {
  const { stdout, stderr, code: status } = await runNode(code);
  assert.deepEqual([stderr, status], ["", 0]);
  return stdout;
}

test("L11: a live child keeps the event loop alive, also with no pipe, listener or await", async () => {
  const out = await printed(
    `const child = spawn("sleep", ["0.1"], { stdio: "ignore" });
     process.on("exit", () => console.log(child.exit?.kind));`,
  );
  assert.equal(out, "exited\n");
});

test("L11: unref lets go, whatever waits and reads; ref holds again", async () => {
  const out = await printed(
    `const one = spawn("sleep", ["100"]).unref();
     one.stdout.on("data", () => {});
     one.exited.then(() => console.log("never"));
     const other = spawn("sleep", ["0.1"], { stdio: "ignore" }).unref().unref().ref();
     process.on("exit", () => console.log(one.exit, other.exit?.kind));`,
  );
  assert.equal(out, "null exited\n");
});
