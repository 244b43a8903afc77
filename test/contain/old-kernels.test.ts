/**
 * Kernels that lack what containing is easiest with, as far as a mount over the kernel's file can show it: cgroup.kill (Linux
 * 5.14), and the lists of children in /proc (CONFIG_PROC_CHILDREN).
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

const torture = JSON.stringify(childPath("torture"));
/** What is mounted in there nobody else sees. */
const wrapper = ["unshare", "--mount", "--propagation", "private"];

/** `leaf` and `base` are directories of cgroups; cgroup.kill can't be opened for writing in either. */
const WITHOUT_KILL = `
  import { execFileSync } from "node:child_process";
  import { once } from "node:events";
  import { accessSync, constants, existsSync, readFileSync } from "node:fs";
  import { dirname } from "node:path";
  const mount = /^\\S+ \\S+ \\S+ \\S+ (\\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))[1];
  const refuse = (directory) => {
    const file = directory + "/cgroup.kill";
    if (!existsSync(file)) return; // a kernel that does lack it
    execFileSync("mount", ["--bind", file, file]);
    execFileSync("mount", ["-o", "remount,bind,ro", file]);
    try { accessSync(file, constants.W_OK); throw new Error(file + " can be written"); } catch ({ code }) { if (code !== "EROFS") throw new Error(code); }
  };
  const start = async (env, args) => {
    const child = spawn(${torture}, args, { contain: "cgroup", env, forceKillAfterDelay: 20 });
    await once(child.stdout, "data");
    const leaf = mount + /^0::(.*)$/m.exec(readFileSync("/proc/" + child.pid + "/cgroup", "utf8"))[1];
    refuse(leaf);
    refuse(dirname(leaf));
    return child;
  };`;

for (const args of [["stay"], ["stay", "burst"]]) {
  test(`without cgroup.kill everything is frozen and killed (${args.join(" ")})`, () =>
    withMark(async (mark) => {
      const code = `${WITHOUT_KILL}
        const child = await start(${JSON.stringify(mark.env)}, ${JSON.stringify(args)});
        await child.terminate();
        await child.closed;
        done(child.containment);`;
      const verdict = await inNode<{ by: string; ended: unknown[]; survivors: unknown[] }>(code, { wrapper });
      assert.equal(verdict.by, "cgroup");
      assert.ok(verdict.ended.length >= 9);
      assert.deepEqual(verdict.survivors, []);
      assert.deepEqual(mark.living(), []);
    }));

  test(`so it is by the watcher when we are killed (${args.join(" ")})`, () =>
    withMark(async (mark) => {
      const code = `${WITHOUT_KILL}
        await start(${JSON.stringify(mark.env)}, ${JSON.stringify(args)});
        process.kill(process.pid, "SIGKILL");`;
      const { signal, stderr } = await runNode(code, { wrapper });
      assert.deepEqual([signal, stderr], ["SIGKILL", ""]);
      assert.deepEqual(await mark.settle(), []);
    }));
}

test("keeper: without the kernel's lists of children they are found by their parents", () =>
  withMark(async (mark) => {
    const directory = mkdtempSync(join(tmpdir(), "brood-"));
    try {
      const code = `
        import { execFileSync } from "node:child_process";
        import { once } from "node:events";
        import { readFileSync } from "node:fs";
        import { createServer } from "node:net";
        // A socket can't be opened as a file, by nobody.
        const server = createServer().listen(${JSON.stringify(join(directory, "socket"))});
        await once(server, "listening");
        const child = spawn(${torture}, ["stay", "burst"], { contain: "keeper", env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20 });
        await once(child.stdout, "data");
        const keeper = /^PPid:\\s*(\\d+)/m.exec(readFileSync("/proc/" + child.pid + "/status", "utf8"))[1];
        const file = "/proc/" + keeper + "/task/" + keeper + "/children";
        execFileSync("mount", ["--bind", ${JSON.stringify(join(directory, "socket"))}, file]);
        server.close();
        let refused;
        try { readFileSync(file); } catch ({ code }) { refused = code; }
        await child.terminate();
        await child.closed;
        done([refused, child.containment.survivors]);`;
      assert.deepEqual(await inNode(code, { wrapper }), ["ENXIO", []]);
      assert.deepEqual(mark.living(), []);
    } finally {
      rmSync(directory, { recursive: true });
    }
  }));
