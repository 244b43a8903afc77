/**
 * A child that could not exec ends by a raw exit: nothing of the parent's runs in it or is written by it.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { TemporaryFiles } from "../helpers/files.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";
import { RUNGS } from "./faulty-node.js";

for (const rung of RUNGS) {
  test(`PARITY P15, PITFALL 20: on rung ${rung} a failed spawn runs no exit handler and flushes no buffer twice`, async () => {
    using files = new TemporaryFiles();
    const log = files.path("log");
    const { code, stdout, stderr } = await runNode(
      // An exit handler of JavaScript's, and text that waits in the stream of a pipe, are there when the child fails.
      `import fs from "node:fs";
       const log = ${JSON.stringify(log)};
       process.on("exit", () => fs.appendFileSync(log, "exit " + process.pid + "\\n"));
       fs.appendFileSync(log, "start " + process.pid + "\\n");
       process.stdout.write("waiting ".repeat(10));
       const errors = [];
       for (let i = 0; i < 50; i++) {
         try { spawn(i % 2 ? "/nowhere/at/all" : "sh", [], { cwd: i % 2 ? "/" : "/nowhere/at/all" }); }
         catch (error) { errors.push(error.stage); }
       }
       process.stdout.write(String(errors.length));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual([code, stdout, stderr], [0, `${"waiting ".repeat(10)}50`, ""]);
    const lines = readFileSync(log, "utf8").trim().split("\n");
    const [, pid] = (lines[0] as string).split(" ");
    assert.deepEqual(lines, [`start ${pid}`, `exit ${pid}`]);
  });

  test(`PARITY P15: on rung ${rung} a failed spawn keeps the parent's own state: directory, umask, mask, stack`, async () => {
    const { stdout, stderr } = await runNode(
      // The child has come through every step but exec; with shared memory they must have been its own all the same.
      `import { getPriority } from "node:os";
       const before = [process.cwd(), process.umask(), getPriority()];
       for (let i = 0; i < 200; i++)
         try { spawn("/nowhere/at/all", [], { cwd: "/tmp", umask: 0o77, nice: 5, rlimits: { nofile: 64 }, session: true }); } catch { /* it is to fail: its exit is looked at */ }
       let handled = false;
       process.once("SIGUSR2", () => { handled = true; });
       process.kill(process.pid, "SIGUSR2");
       while (!handled) await new Promise(setImmediate);
       const { stdout } = await run("sh", ["-c", "echo $(ulimit -n) $(nice)"]);
       console.log(JSON.stringify([process.cwd() === before[0], process.umask() === before[1], stdout.split(" ")[0] !== "64", Number(stdout.trim().split(" ")[1]) === before[2]]));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual([stdout.trim(), stderr], ["[true,true,true,true]", ""]);
  });
}
