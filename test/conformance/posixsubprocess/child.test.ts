/**
 * What the child does between clone and exec, and how it ends where it can't exec.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { RUNGS } from "../../fault/faulty-node.js";
import { childPath } from "../../helpers/children.js";
import { TemporaryFiles } from "../../helpers/files.js";
import { inNode } from "../../helpers/in-node.js";
import { runNode } from "../../helpers/node.js";
import { test } from "../../helpers/test.js";

const FORK = JSON.stringify(import.meta.resolve("../../helpers/fork.js"));
const OBJECT = fileURLToPath(new URL("../../../native/release/child.o", import.meta.url));
const read = (...words: [string, ...string[]]): string =>
  execFileSync(words[0], [...words.slice(1), OBJECT], { encoding: "utf8" });

test("P2: the compiled child calls nothing but itself: no allocator, no lock, no function of a library", () => {
  assert.equal(read("nm", "--undefined-only"), "");
  const code = read("objdump", "-dr", "--no-show-raw-insn");
  assert.ok(code.includes("<child_main>:"));
  // Nor by way of a pointer, or of memory that belongs to a thread. But for the entry of what it clones itself, which
  // clone3_call() reaches on that one's own stack.
  const cloned = /mov\s+%r13,%rdi\n.*\bcall\s+\*%r12|mov\s+x0, x21\n.*\bblr\s+x20/g;
  assert.equal(/\bcall\s+\*.*|\bblr\b.*|%[fg]s:.*|tpidr_el0.*/.exec(code.replace(cloned, ""))?.[0], undefined);
});

test("P2: the child's entry has no way back into the parent's code: it execs or exits", () => {
  const [, body = ""] = /<child_main>:\n([\s\S]*?)(?:\n\n|$)/.exec(read("objdump", "-d", "--no-show-raw-insn")) ?? [];
  assert.ok(body.split("\n").length > 10, "the entry is disassembled");
  assert.equal(/\bret\b/.exec(body)?.[0], undefined);
});

for (const rung of RUNGS) {
  test(`P2: on rung ${rung} the parent's memory, directory, umask and signal mask are as before a child that failed late`, async () => {
    const { stdout, stderr } = await runNode(
      `import { posix } from ${FORK};
       const state = () => [process.cwd(), process.umask(), process.getuid(), readFileSync("/proc/thread-self/status", "utf8").match(/SigBlk.*/)[0]].join();
       import { readFileSync } from "node:fs";
       const before = state();
       const failures = [];
       for (let i = 0; i < 200; i++)
         try { posix.forkExec(["x"], ["/nonexistent"], { cwd: "/proc", umask: 0o77, rlimits: { nofile: 64 }, session: true, groups: [], gid: 1, uid: 1 }); }
         catch (error) { failures.push(error.code); }
       console.log(failures.length, state() === before);`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual([stdout, stderr], ["200 true\n", ""]);
  });

  test(`P15: on rung ${rung} a failed set-up runs no exit handler and flushes no buffer twice`, async () => {
    using files = new TemporaryFiles();
    const log = files.path("log");
    const { code, stdout, stderr } = await runNode(
      `import { posix } from ${FORK};
       import fs from "node:fs";
       process.on("exit", () => fs.appendFileSync(${JSON.stringify(log)}, process.pid + "\\n"));
       process.stdout.write("waiting ".repeat(10));
       let failures = 0;
       for (let i = 0; i < 50; i++)
         try { posix.forkExec(["x"], ["/nonexistent"], i % 2 ? { cwd: "/nonexistent" } : {}); } catch { failures++; }
       process.stdout.write(String(failures));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual([code, stdout, stderr], [0, `${"waiting ".repeat(10)}50`, ""]);
    assert.match(readFileSync(log, "utf8"), /^\d+\n$/);
  });

  test(`P15: on rung ${rung} a child that is killed before exec without a report is a SpawnError, never a success`, async () => {
    const errors = await inNode<object[]>(
      `const filter = { exports: {} };
       process.dlopen(filter, ${JSON.stringify(childPath("filter_addon"))});
       forkReport();
       filter.exports.install("setsid=KILL");
       const errors = [];
       for (let i = 0; i < 3; i++)
         try { posix.forkExec(["x"], ["/bin/true"], { session: true }); errors.push("started"); }
         catch ({ name, code, stage, errno }) { errors.push({ name, code, stage, errno }); }
       const [pid, fds] = [process.pid, fs.readdirSync("/proc/self/fd").length];
       try { posix.forkExec(["x"], ["/bin/true"], { session: true }); } catch { /* it is to fail: what it leaves is looked at */ }
       errors.push(fs.readFileSync("/proc/self/task/" + pid + "/children", "utf8"), fs.readdirSync("/proc/self/fd").length - fds);
       done(errors);`,
      { env: { BROOD_CLONE: rung } },
    );
    const killed = { name: "SpawnError", code: "ERR_SPAWN_KILLED", stage: "setup", errno: 0 };
    assert.deepEqual(errors, [killed, killed, killed, "", 0]);
  });
}
