/**
 * The clone itself fails.
 */

import assert from "node:assert/strict";
import { inFaultyNode, RUNGS } from "../../fault/faulty-node.js";
import { inNode } from "../../helpers/in-node.js";
import { test } from "../../helpers/test.js";

for (const rung of RUNGS) {
  test(`P11, P16: on rung ${rung} a clone that fails keeps its errno, has a stage of its own, and no lower rung is tried`, async () => {
    const result = await inFaultyNode<{ outcomes: object[]; after: string }>(
      // A lower rung would have started the child. The fault must have been used up, once.
      `forkReport();
       const compare = takeStock();
       const outcomes = [];
       for (const errno of ["EAGAIN", "ENOMEM", "EPERM"]) {
         fail("clone", errno);
         try { posix.forkExec(["x"], ["/bin/true"]); outcomes.push("started"); }
         catch (error) { outcomes.push([error.name, error.code, error.errno === os.constants.errno[errno], error.stage, clear("clone")]); }
       }
       let child;
       try { posix.forkExec(["x"], ["/nonexistent"]); } catch (error) { child = error.stage; }
       outcomes.push(child);
       await compare();
       done({ outcomes, after: forkToEnd(["echo", "works"], ["/bin/echo"]).said });`,
      rung,
    );
    const error = (code: string) => ["SpawnError", code, true, "clone", 0];
    assert.deepEqual(result, { outcomes: [error("EAGAIN"), error("ENOMEM"), error("EPERM"), "exec"], after: "works\n" });
  });
}

test("P11: a real limit on processes is EAGAIN at clone, and nothing is left behind", async () => {
  const result = await inNode<{ outcomes: object[]; leaked: number; after: string }>(
    `forkReport();
     fs.readdirSync("/proc/self/fd");
     const RLIMIT_NPROC = 6;
     const most = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max processes +(\\d+)/)?.[1] ?? 10000);
     process.setgroups([]);
     process.setgid(65532);
     process.setuid(65532);
     self.setDumpable(1);
     const before = fs.readdirSync("/proc/self/fd").length;
     self.limit(RLIMIT_NPROC, 1);
     const outcomes = [];
     for (let i = 0; i < 3; i++)
       try { posix.forkExec(["x"], ["/bin/true"]); outcomes.push("started"); }
       catch (error) { outcomes.push([error.code, error.errno, error.stage]); }
     const leaked = fs.readdirSync("/proc/self/fd").length - before;
     self.limit(RLIMIT_NPROC, most);
     done({ outcomes, leaked, after: forkToEnd(["echo", "works"], ["/bin/echo"]).said });`,
  );
  const error = ["EAGAIN", 11, "clone"];
  assert.deepEqual(result, { outcomes: [error, error, error], leaked: 0, after: "works\n" });
});
