/**
 * Processes that are hard to see, or can't be seen now, are not taken for none: a first thread that has ended, a parent that
 * waits by vfork(2), no fd to look by, a cgroup that others see with other numbers.
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { launch, launchRun } from "../helpers/launch.js";
import { stateOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const unseen = childPath("unseen");

function threadsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return 0;
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Starts a process whose first thread ends, tells its number, and does `then`. */
const headless = (then: string): string => `${unseen} thread </dev/null >/dev/null 2>&1 & echo $!; ${then}`;

async function untilHeadless(pid: number): Promise<void> {
  while (stateOf(pid) !== "Z") await turn();
}

for (const contain of ["cgroup", "keeper", "namespace", "group"] as const) {
  // In a pid namespace the numbers that a command knows are others.
  if (contain === "namespace") continue;
  test(`${contain}: a process whose first thread has ended is one that outlives its command`, async () => {
    const child = await launch("sh", ["-c", headless("read x")], { contain });
    const pid = Number(await lineOf(child.stdout));
    await untilHeadless(pid);
    child.stdin?.end("\n");
    await child.closed;
    while (threadsOf(pid) > 1) await turn();
    assert.deepEqual(
      child.containment?.ended.map((one) => one.pid),
      [pid],
    );
    await child[Symbol.asyncDispose]();
  });
}

for (const contain of [false, "cgroup", "keeper", "namespace", "group"] as const) {
  const name = contain === false ? "not contained" : contain;

  if (contain !== "namespace")
    test(`${name}: a process whose first thread has ended is seen, stopped and signalled`, async () => {
      const child = await launch("sh", ["-c", headless(`exec ${act} pause`)], { contain });
      const pid = Number(await lineOf(child.stdout));
      await untilHeadless(pid);
      const [one] = child.descendants();
      assert.deepEqual([one?.pid, /^[RSD]$/.test(one?.state ?? "")], [pid, true]);
      await child.suspend();
      if (contain !== "cgroup") assert.equal(child.descendants()[0]?.state, "T");
      await child.resume();
      assert.equal(child.killTree("SIGKILL"), 2);
      while (threadsOf(pid) > 1) await turn();
      await child[Symbol.asyncDispose]();
    });

  test(`${name}: suspend() settles although one waits by vfork(2) for a child that is stopped`, () =>
    withMark(async (mark) => {
      const child = await launch(unseen, ["vfork"], { contain, env: mark.env });
      while (stateOf(child.pid) !== "D") await turn();
      await child.suspend();
      if (contain !== "cgroup") assert.deepEqual(mark.living().map(stateOf).sort(), ["D", "T"]);
      await child.resume();
      child.killTree("SIGKILL");
      await child[Symbol.asyncDispose]();
      assert.deepEqual(await mark.settle(), []);
    }));
}

for (const contain of ["cgroup", "keeper", "namespace", "group"] as const) {
  test(`${contain}: with no fd to look by nobody is taken to have ended, and the end comes when there is one`, () =>
    withMark(async (mark) => {
      const said = await inNode<[ended: number, survivors: number]>(
        `const child = await launch("sh", ["-c", "${act} pause </dev/null >/dev/null 2>&1 & read x"], {
           contain: "${contain}", stdout: "ignore", env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 50 });
         const fds = [];
         let full = true;
         const fill = () => {
           // EMFILE is what this is for; whatever else fails shows in the verdict.
           try { while (full) fds.push(fs.openSync("/dev/null")); } catch (error) { if (error.code !== "EMFILE") throw error; }
           if (full) setImmediate(fill);
         };
         fill();
         child.stdin.end();
         await child.exited;
         // It is to be ended after 500 ms, and then again: in vain. That nothing settles meanwhile has no event to wait for.
         await new Promise((resolve) => setTimeout(resolve, 800));
         full = false;
         for (const fd of fds) fs.closeSync(fd);
         await child.closed;
         done([child.containment.ended.length, child.containment.survivors.length]);`,
        { wrapper: ["sh", "-c", 'ulimit -n 100; exec "$@"', "sh"] },
      );
      // A keeper, which has its fds, may have ended it before it was seen.
      if (contain === "cgroup" || contain === "group") assert.deepEqual(said, [1, 0]);
      assert.equal(said[1], 0);
      assert.deepEqual(await mark.settle(), []);
    }));
}

test("cgroup: one in another pid namespace, where our number is nobody's, leaves our cgroups alone", async () => {
  const own = async (): Promise<string | undefined> => {
    const { stdout } = await launchRun("cat", ["/proc/self/cgroup"], { contain: "cgroup" });
    return /^0::(.*\/brood-[^/]*)/m.exec(stdout as string)?.[1];
  };
  const before = await own();
  const code = `const { run } = await import(${JSON.stringify(import.meta.resolve("brood"))}); await run("true", { contain: "cgroup" });`;
  await launchRun(process.execPath, ["--input-type=module", "-e", code], { contain: "namespace" });
  assert.equal(await own(), before);
});
