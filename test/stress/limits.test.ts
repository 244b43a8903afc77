/**
 * A parent at its limits: of fds, of processes. Each spawn is right or fails with one clear error, and when there is room
 * again spawning works again.
 */

import assert from "node:assert/strict";
import { RUNGS } from "../fault/faulty-node.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const limited = (limit: string): string[] => ["prlimit", `--${limit}`];

/** An ordinary user that nobody else is: root is above the limit of processes. */
const NOBODY_ELSE = 54_321;

interface Outcome {
  said?: string;
  name?: string;
  code?: string;
  stage?: string;
}

const ATTEMPT = `
/** How many fds are open, found without opening one. */
function count() {
  let n = 0;
  for (let fd = 0; fd < 1024; fd++) try { fs.fstatSync(fd); n++; } catch {}
  return n;
}
const children = () => fs.readdirSync("/proc/self/task").map((thread) => fs.readFileSync("/proc/self/task/" + thread + "/children", "utf8")).join("");
async function attempt() {
  const before = count();
  let outcome;
  try {
    const child = spawn("cat");
    child.stdin.end("hello");
    outcome = { said: await child.stdout.text() };
    await child.closed;
  } catch ({ name, code, stage }) { outcome = { name, code, stage }; }
  if (count() !== before) throw new Error("fds: " + before + " before, now " + count());
  return outcome;
}
`;

test("under RLIMIT_NOFILE 64 children are spawned as ever, also with fds at the top of what is allowed", async () => {
  // Node itself holds about 20.
  const { said, top, above } = await inNode<{ said: string; top: string; above: string }>(
    `const { stdout: said } = await run("cat", { input: "hello" });
     const { fds } = await run("sh", ["-c", "test -p /dev/fd/63 && echo yes >/dev/fd/63"], { fds: { 63: "pipe" } });
     let above = "";
     try { spawn("cat", [], { fds: { 64: "pipe" } }); } catch (error) { above = error.code + " " + error.stage + " " + error.fd; }
     done({ said, top: fds[63], above });`,
    { wrapper: limited("nofile=64") },
  );
  assert.equal(said, "hello");
  assert.equal(top, "yes\n");
  assert.equal(above, "EBADF dup 64");
});

for (const rung of RUNGS) {
  test(`PITFALL 34: with fewer and fewer fds to be had, rung ${rung} gives a right child or one EMFILE, and recovers`, async () => {
    const outcomes = await inNode<Outcome[]>(
      `${ATTEMPT}
       await run("true");
       const held = [];
       try { for (;;) held.push(fs.openSync("/dev/null")); } catch {}
       const outcomes = [];
       for (let free = 0; free <= 12; free++) {
         outcomes.push(await attempt());
         fs.closeSync(held.pop());
       }
       if (children() !== "") throw new Error("children: " + children());
       done(outcomes);`,
      { wrapper: limited("nofile=128"), env: { BROOD_CLONE: rung } },
    );
    const first = outcomes.findIndex(({ said }) => said === "hello");
    assert.ok(first > 0 && first < 12, JSON.stringify(outcomes));
    for (const { name, code, stage } of outcomes.slice(0, first)) {
      assert.deepEqual([name, code], ["SpawnError", "EMFILE"]);
      assert.ok(["pipe", "clone", "pidfd", "report"].includes(stage as string), stage);
    }
    for (const outcome of outcomes.slice(first)) assert.deepEqual(outcome, { said: "hello" });
  });

  test(`PITFALL 34: at the limit of processes rung ${rung} gives one EAGAIN at clone, and recovers`, async () => {
    const { error, started, left, said } = await inNode<{ error: Outcome; started: number; left: string; said: string }>(
      `${ATTEMPT}
       await run("true");
       const started = [];
       let error;
       let fds = 0, after = 0;
       while (error === undefined && started.length < 200) {
         fds = count();
         try { started.push(spawn("cat")); } catch ({ name, code, stage }) { error = { name, code, stage }; after = count(); }
       }
       for (const child of started) child.stdin.end();
       await Promise.all(started.map((child) => child.closed));
       const { stdout: said } = await run("cat", { input: "hello" });
       done({ error, started: started.length, left: String(after - fds), said });`,
      { wrapper: limited("nproc=40"), uid: NOBODY_ELSE, gid: NOBODY_ELSE, env: { BROOD_CLONE: rung }, cwd: "/" },
    );
    assert.deepEqual(error, { name: "SpawnError", code: "EAGAIN", stage: "clone" });
    assert.ok(started > 0 && started < 40, String(started));
    assert.equal(left, "0");
    assert.equal(said, "hello");
  });
}
