/**
 * Limits of a contained command's cgroup, and its readings. What the kernel enforces shows where the controllers are there;
 * where one isn't, or may not be had, the limit is refused.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { RunResult, SpawnOptions } from "brood";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const act = childPath("act");
const MIB = 1 << 20;

/** The controllers of the whole hierarchy. */
const there = (() => {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1];
  return mount === undefined ? [] : readFileSync(`${mount}/cgroup.controllers`, "utf8").trim().split(" ");
})();

/** Runs a command in a process of its own; gives undefined where its limit was refused for a reason of the system's. */
async function limited(file: string, args: string[], options: SpawnOptions, controller: string): Promise<RunResult | undefined> {
  const code = `
    try {
      done(await run(${JSON.stringify(file)}, ${JSON.stringify(args)}, { ...${JSON.stringify(options)}, reject: false }));
    } catch (error) {
      if (error.name !== "UnsupportedError") throw error;
      done(error.message);
    }`;
  const result = await inNode<RunResult | string>(code);
  if (typeof result !== "string") return result;
  // It is there, but not for us.
  if (there.includes(controller)) assert.match(result, /is not available in \/|EBUSY|ENOTSUP|EACCES|EROFS/);
  else assert.match(result, new RegExp(`the controller "${controller}" is not available in /|cgroup v2 is not|can't be seen`));
  return undefined;
}

for (const contain of ["auto", "cgroup"] as const) {
  test(`${contain}: a command that takes more memory than it may is killed by the kernel, and the reason is "oom"`, async () => {
    const options = { contain, memoryMax: 24 * MIB, stdio: "ignore" } as const;
    const result = await limited(act, ["touch", "100", "exit", "0"], options, "memory");
    if (result === undefined) return;
    assert.equal(result.reason, "oom");
    assert.equal(result.exit.kind === "killed" && result.exit.signal, "SIGKILL");
    assert.equal(result.containment?.by, "cgroup");
    assert.ok((result.containment.usage?.oomKills ?? 0) >= 1);
  });

  test(`${contain}: a descendant that takes it is killed, and the command, which isn't, ends by itself`, async () => {
    const options = { contain, memoryMax: 24 * MIB } as const;
    const result = await limited("sh", ["-c", `${act} touch 100; echo $?`], options, "memory");
    if (result === undefined) return;
    assert.equal(result.reason, "exit");
    assert.equal(result.stdout, "137\n");
    assert.ok((result.containment?.usage?.oomKills ?? 0) >= 1);
  });

  test(`${contain}: a limit of processes makes the fork fail that is one too many`, async () => {
    // The shell and two of them are three.
    const script = `${act} pause & ${act} pause & ${act} pause & echo all; wait`;
    const result = await limited("sh", ["-c", script], { contain, pidsMax: 3 }, "pids");
    if (result === undefined) return;
    assert.equal(result.stdout, "");
    assert.match(String(result.stderr), /fork/i);
    assert.equal(result.containment?.ended.length, 2);
    assert.deepEqual(result.containment?.survivors, []);
  });

  test(`${contain}: a limit of CPU makes work take longer than its CPU time`, async () => {
    // So much work that its share of several periods (100 ms) is used up, on any machine.
    const script = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
    const result = await limited("sh", ["-c", script], { contain, cpuMax: 0.25 }, "cpu");
    if (result === undefined) return;
    assert.equal(result.reason, "exit");
    const used = Number(result.containment?.usage?.userCPU) + Number(result.containment?.usage?.systemCPU);
    assert.ok(result.durationMs * 1000 > 2 * used, `${used} us in ${result.durationMs} ms`);
  });
}

test("the peak of memory can be read without a limit where the system counts it", async () => {
  const result = await limited(act, ["touch", "40", "exit", "0"], { contain: "cgroup" }, "none");
  const usage = result?.containment?.usage;
  if (usage === undefined || usage === null) return;
  assert.ok((usage.userCPU ?? -1) >= 0);
  if (usage.oomKills === null) assert.equal(usage.memoryPeak, null);
  else assert.equal(usage.oomKills, 0);
  // memory.peak is of Linux 5.19.
  if (usage.memoryPeak !== null) assert.ok(usage.memoryPeak >= 40 * MIB && usage.memoryPeak < 80 * MIB, `${usage.memoryPeak}`);
});

test("a cgroup that has processes of its own stays what it is: a limit is not worth a threaded subtree", async () => {
  const code = `
    const own = /^0::(.*)$/m.exec(fs.readFileSync("/proc/self/cgroup", "utf8"))?.[1];
    const mount = /^\\S+ \\S+ \\S+ \\S+ (\\S+) .* - cgroup2 /m.exec(fs.readFileSync("/proc/self/mountinfo", "utf8"))?.[1];
    const type = () => { try { return fs.readFileSync(mount + own + "/cgroup.type", "utf8"); } catch { return "the root, or none"; } };
    const before = type();
    const ends = [];
    for (const limit of [{ pidsMax: 10 }, { cpuMax: 1 }, {}])
      ends.push(await run("true", { contain: "auto", ...limit }).then(({ reason }) => reason, ({ name }) => name));
    done([before, type(), ...ends]);`;
  const [before, after, pids, cpu, plain] = await inNode<string[]>(code);
  assert.equal(after, before);
  for (const end of [pids, cpu]) assert.match(String(end), /^(exit|UnsupportedError)$/);
  assert.equal(plain, "exit");
});
