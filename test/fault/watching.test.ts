/**
 * Faults in a child's later life: its pipes, its signals, the waiting for it, the threads that serve it.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode } from "./faulty-node.js";

test("a pipe that could not enter the epoll set loses nothing while the child lives on", async () => {
  const said = await inFaultyNode<string[][]>(
    `await run("true");
     const all = [];
     for (const skip of [1, 2, 3]) {
       const compare = takeStock();
       fail("epoll_ctl", "ENOMEM", skip);
       const child = spawn("cat");
       const lines = child.stdout.lines();
       const said = [];
       for (const word of ["one", "two", "three"]) {
         // The answer comes when we are waiting for it, and the child is not about to end.
         const answer = lines.next();
         await new Promise(setImmediate);
         child.stdin.write(word + "\\n");
         said.push((await answer).value);
       }
       child.stdin.end();
       await child.closed;
       clear("epoll_ctl");
       await compare();
       all.push(said);
     }
     done(all);`,
    undefined,
  );
  assert.deepEqual(said, Array(3).fill(["one", "two", "three"]));
});

test("a write that finds a full pipe, and no memory for its registration, goes on", async () => {
  const length = await inFaultyNode<number>(
    `await run("true");
     fail("epoll_ctl", "ENOMEM", 1, 3);
     const child = spawn("cat");
     const said = child.stdout.bytes();
     child.stdin.end(Buffer.alloc(1 << 20));
     done((await said).length);
     await child.closed;`,
    undefined,
  );
  assert.equal(length, 1 << 20);
});

test("a failed read ends that stream with its error, a failed write that write: the child is closed all the same", async () => {
  const result = await inFaultyNode<{ read: string; write: string; exits: string[] }>(
    `await run("true");
     const compare = takeStock();
     fail("read", "EIO");
     let child = spawn("cat");
     const exits = [];
     child.stdin.end("hello");
     const read = await child.stdout.text().then(() => "none", (error) => error.code + " " + error.syscall);
     exits.push((await child.closed).kind);
     clear("read");
     fail("write", "EIO");
     child = spawn("cat");
     const write = await new Promise((resolve) => child.stdin.write("hello", (error) => resolve(error.code + " " + error.syscall)));
     child.stdin.destroy();
     exits.push((await child.closed).kind);
     clear("write");
     await compare();
     done({ read, write, exits });`,
    undefined,
  );
  assert.deepEqual(result, { read: "EIO read", write: "EIO write", exits: ["exited", "exited"] });
});

test("what was read before a read failed comes first, then the error; an interrupted one costs no byte", async () => {
  const outcomes = await inFaultyNode<{ errno: string; skip: number; bytes: number; right: boolean; error: string }[]>(
    `await run("true");
     const outcomes = [];
     for (const errno of ["EINTR", "EIO"]) for (const buffer of [undefined, new Uint8Array(1 << 18)]) for (let skip = 0; skip < 4; skip++) {
       fail("read", errno, skip, errno === "EINTR" ? 2 : undefined);
       const child = spawn(process.execPath, ["-e", "process.stdout.write(Buffer.alloc(1 << 20, 'brood'))"]);
       const chunks = [];
       let error = "none";
       try {
         for await (const chunk of child.stdout.iterator({ ...(buffer && { buffer }) })) chunks.push(Buffer.from(chunk));
       } catch (reason) {
         error = reason.code;
       }
       clear("read");
       child.stdout.destroy();
       child.kill("SIGKILL");
       await child.closed;
       const all = Buffer.concat(chunks);
       outcomes.push({ errno, skip, bytes: all.length, right: all.equals(Buffer.alloc(1 << 20, "brood").subarray(0, all.length)), error });
     }
     done(outcomes);`,
    undefined,
  );
  for (const { errno, skip, bytes, right, error } of outcomes) {
    assert.equal(right, true);
    if (errno === "EINTR") assert.deepEqual([bytes, error], [1 << 20, "none"]);
    else assert.deepEqual([bytes > 0, error], [skip > 0, "EIO"]);
  }
});

test("PITFALL 9: the wait for an ended child fails unexpectedly, twice: no fd is left, and exited settles", async () => {
  const kinds = await inFaultyNode<string[]>(
    `await run("true");
     const fds = () => fs.readdirSync("/proc/self/fd").length;
     const before = fds();
     const child = spawn("cat");
     fail("waitid", "EINVAL", 0, 2);
     child.stdin.end();
     const exit = await child.exited;
     await child.closed;
     clear("waitid");
     done([exit.kind, String(fds() - before)]);`,
    undefined,
  );
  // The kernel (6.15 and later) may tell the status even so.
  assert.ok(["unknown", "exited"].includes(kinds[0] as string), kinds[0]);
  assert.equal(kinds[1], "0");
});

for (const errno of ["ENOSYS", "EPERM"]) {
  test(`PITFALL 12: pidfd_send_signal refused with ${errno}: the child is signalled by its number, never after its end`, async () => {
    const result = await inFaultyNode<object>(
      `await run("true");
       const child = spawn("cat", [], { processGroup: "new" });
       fail("pidfd_send_signal", ${JSON.stringify(errno)}, 0, 1000);
       const probed = [child.kill(0), child.killGroup(0)];
       const sent = child.kill("SIGTERM");
       const exit = await child.closed;
       const late = child.kill("SIGTERM");
       done({ probed, sent, late, signal: exit.signal });`,
      undefined,
    );
    assert.deepEqual(result, { probed: [true, true], sent: true, late: false, signal: "SIGTERM" });
  });
}

test("no thread for stops and continues: that wait fails with EAGAIN, the next one works", async () => {
  const result = await inFaultyNode<object>(
    `// The first wait of all creates what stays.
     const first = spawn("cat");
     const wait = first.wait({ stopped: true, exited: true });
     first.stdin.end();
     await Promise.all([wait, first.closed]);
     // Its thread closes its pidfd a little later.
     const linkOf = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
     while (fs.readdirSync("/proc/self/fd").some((fd) => linkOf(fd).includes("pidfd"))) await new Promise(setImmediate);
     const compare = takeStock();
     const child = spawn("cat");
     const errors = [];
     for (const [call, errno] of [["pthread_create", "EAGAIN"], ["fcntl", "EMFILE"], ["malloc", "ENOMEM"]]) {
       fail(call, errno);
       errors.push(await child.wait({ stopped: true }).catch((error) => error.code));
       clear(call);
     }
     const stopped = child.wait({ stopped: true });
     child.kill("SIGSTOP");
     const state = await stopped;
     child.kill("SIGKILL");
     await child.closed;
     await compare();
     done({ errors, state: state.kind + " " + state.signal });`,
    undefined,
  );
  assert.deepEqual(result, { errors: ["EAGAIN", "EMFILE", "ENOMEM"], state: "stopped SIGSTOP" });
});

test("a pipe that the epoll set does not take is looked at once a turn, however much comes through it", async () => {
  const most = await inFaultyNode<number>(
    `await run("true");
     const child = spawn("cat", { stderr: "ignore" });
     fail("epoll_ctl", "ENOSPC", 0, 1e6);
     let most = 0;
     for (let i = 0; i < 20; i++) {
       const came = new Promise((resolve) => child.stdout.once("data", resolve));
       child.stdin.write("x");
       await came;
       most = Math.max(most, process.getActiveResourcesInfo().filter((name) => name === "Immediate").length);
     }
     clear("epoll_ctl");
     child.stdin.end();
     await child.closed;
     done(most);`,
    undefined,
  );
  // One for each of the two pipes.
  assert.ok(most <= 3, `${most} immediates at a time`);
});
