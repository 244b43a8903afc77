/**
 * A spawn with three pipes in which one system call of the parent fails, each in turn, on each rung of the
 * clone ladder: one clear error, or a child that does all that it should; nothing is left, and the next spawn works.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode, type Outcome, RUNGS, type Rung } from "./faulty-node.js";

const GOOD = { said: "hello", exit: "exited 0" };
const failed = (code: string, stage: string) => ({ name: "SpawnError", code, stage });

interface Fault {
  call: string;
  errno: string;
  /** Without which the call is not made. */
  options?: object;
  /** What the first outcomes must be; those after them must be good. */
  first: (rung: Rung) => object[];
}

const FAULTS: Fault[] = [
  { call: "pipe2", errno: "EMFILE", first: () => Array(3).fill(failed("EMFILE", "pipe")) },
  { call: "fcntl", errno: "ENOMEM", first: () => Array(3).fill(failed("ENOMEM", "pipe")) },
  { call: "malloc", errno: "ENOMEM", options: { env: { A: "1" } }, first: () => [failed("ENOMEM", "memory")] },
  { call: "clone", errno: "ENOSYS", first: () => [failed("ENOSYS", "clone")] },
  { call: "socketpair", errno: "EMFILE", first: (rung) => (rung === "fork" ? [failed("EMFILE", "report")] : []) },
  { call: "waitid", errno: "EINVAL", first: () => [GOOD] },
  { call: "waitid", errno: "EINTR", first: () => [GOOD] },
  { call: "epoll_ctl", errno: "ENOMEM", first: () => [failed("ENOMEM", "watch")] },
  { call: "epoll_wait", errno: "EINTR", first: () => [GOOD] },
  { call: "read", errno: "EINTR", first: () => [GOOD] },
  { call: "write", errno: "EINTR", first: () => [GOOD] },
];

for (const rung of RUNGS) {
  test(`PITFALLS 7, 8: each call of a spawn on rung ${rung} fails in turn: one error or a fallback, nothing left`, async () => {
    const outcomes = await inFaultyNode<Outcome[][]>(
      `await run("true");
       const all = [];
       for (const { call, errno, options } of ${JSON.stringify(FAULTS)}) all.push(await positions(call, errno, options));
       done(all);`,
      rung,
    );
    FAULTS.forEach(({ call, errno, first }, i) => {
      const wanted = first(rung);
      const [got = [], title] = [outcomes[i], `${call} ${errno}`];
      assert.deepEqual(got.slice(0, wanted.length), wanted, title);
      for (const outcome of got.slice(wanted.length)) assert.deepEqual(outcome, GOOD, title);
    });
  });

  test(`PITFALLS 7, 9: on rung ${rung} an unexpected wait error leaves no zombie of a child that could not exec`, async () => {
    // After vfork there is no pidfd, and so no second way of waiting.
    const errnos = rung === "vfork" ? ["EINTR"] : ["EINTR", "EINVAL"];
    const errors = await inFaultyNode<object[]>(
      `await run("true");
       const compare = takeStock();
       const errors = [];
       for (const errno of ${JSON.stringify(errnos)})
         for (const skip of [0, 1]) {
           fail("waitid", errno, skip);
           try { spawn("/nowhere/at/all"); } catch (error) { errors.push(told(error)); }
           clear("waitid");
           await compare();
         }
       done(errors);`,
      rung,
    );
    assert.deepEqual(errors, Array(2 * errnos.length).fill(failed("ENOENT", "exec")));
  });
}

test("more pipes than fit on the C stack, and no memory for their numbers: one error", async () => {
  const outcomes = await inFaultyNode<Outcome[]>(
    `await run("true");
     const fds = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 3, "pipe"]));
     done(await positions("malloc", "ENOMEM", { fds, env: { A: "1" } }));`,
    "clone3",
  );
  assert.deepEqual(outcomes, [failed("ENOMEM", "memory"), failed("ENOMEM", "memory")]);
});

test("a socket for the child fails like a pipe", async () => {
  const outcomes = await inFaultyNode<Outcome[]>(
    `await run("true");
     done(await positions("socketpair", "ENFILE", { fds: { 3: "socket", 4: "socket" } }));`,
    "clone3",
  );
  assert.deepEqual(outcomes, [failed("ENFILE", "pipe"), failed("ENFILE", "pipe")]);
});

test("the first spawn of all finds no memory for the child's stack: one error, and the next one works", async () => {
  for (const rung of RUNGS) {
    const outcome = await inFaultyNode<Outcome[]>(
      `fail("mmap", "ENOMEM");
       const outcomes = [];
       for (let i = 0; i < 2; i++)
         try { outcomes.push({ said: (await run("echo", ["hello"])).stdout.trim(), exit: "exited 0" }); }
         catch (error) { outcomes.push(told(error)); }
       done(outcomes);`,
      rung,
    );
    assert.deepEqual(outcome, [failed("ENOMEM", "memory"), GOOD]);
  }
});

test("the first spawn of all finds no fd for the epoll set: EMFILE, and the next one works", async () => {
  const [first, second] = await inFaultyNode<unknown[]>(
    `fail("epoll_create", "EMFILE");
     const outcomes = [];
     for (let i = 0; i < 2; i++)
       try { outcomes.push({ said: (await run("echo", ["hello"])).stdout }); }
       catch (error) { outcomes.push(told(error)); }
     done(outcomes);`,
    undefined,
  );
  assert.deepEqual(first, failed("EMFILE", "watch"));
  assert.deepEqual(second, { said: "hello\n" });
});
