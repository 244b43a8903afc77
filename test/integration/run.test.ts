import assert from "node:assert/strict";
import { ExitError, run } from "brood";
import { test } from "../helpers/test.js";

test("run gives output, state, usage and duration of a command that fails, without throwing if asked", async () => {
  const result = await run("sh", ["-c", "echo hi; echo err >&2; exit 3"], { reject: false });
  assert.equal(result.stdout, "hi\n");
  assert.equal(result.stderr, "err\n");
  assert.equal(result.exit.kind, "exited");
  assert.equal(result.exit.kind === "exited" && result.exit.code, 3);
  assert.equal(result.reason, "exit");
  assert.ok(result.durationMs > 0);
  assert.ok(result.exit.usage !== null && result.exit.usage.userCPU >= 0);
});

test("run throws an ExitError that carries the result of a command that fails", async () => {
  await assert.rejects(run("sh", ["-c", "echo hi; echo err >&2; exit 3"]), (error) => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.code, "ERR_EXIT");
    assert.equal(error.stdout, "hi\n");
    assert.equal(error.stderr, "err\n");
    assert.equal(error.exit.kind === "exited" && error.exit.code, 3);
    assert.match(error.message, /exited with code 3: err$/);
    return true;
  });
});
