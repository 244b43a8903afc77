/**
 * lines(): how text is cut into lines, and what leaving the loop does.
 */

import assert from "node:assert/strict";
import { TimeoutError } from "brood";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

async function linesOf(script: string): Promise<string[]> {
  const child = await launch("sh", ["-c", script]);
  const lines: string[] = [];
  for await (const line of child.stdout.lines()) {
    lines.push(line);
    // Each line asks for the next: what the script prints after a `read` is a chunk of its own.
    if (child.stdin.writable) child.stdin.write("\n");
  }
  await child.closed;
  return lines;
}

test("lines() takes off \\n and \\r\\n, and keeps empty lines and lone \\r", async () => {
  assert.deepEqual(await linesOf("printf 'a\\r\\nb\\n\\n\\r\\nc\\rd\\n'"), ["a", "b", "", "", "c\rd"]);
});

test("lines() gives a last line that lacks its end, and nothing after one that has it", async () => {
  assert.deepEqual(await linesOf("printf 'a\\nb'"), ["a", "b"]);
  assert.deepEqual(await linesOf("printf 'a\\nb\\n'"), ["a", "b"]);
  assert.deepEqual(await linesOf(":"), []);
});

test("lines() joins a line, a \\r\\n and a character that came in two chunks", async () => {
  assert.deepEqual(await linesOf("printf '1\\nhal'; read _; printf 'f\\n'"), ["1", "half"]);
  assert.deepEqual(await linesOf("printf '1\\nx\\r'; read _; printf '\\ny'"), ["1", "x", "y"]);
  assert.deepEqual(await linesOf("printf '1\\n\\303'; read _; printf '\\274\\n'"), ["1", "ü"]);
});

test("lines() gives lines longer than a chunk and than the pipe", async () => {
  const long = "x".repeat(200_000);
  assert.deepEqual(await linesOf(`printf '%0200000d\\n%s' 0 end | tr 0 x`), [long, "end"]);
});

test("leaving the loop over lines() destroys the stream, and a child that goes on writing gets SIGPIPE", async () => {
  const child = await launch("sh", ["-c", "while :; do echo line; done"]);
  for await (const line of child.stdout.lines()) {
    assert.equal(line, "line");
    break;
  }
  assert.equal(child.stdout.destroyed, true);
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGPIPE");
});

test("lines() of a stream that was cut gives the line that was under way, then the error", async () => {
  const child = await launch("sh", ["-c", "printf 'one\\nun'; sleep 100 & wait"], { timeout: 200, processGroup: "new" });
  const lines: string[] = [];
  await assert.rejects(async () => {
    for await (const line of child.stdout.lines()) lines.push(line);
  }, TimeoutError);
  assert.deepEqual(lines, ["one", "un"]);
  await child.closed;
  assert.equal(child.killGroup("SIGKILL"), true);
  // Lets go of what is kept to reach its group.
  child[Symbol.dispose]();
});
