/**
 * Tests of contained commands: a mark that is cleaned up whatever happens, and a parent that can be killed. To be imported
 * before the first test runs: what an environment makes once is made here.
 */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Child, run, UnsupportedError } from "brood";
import { childPath } from "./children.js";
import { Mark } from "./marked.js";
import { runNode } from "./node.js";
import { warm } from "./test.js";

/** How many processes a torture child starts that go away from it. */
export const AWAY = 9;

/** What an environment makes once, on its first use of a cgroup: its base, and the watcher of that; for limits another. */
await warm;
for (const limits of [{}, { pidsMax: 100 }])
  await run("true", { contain: "cgroup", ...limits }).catch((error: Error) => {
    if (!(error instanceof UnsupportedError)) throw error;
  });

/** Runs a test with a mark; whatever carries it afterwards is ended. */
export async function withMark(body: (mark: Mark) => Promise<void>): Promise<void> {
  const mark = new Mark();
  try {
    await body(mark);
  } finally {
    await mark.clean();
  }
}

/** Checks a torture child in place, ends it, and checks that nothing of it is left and that its verdict says so. */
export async function endTortured(child: Child, contain: string, mark: Mark): Promise<void> {
  assert.equal(mark.living().length, AWAY + 1);
  assert.equal(child.descendants().length, AWAY);
  await child.terminate();
  assert.deepEqual(mark.living(), []);
  assert.deepEqual(child.containment, { ...child.containment, by: contain, survivors: [] });
  assert.equal(child.containment?.ended.length, AWAY);
  assert.equal(child.exit?.kind === "killed" && child.exit.signal, "SIGKILL");
  await child[Symbol.asyncDispose]();
}

interface Other {
  contain: string;
  mark: Mark;
  args: string[];
  /** What the process does when its command is ready. */
  end: string;
  uid?: number;
}

/** Runs a contained torture child in a process that then comes to its end. */
export async function inOtherProcess({ contain, mark, args, end, uid }: Other): Promise<{ stdout: string; leaf: string }> {
  const code = `
    import { once } from "node:events";
    import { readFileSync } from "node:fs";
    const child = await ${process.env["LAUNCH_THROUGH"] === "host" ? "brood.spawnAsync" : "spawn"}(${JSON.stringify(childPath("torture"))}, ${JSON.stringify(args)}, {
      contain: ${JSON.stringify(contain)}, env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 100,
    });
    const [said] = await once(child.stdout, "data");
    const cgroup = readFileSync("/proc/" + child.pid + "/cgroup", "utf8");
    process.stdout.write(said + cgroup, () => { ${end} });
    await new Promise((resolve) => setTimeout(resolve, 10_000));
  `;
  const { stdout } = await runNode(code, uid === undefined ? {} : { uid, gid: uid });
  return { stdout, leaf: /^0::(.*)$/m.exec(stdout)?.[1] ?? "" };
}

/** Waits until the cgroup that was made for a process's leaves is gone; gives whether it is. */
export async function isBaseGone(leaf: string): Promise<boolean> {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1] ?? "";
  const base = join(mount, dirname(leaf));
  if (!basename(base).startsWith("brood-")) throw new Error(`${leaf} is no leaf of ours`);
  const deadline = performance.now() + 3000;
  while (existsSync(base) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
  return !existsSync(base);
}
