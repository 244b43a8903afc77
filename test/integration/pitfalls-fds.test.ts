/**
 * Fds of ours that are closed at bad moments: twice, or inside of the callback that their own readiness brought. And pipes
 * that the kernel makes smaller than usual.
 */

import assert from "node:assert/strict";
import { closeSync, fstatSync, openSync } from "node:fs";
import { act } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

/** Opens a file of its own inode under each fd number that is free below the highest one in use. */
function occupy(n: number): { fd: number; inode: number }[] {
  return Array.from({ length: n }, () => {
    const fd = openSync("/dev/null", "r");
    return { fd, inode: fstatSync(fd).ino };
  });
}

test("PITFALL 8: what is closed, destroyed and disposed again and again closes nobody else's fd", async () => {
  for (let round = 0; round < 20; round++) {
    const child = await launch(act, ["say", "1", "x", "read"], { fds: { 3: "socket" } });
    const streams = [child.stdin, child.stdout, child.stderr, child.fds.get(3)];
    for (const stream of streams) stream?.destroy();
    // They take the numbers that have just become free.
    const strangers = occupy(8);
    for (const stream of streams) stream?.destroy();
    child.kill("SIGKILL");
    await child.exited;
    strangers.push(...occupy(4));
    child[Symbol.dispose]();
    child[Symbol.dispose]();
    await child[Symbol.asyncDispose]();
    await child.terminate();
    for (const stream of streams) stream?.destroy();
    assert.equal(child.kill(), false);
    await child.closed;
    for (const { fd, inode } of strangers) {
      assert.equal(fstatSync(fd).ino, inode);
      closeSync(fd);
    }
  }
});

test("PITFALL 36: a stream destroyed in its own callback, where a new child takes over the fd's number", async () => {
  const seen: string[] = [];
  for (let round = 0; round < 50; round++) {
    const first = await launch(act, ["say", "1", "first", "read"]);
    const startSecond = () => {
      first.stdout.destroy();
      first.stderr.destroy();
      first.stdin.destroy();
      return launch(act, ["say", "1", `second ${round}`, "read"]);
    };
    const second = await new Promise<Awaited<ReturnType<typeof startSecond>>>((resolve, reject) => {
      first.stdout.once("data", () => startSecond().then(resolve, reject));
    });
    second.stdin.end();
    seen.push((await second.stdout.text()).trim());
    await Promise.all([first.closed, second.closed]);
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, (_, round) => `second ${round}`),
  );
});

test("PITFALL 29: an ordinary user's pipes beyond the 1024th are small, and lose nothing", async () => {
  const { stdout } = await runNode(
    `await run("true");
     if (process.getuid() === 0) {
       process.setgroups([]);
       process.setgid(4321);
       process.setuid(4321);
     }
     const fds = Object.fromEntries(Array.from({ length: 1100 }, (_, i) => [i + 3, "pipe"]));
     const holder = spawn("sleep", ["60"], { fds, closeFds: true });
     const full = spawn("sleep", ["60"], { stdout: "ignore", stderr: "ignore" });
     full.stdin.write(Buffer.alloc(65536));
     for (let i = 0; i < 5; i++) await new Promise(setImmediate);
     const small = full.stdin.writableLength > 0;
     const input = "0123456789".repeat(200_000);
     const { stdout } = await run("cat", [], { input });
     console.log(small, stdout === input);
     holder.kill("SIGKILL");
     full.kill("SIGKILL");
     await Promise.all([holder.closed, full.closed]);`,
  );
  assert.equal(stdout, "true true\n");
});
