/**
 * Which processes of a child wait for input.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { type Child, spawn } from "brood";
import { close, openpty } from "brood/posix";
import { childrenOf, nameOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

/** Looks until it sees one that waits. */
async function waiting(child: Child): Promise<[pid: number, command: string, on: string]> {
  for (;;) {
    const [first, ...others] = child.waitingForInput();
    assert.deepEqual(others, []);
    if (first !== undefined) return [first.pid, first.command, first.on];
    assert.equal(child.exit, null);
    await new Promise(setImmediate);
  }
}

/** Resolves when a process blocks in a system call of that fd. */
async function blockedOn(pid: number, fd: number): Promise<void> {
  while (readFileSync(`/proc/${pid}/syscall`, "utf8").split(" ")[1] !== `0x${fd}`) await new Promise(setImmediate);
}

test("a child that reads its standard input is seen to wait, until it gets something", async () => {
  await using child = spawn("sh", ["-c", "read line; echo got $line; exec sleep 60"]);
  assert.deepEqual(await waiting(child), [child.pid, 'sh -c "read line; echo got $line; exec sleep 60"', "pipe"]);
  child.stdin.write("a line\n");
  assert.equal((await child.stdout.lines().next()).value, "got a line");
  assert.deepEqual(child.waitingForInput(), []);
});

test("one below it that reads the same pipe is seen, and one that reads from another process is not", async () => {
  await using child = spawn("bash", ["-c", "sleep 60 | cat & cat; wait"], { processGroup: "new" });
  const [pid, command, on] = await waiting(child);
  assert.deepEqual([command, on], ["cat", "pipe"]);
  let other: number | undefined;
  while (other === undefined) {
    other = childrenOf(child.pid).find((one) => one !== pid && nameOf(one) === "cat");
    await new Promise(setImmediate);
  }
  await blockedOn(other, 0);
  assert.deepEqual(child.waitingForInput(), [{ pid, command, on }]);
  child.killTree("SIGKILL");
});

test("one that reads a terminal is seen, whatever its fds 0 to 2 are", async () => {
  const [master, slave] = openpty();
  const options = { session: true, controllingTerminal: 3, fds: { 3: slave }, stdin: "ignore" } as const;
  await using child = spawn("sh", ["-c", "read word </dev/tty; exit 5"], options);
  close(slave);
  assert.deepEqual((await waiting(child)).slice(2), ["terminal"]);
  child.kill("SIGKILL");
  await child.exited;
  assert.deepEqual(child.waitingForInput(), []);
  close(master);
});

test("what a command that is contained has started is seen, too", async () => {
  await using child = spawn("sh", ["-c", "(setsid sh -c 'read line <&3' &) ; exec sleep 60"], {
    contain: "keeper",
    fds: { 3: { pipe: "w" } },
    stdin: "ignore",
  });
  assert.deepEqual((await waiting(child)).slice(1), ["sh -c read line <&3", "pipe"]);
});
