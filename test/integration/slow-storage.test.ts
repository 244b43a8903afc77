/**
 * An executable whose opening takes its time, as on a network's file system: who waits for it. Made by a write lease that
 * another process holds on it, test/children/lease.c.
 */

import assert from "node:assert/strict";
import { closeSync, copyFileSync, readSync, writeSync } from "node:fs";
import { type Child, type SpawnOptions, spawn, spawnAsync } from "brood";
import { SpawnHost } from "brood/host";
import { cloexecPipe } from "brood/posix";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

function program(files: TemporaryFiles): string {
  copyFileSync(childPath("nothing"), files.path("program"));
  return files.path("program");
}

const THROUGH: Record<string, (file: string) => Promise<Child<SpawnOptions>>> = {
  "SpawnHost.spawn": async (file) => {
    const host = await SpawnHost.start();
    try {
      return await host.spawn(file, [], { stdio: "ignore" });
    } finally {
      await host[Symbol.asyncDispose]();
    }
  },
  spawnAsync: (file) => spawnAsync(file, [], { stdio: "ignore" }),
};

for (const [name, start] of Object.entries(THROUGH)) {
  test(`${name} leaves the event loop alone while the executable is being opened`, async () => {
    using files = new TemporaryFiles();
    const file = program(files);
    const holder = spawn(childPath("lease"), [file], { stderr: "ignore" });
    const lines = holder.stdout.lines();
    holder.stdin.write("t");
    assert.equal((await lines.next()).value, "held");
    let started = false;
    const starting = start(file).then((child) => {
      started = true;
      return child;
    });
    // This is read by the event loop while exec waits, and only we let it go on.
    assert.equal((await lines.next()).value, "asked");
    assert.equal(started, false);
    holder.stdin.write("r");
    assert.equal((await lines.next()).value, "given up");
    const child = await starting;
    assert.equal((await child.closed).kind, "exited");
    holder.stdin.end();
    await holder.closed;
  });
}

test("spawn returns when the executable has been opened, however long that takes", async () => {
  using files = new TemporaryFiles();
  const file = program(files);
  const [letters, toHolder] = cloexecPipe();
  const [fromHolder, said] = cloexecPipe();
  const holder = spawn(childPath("lease"), [file, "1"], { stdin: letters, stdout: said, stderr: "ignore" });
  for (const fd of [letters, said]) closeSync(fd);
  const bytes = Buffer.alloc(100);
  const heard = (): string => bytes.toString("utf8", 0, readSync(fromHolder, bytes));
  writeSync(toHolder, "t");
  assert.equal(heard(), "held\n");
  const child = spawn(file, [], { stdio: "ignore" });
  // What the holder writes before it gives the lease up is there when spawn has returned, at once.
  assert.equal(heard(), "asked\ngiven up\n");
  await child.closed;
  for (const fd of [toHolder, fromHolder]) closeSync(fd);
  await holder.closed;
});
