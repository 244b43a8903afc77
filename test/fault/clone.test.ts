/**
 * The clone itself fails, or what a rung needs besides it: no lower rung is tried, no child has run.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";
import { inFaultyNode, type Outcome, RUNGS } from "./faulty-node.js";

for (const rung of RUNGS) {
  test(`PARITY P11: EAGAIN and ENOMEM at clone on rung ${rung} are told as they are, and no lower rung is tried`, async () => {
    const { outcomes, sigchld } = await inFaultyNode<{ outcomes: Outcome[][]; sigchld: number }>(
      // A lower rung would have given a child. No SIGCHLD: not even one that was ended again.
      `await run("true");
       let sigchld = 0;
       process.on("SIGCHLD", () => sigchld++);
       const outcomes = [];
       for (const errno of ["EAGAIN", "ENOMEM", "EPERM"]) {
         fail("clone", errno);
         outcomes.push([await trial(), clear("clone")]);
       }
       await new Promise(setImmediate);
       done({ outcomes, sigchld });`,
      rung,
    );
    const error = (code: string) => [{ name: "SpawnError", code, stage: "clone" }, 0];
    assert.deepEqual(outcomes, [error("EAGAIN"), error("ENOMEM"), error("EPERM")]);
    assert.equal(sigchld, 0);
  });
}

test("EAGAIN at the probe's own clone is not taken for what the kernel can do", async () => {
  const rungs = await inFaultyNode<string[]>(
    `fail("clone", "EAGAIN");
     const first = addon().probe();
     const left = clear("clone");
     done([first, String(left), addon().probe()]);`,
    undefined,
  );
  assert.deepEqual(rungs, ["clone3", "0", "clone3"]);
});

test("PITFALL 11: on rungs without CLONE_PIDFD, EMFILE at pidfd_open comes before the child runs", async () => {
  for (const rung of ["vfork", "fork"] as const) {
    const { outcome, ran, next } = await inFaultyNode<{ outcome: object; ran: boolean; next: string }>(
      `const files = new TemporaryFiles();
       const mark = files.path("mark");
       await run("true");
       const compare = takeStock();
       fail("pidfd_open", "EMFILE");
       let outcome;
       try { spawn("touch", [mark]); } catch (error) { outcome = told(error); }
       clear("pidfd_open");
       await compare();
       const ran = fs.existsSync(mark);
       files[Symbol.dispose]();
       done({ outcome, ran, next: (await run("echo", ["hello"])).stdout });`,
      rung,
    );
    assert.deepEqual(outcome, { name: "SpawnError", code: "EMFILE", stage: "pidfd" }, rung);
    assert.equal(ran, false, rung);
    assert.equal(next, "hello\n", rung);
  }
});

test("PITFALL 11: after vfork, where another thread took the fd meanwhile, the child is ended and one error told", async () => {
  const outcomes = await inFaultyNode<Outcome[]>(`await run("true"); done(await positions("pidfd_open", "EMFILE"));`, "vfork");
  const error = { name: "SpawnError", code: "EMFILE", stage: "pidfd" };
  assert.deepEqual(outcomes, [error, error]);
});

test("PARITY P15: on rung fork a report that can't be read is no success: the child is ended", async () => {
  for (const [call, errno] of [
    ["read", "EIO"],
    ["pidfd_send_signal", "ENOSYS"],
  ]) {
    const outcomes = await inFaultyNode<Outcome[]>(
      // The second call: where killing by pidfd is refused as well, the child is killed by its number.
      `await run("true");
       const outcomes = [];
       for (const skip of [0, 1]) {
         fail("read", "EIO", skip);
         ${call === "read" ? "" : `fail(${JSON.stringify(call)}, ${JSON.stringify(errno)});`}
         outcomes.push(await trial());
         clear("read");
         clear("pidfd_send_signal");
       }
       done(outcomes);`,
      "fork",
    );
    const error = { name: "SpawnError", code: "EIO", stage: "report" };
    assert.deepEqual(outcomes, [error, error]);
  }
});

test("PARITY P12, PITFALL 6: on rung fork the report comes through, where its socket has a number that the child closes", async () => {
  const results = await inNode<string[]>(
    `const out = self.duplicate(1, 20);
     fs.closeSync(0);
     fs.closeSync(1);
     // The socket is 0 and 1 now, and both are to be closed in the child.
     const results = [];
     const { stderr } = await run("sh", ["-c", "echo hello >&2"], { stdin: "close", stdout: "close" });
     results.push(stderr);
     const child = spawn("cat", [], { stdin: "close", stdout: "close", stderr: "ignore", fds: { 3: { dup: 2 } } });
     results.push((await child.exited).kind);
     try { spawn("/nowhere/at/all", [], { stdin: "close", stdout: "close", stderr: "ignore" }); } catch (error) { results.push(error.code); }
     fs.writeSync(out, JSON.stringify(results));`,
    { env: { BROOD_CLONE: "fork" } },
  );
  assert.deepEqual(results, ["hello\n", "exited", "ENOENT"]);
});

test("a rung that there is not is refused, with what there is", async () => {
  for (const name of ["BROOD_CLONE", "BROOD_CLOSE"]) {
    const told = await inNode<{ name: string; code: string; message: string }>(
      `try { spawn("true"); } catch ({ name, code, message }) { done({ name, code, message }); }`,
      { env: { [name]: "other" } },
    );
    assert.deepEqual([told.name, told.code], ["RangeError", "ERR_OUT_OF_RANGE"]);
    assert.match(told.message, new RegExp(`^${name} must be one of .*, not "other"$`));
  }
});
