/**
 * An executable whose opening takes its time, as on a network's file system: who waits for it. Made by a write lease that
 * another process holds on it, test/children/lease.c.
 */

import assert from "node:assert/strict";
import { closeSync, copyFileSync, readSync, writeSync } from "node:fs";
import { type Child, type SpawnOptions, spawn, spawnAsync } from "brood";
import { SpawnHost } from "brood/host";
import { cloexecPipe } from "brood/posix";
import { act } from "../helpers/act.js";
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

const ENDS: Record<string, (host: SpawnHost) => unknown> = {
  "is killed": (host) => process.kill(host.pid as number, "SIGKILL"),
  "is disposed of": (host) => host[Symbol.asyncDispose](),
};

for (const [what, end] of Object.entries(ENDS)) {
  test(`a host that ${what} while an executable is being opened: the request fails meanwhile, and its child never executes`, async () => {
    using files = new TemporaryFiles();
    const file = files.path("program");
    copyFileSync(act, file);
    const holder = spawn(childPath("lease"), [file], { stderr: "ignore" });
    const lines = holder.stdout.lines();
    holder.stdin.write("t");
    assert.equal((await lines.next()).value, "held");
    const host = await SpawnHost.start({ restart: false });
    const [heard, said] = cloexecPipe();
    const starting = host.spawn(file, ["say", "1", "executed"], { stdin: "ignore", stdout: said, stderr: "ignore" });
    closeSync(said);
    assert.equal((await lines.next()).value, "asked");
    await Promise.all([end(host), assert.rejects(starting, { name: "SpawnError", code: "ERR_HOST_ENDED" })]);
    holder.stdin.end("r");
    await holder.closed;
    assert.equal(readSync(heard, Buffer.alloc(100)), 0);
    closeSync(heard);
    await host[Symbol.asyncDispose]();
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
