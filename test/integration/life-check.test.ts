/**
 * check(): a clean end, or an error that tells everything.
 */

import assert from "node:assert/strict";
import { BroodError, ExitError } from "brood";
import { act } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("check() gives the state of a clean end", async () => {
  const child = await launch("true");
  const exit = await child.check();
  assert.equal(exit.kind === "exited" && exit.code, 0);
  assert.equal(await child.check(), exit);
  await child.closed;
});

test("R6: check() throws an ExitError with state, command and words for an exit code", async () => {
  const child = await launch(act, ["exit", "42"]);
  await assert.rejects(child.check(), (error) => {
    assert.ok(error instanceof ExitError && error instanceof BroodError);
    assert.equal(error.code, "ERR_EXIT");
    assert.equal(error.command, act);
    assert.deepEqual(error.args, ["exit", "42"]);
    assert.equal(error.exit, child.exit);
    assert.equal(error.reason, "exit");
    assert.match(error.message, /act exit 42 exited with code 42$/);
    assert.equal(JSON.parse(JSON.stringify(error)).exit.code, 42);
    return true;
  });
  await child.closed;
});

test("check() throws an ExitError for a signal that we didn't send on anyone's behalf", async () => {
  const child = await launch(act, ["raise", "14"]);
  await assert.rejects(child.check(), (error) => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.reason, "signal");
    assert.match(error.message, /was killed by SIGALRM/);
    return true;
  });
  await child.closed;
});

test("check() of a child that we terminated: exit code 0 is clean, a signal is not", async () => {
  const polite = await launch(act, ["ignore", "15", "say", "1", "x", "read"]);
  await new Promise((resolve) => polite.stdout.once("readable", resolve));
  const ended = polite.terminate();
  polite.stdin.end();
  await ended;
  assert.equal((await polite.check()).kind, "exited");
  await polite.closed;

  const child = await launch(act, ["pause"]);
  await child.terminate();
  await assert.rejects(child.check(), (error) => error instanceof ExitError && error.reason === "terminated");
  await child.closed;
});

test("38: a check() that is awaited late keeps its error, and one per call", async () => {
  const child = await launch(act, ["exit", "1"]);
  const first = child.check();
  const second = child.check();
  first.catch(() => {});
  await assert.rejects(second, ExitError);
  await child.closed;
  await assert.rejects(first, ExitError);
});

test("check() refuses what is no signal", async () => {
  const child = await launch("true");
  await assert.rejects(child.check({ signal: {} as never }), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  await assert.rejects(child.check({ timeout: 1 } as never), { name: "TypeError", code: "ERR_UNKNOWN_OPTION" });
  await child.closed;
});
