/**
 * Errors for people: what ran, where, how it ended, and the last lines of stderr, in a line or two.
 */

import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { ExitError, type RunOptions, run } from "brood";
import { act } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

async function messageOf(file: string, args: string[], options: RunOptions = {}): Promise<string> {
  try {
    await run(file, args, options);
  } catch (error) {
    assert.ok(error instanceof Error);
    assert.ok(error.message.split("\n").length <= 2, error.message);
    return error.message;
  }
  throw new Error("it ended well");
}

const sh = (script: string, options?: RunOptions): Promise<string> => messageOf("sh", ["-c", script], options);

test("the command and its end", async () => {
  assert.equal(await messageOf("false", []), "false exited with code 1");
  assert.equal(await messageOf(act, ["exit", "3"]), `${act} exit 3 exited with code 3`);
  assert.match(await sh("kill -KILL $$"), /^sh -c "kill -KILL \$\$" was killed by SIGKILL/);
});

test("the last lines of stderr, the last three of them", async () => {
  assert.match(await sh("echo why >&2; exit 1"), / exited with code 1: why$/);
  assert.match(await sh("for i in 1 2 3 4 5; do echo line $i >&2; done; exit 1"), /: line 3 \| line 4 \| line 5$/);
  assert.match(await sh("echo; echo out; echo err >&2; echo >&2; exit 1"), /: err$/);
  const long = await sh("head -c 5000 /dev/zero | tr '\\0' x >&2; exit 1");
  assert.ok(long.length < 400 && long.endsWith("xxx..."), long);
  assert.match(await sh("echo why >&2; exit 1", { encoding: "buffer" }), /: why$/);
});

test("no colours, nothing that moves a terminal", async () => {
  const message = await sh("printf '\\033[31;1merror:\\033[0m 10%%\\r20%%\\a bad\\n' >&2; exit 1");
  assert.doesNotMatch(message, /[\x00-\x1f]/);
  assert.match(message, /error:/);
  assert.match(message, /bad$/);
});

test("where it ran, if a directory was given", async () => {
  assert.equal(await messageOf("false", [], { cwd: "/usr" }), "false (in /usr) exited with code 1");
  assert.equal(await messageOf("false", [], { cwd: pathToFileURL("/usr") }), "false (in /usr) exited with code 1");
  const fd = openSync("/usr", "r");
  assert.equal(await messageOf("false", [], { cwd: fd }), `false (in fd ${fd}) exited with code 1`);
  closeSync(fd);
  assert.match(
    await messageOf("sleep", ["30"], { cwd: "/usr", timeout: 50 }),
    /^sleep 30 \(in \/usr\) ran longer than 50 ms, and was/,
  );
  const child = await launch("false", [], { cwd: "/usr" });
  await assert.rejects(child.check(), { message: "false (in /usr) exited with code 1" });
  await child.closed;
});

test("a long command is shortened, and words that need it are quoted", async () => {
  const message = await messageOf("false", ["two words", "x".repeat(500)]);
  assert.match(message, /^false "two words" x+\.\.\. exited with code 1$/);
  assert.ok(message.length < 200);
});

test("an ExitError has everything that a result has", async () => {
  await assert.rejects(run("sh", ["-c", "echo out; exit 4"]), (error) => {
    assert.ok(error instanceof ExitError);
    const { name, code, command, args, stdout, stderr, reason, drained, heldBy, omitted, durationMs } = error;
    assert.deepEqual(
      { name, code, command, args, stdout, stderr, reason, drained, heldBy, omitted },
      {
        name: "ExitError",
        code: "ERR_EXIT",
        command: "sh",
        args: ["-c", "echo out; exit 4"],
        stdout: "out\n",
        stderr: "",
        reason: "exit",
        drained: true,
        heldBy: [],
        omitted: {},
      },
    );
    assert.ok(durationMs > 0);
    assert.equal(JSON.parse(JSON.stringify(error)).exit.code, 4);
    return true;
  });
});
