/**
 * Processes that have not exec'ed, contained from their creation on, or from their exec on: what they start then is held as if
 * they had been spawned, and whatever happens before leaves nothing, no process, no keeper, no cgroup.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { spawnAsync } from "brood";
import { type CreateOptions, type Embryo, type HostOptions, SpawnHost } from "brood/host";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { AWAY, endTortured, isBaseGone, withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { ended, parentOf, stateOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

const torture = childPath("torture");
const STRICT = ["cgroup", "keeper", "namespace"] as const;
const MEANS = [...STRICT, "group"] as const;
const NOBODY = { uid: 65534, gid: 65534 };
/** Commands that have a child which a process group holds, too. */
const PAIR = ["fork", "pause", ";", "say", "1", "two", "pause"];

async function withHost(options: HostOptions, body: (host: SpawnHost) => Promise<void>): Promise<void> {
  const host = await SpawnHost.start(options);
  try {
    await body(host);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

function withEmbryo(options: CreateOptions, body: (embryo: Embryo, host: SpawnHost) => Promise<void>): Promise<void> {
  return withHost({}, async (host) => {
    const embryo = await host.create(options);
    try {
      await body(embryo, host);
    } finally {
      await embryo[Symbol.asyncDispose]();
    }
  });
}

/** The directory of the cgroup that a process is in. */
function cgroupOf(pid: number): string {
  const mount = /^\S+ \S+ \S+ \S+ (\S+) .* - cgroup2 /m.exec(readFileSync("/proc/self/mountinfo", "utf8"))?.[1] ?? "";
  return join(mount, /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "");
}

/** Waits until the cgroup of something that has ended is gone; fails where it stays. */
async function isGone(leaf: string): Promise<void> {
  const deadline = performance.now() + 3000;
  while (existsSync(leaf) && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(existsSync(leaf), false, `${leaf} is there`);
}

/** What is to be gone with a process that has not exec'ed: itself, its keeper, its cgroup. */
class Trace {
  readonly #pid: number;
  readonly #keeper: number | undefined;
  readonly #leaf: string | undefined;

  constructor(contain: string, { pid }: Embryo) {
    this.#pid = pid;
    const parent = parentOf(pid);
    const kept = contain === "keeper" || contain === "namespace";
    assert.equal(parent !== process.pid, kept);
    this.#keeper = kept ? parent : undefined;
    const leaf = cgroupOf(pid);
    assert.equal(leaf.includes("/brood-"), contain === "cgroup");
    this.#leaf = contain === "cgroup" ? leaf : undefined;
  }

  /** `reused`: its keeper may wait for a next command. */
  async isGone(): Promise<void> {
    assert.equal(stateOf(this.#pid), undefined);
    if (this.#keeper !== undefined) await ended(this.#keeper);
    if (this.#leaf !== undefined) await isGone(this.#leaf);
  }
}

for (const contain of STRICT) {
  test(`${contain}: what preexec has readied is contained before that runs, and nothing that it starts gets away`, () =>
    withMark(async (mark) => {
      let before: Trace | undefined;
      const child = await spawnAsync(torture, ["stay"], {
        contain,
        env: mark.env,
        forceKillAfterDelay: 20,
        umask: 0o77,
        preexec: async (embryo) => {
          before = new Trace(contain, embryo);
          assert.equal(await embryo.umask(0o70), 0o77);
        },
      });
      assert.equal(await lineOf(child.stdout), `${AWAY} away`);
      assert.match(readFileSync(`/proc/${child.pid}/status`, "utf8"), /^Umask:\s0070$/m);
      await endTortured(child, contain, mark);
      await before?.isGone();
    }));

  test(`${contain}: what is created contained is, and all that it starts when it has exec'ed, at the second try, too`, () =>
    withMark((mark) =>
      withEmbryo({ contain }, async (embryo) => {
        const before = new Trace(contain, embryo);
        await embryo.setsid();
        await embryo.umask(0o70);
        await assert.rejects(embryo.exec("/nonexistent/x"), { name: "SpawnError", code: "ENOENT", stage: "exec" });
        const child = await embryo.exec(torture, ["stay"], { env: mark.env, forceKillAfterDelay: 20 });
        assert.equal(child.pid, embryo.pid);
        assert.equal(await lineOf(child.stdout), `${AWAY} away`);
        await endTortured(child, contain, mark);
        await before.isGone();
      }),
    ));

  for (const [what, options, end] of [
    ["waits", {}, "process.kill(process.pid, 'SIGKILL')"],
    ["waits", {}, "process.exit(0)"],
    ["waits, its host dead", {}, "process.kill(host.pid, 'SIGKILL'); process.kill(process.pid, 'SIGKILL')"],
    ["waits, of a contained host", { contain }, "process.kill(process.pid, 'SIGKILL')"],
  ] as const)
    test(`${contain}: our end while it ${what} (${end.slice(-20, -1)}) leaves nothing`, async () => {
      const code = `
        import { readFileSync } from "node:fs";
        const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
        const host = await SpawnHost.start(${JSON.stringify(options)});
        const embryo = await host.create({ contain: ${JSON.stringify(contain)} });
        const stat = readFileSync("/proc/" + embryo.pid + "/stat", "utf8");
        const told = JSON.stringify([embryo.pid, Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])]);
        process.stdout.write(told + "\\n" + readFileSync("/proc/" + embryo.pid + "/cgroup", "utf8"), () => { ${end} });
        await new Promise((resolve) => setTimeout(resolve, 10_000));`;
      const { stdout } = await runNode(code);
      const pids = JSON.parse(stdout.split("\n")[0] as string) as number[];
      for (const pid of pids) await ended(pid);
      if (contain === "cgroup") assert.equal(await isBaseGone(/^0::(.*)$/m.exec(stdout)?.[1] ?? ""), true);
    });

  test(`${contain}: one that somebody kills is told of as such, and what contained it is gone before anybody asks`, () =>
    withEmbryo({ contain }, async (embryo) => {
      const before = new Trace(contain, embryo);
      process.kill(embryo.pid, "SIGKILL");
      await assert.rejects(
        async () => {
          for (;;) await embryo.umask(0);
        },
        { name: "HostError", code: "ERR_HOST_ENDED" },
      );
      while (stateOf(embryo.pid) !== undefined) await new Promise(setImmediate);
      await before.isGone();
      await assert.rejects(embryo.exec("true"), { name: "SpawnError", code: "ERR_SPAWN_KILLED" });
    }));

  test(`${contain}: through hosts that are the parents themselves, of another user, in namespaces`, () =>
    withMark(async (mark) => {
      for (const options of [
        { relay: true },
        NOBODY,
        { namespaces: ["pid", "mount"] },
        { namespaces: ["user"] },
      ] as HostOptions[]) {
        await withHost(options, async (host) => {
          const embryo = await host.create({ contain });
          await embryo.umask(0o70);
          const child = await embryo.exec(torture, ["stay"], { env: mark.env, forceKillAfterDelay: 20 });
          assert.equal(await lineOf(child.stdout), `${AWAY} away`);
          await child.terminate();
          assert.deepEqual(mark.living(), [], JSON.stringify(options));
          assert.equal(child.containment?.ended.length, AWAY);
          await child[Symbol.asyncDispose]();
          const unused = await host.create({ contain });
          await unused[Symbol.asyncDispose]();
        });
      }
    }));

  test(`${contain}: the end of a worker while it waits leaves nothing`, async () => {
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       (async () => {
         const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
         const host = await SpawnHost.start();
         globalThis.embryo = await host.create({ contain: workerData });
         await embryo.umask(0);
         parentPort.postMessage(embryo.pid);
         setInterval(() => {}, 1000);
       })();`,
      { eval: true, workerData: contain },
    );
    const [pid] = (await once(worker, "message")) as [number];
    const keeper = contain === "cgroup" ? undefined : parentOf(pid);
    const leaf = cgroupOf(pid);
    assert.equal(leaf.includes("/brood-"), contain === "cgroup");
    await worker.terminate();
    await ended(pid);
    if (keeper !== undefined) await ended(keeper);
    else await isGone(leaf);
  });

  test(`${contain}: it outlives the host that created it, and is contained as before`, () =>
    withMark(async (mark) => {
      const host = await SpawnHost.start();
      const embryo = await host.create({ contain });
      await host[Symbol.asyncDispose]();
      await embryo.umask(0o70);
      const child = await embryo.exec(torture, ["stay"], { env: mark.env, forceKillAfterDelay: 20 });
      await lineOf(child.stdout);
      await child[Symbol.asyncDispose]();
      assert.deepEqual(mark.living(), []);
      assert.equal(child.containment?.ended.length, AWAY);
    }));

  for (const rung of ["clone3", "clone"])
    test(`${contain}: a host that is killed at any point of a creation leaves nothing of it (${rung})`, async () => {
      const code = `
        const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
        const { takeStock } = await import(${JSON.stringify(import.meta.resolve("../helpers/leaks.js"))});
        const contain = ${JSON.stringify(contain)};
        await run("true");
        const warm = takeStock();
        await run("true", { contain });
        // The base of cgroups and its watcher stay. A keeper is gone a moment after its command.
        if (contain !== "cgroup") await warm();
        const codes = new Set();
        const compare = takeStock();
        for (let round = 0; round < 60; round++) {
          const host = await SpawnHost.start({ restart: false });
          const requests = Array.from({ length: 3 }, () => host.create({ contain }));
          // From before the first is read to after the last is answered.
          const until = performance.now() + round * 0.02;
          while (performance.now() < until);
          process.kill(host.pid, "SIGKILL");
          for (const result of await Promise.allSettled(requests)) {
            if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
            else codes.add(result.reason.code);
          }
          await host[Symbol.asyncDispose]();
        }
        await compare();
        done([...codes]);`;
      for (const told of await inNode<string[]>(code, { env: { BROOD_CLONE: rung } }))
        assert.match(told, /ERR_HOST_ENDED|ERR_SPAWN_KILLED/);
    });

  test(`${contain}: what it had for memory is known, and what it took`, () =>
    withEmbryo({ contain }, async (embryo) => {
      const child = await embryo.exec(act, ["touch", "20"]);
      const { usage } = await child.closed;
      assert.ok((usage?.maxRSS ?? 0) > 20 << 20 && (usage?.maxRSS ?? 0) < 100 << 20);
      assert.ok(usage?.userCPU !== undefined);
    }));
}

for (const contain of MEANS) {
  test(`${contain}: preexec that throws, hangs, or is aborted, leaves nothing; the same at each other point`, () =>
    withMark(async (mark) => {
      const traces: Trace[] = [];
      const seen = (embryo: Embryo): void => void traces.push(new Trace(contain, embryo));
      const options = { contain, env: mark.env, stdio: "ignore" } as const;
      const cause = new RangeError("not today");
      const throws = async (embryo: Embryo): Promise<void> => {
        seen(embryo);
        await embryo.umask(0);
        throw cause;
      };
      await assert.rejects(spawnAsync(act, PAIR, { ...options, preexec: throws }), {
        code: "ERR_PREEXEC",
        stage: "preexec",
        cause,
      });
      const hangs = (embryo: Embryo): Promise<never> => {
        seen(embryo);
        return new Promise(() => {});
      };
      await assert.rejects(spawnAsync(act, PAIR, { ...options, preexec: hangs, preexecTimeout: 20 }), {
        stage: "preexec",
        message: /20 ms \(preexecTimeout\)/,
      });
      const kills = async (embryo: Embryo): Promise<void> => {
        seen(embryo);
        embryo.kill();
        await ended(embryo.pid);
      };
      await assert.rejects(spawnAsync(act, PAIR, { ...options, preexec: kills }), {
        name: "SpawnError",
        code: "ERR_SPAWN_KILLED",
      });
      await assert.rejects(spawnAsync("/nonexistent/x", { ...options, preexec: seen }), { code: "ENOENT", stage: "exec" });
      const never = (): never => assert.fail("it must not run");
      const nowhere = spawnAsync(act, PAIR, { ...options, cwd: "/nonexistent", preexec: never });
      await assert.rejects(nowhere, { code: "ENOENT", stage: "chdir" });

      // Aborted: at once, in preexec, at its end, and while it executes.
      for (const when of ["at once", "within", "at the end", "after it"]) {
        const controller = new AbortController();
        const preexec = async (embryo: Embryo): Promise<void> => {
          seen(embryo);
          if (when !== "after it") controller.abort(when);
          else setImmediate(() => controller.abort(when));
          if (when === "within") await new Promise(() => {});
        };
        const { signal } = controller;
        const started = spawnAsync(act, PAIR, { ...options, signal, preexec: when === "at once" ? never : preexec });
        if (when === "at once") controller.abort(when);
        await assert.rejects(started, { name: "AbortError", cause: when }).catch(async (error) => {
          // It had come through before: then it is a child that ends for that reason.
          if (when !== "after it") throw error;
          const child = await started;
          await child.closed;
          assert.equal(child.reason, "aborted");
          await child[Symbol.asyncDispose]();
        });
      }
      assert.deepEqual(await mark.settle(), []);
      assert.equal(traces.length, 7);
      for (const trace of traces) await trace.isGone();
    }));

  test(`${contain}: the end of the scope without an exec leaves nothing, nor does one while it execs`, () =>
    withMark((mark) =>
      withHost({}, async (host) => {
        for (let round = 0; round < 12; round++) {
          const embryo = await host.create({ contain });
          const trace = new Trace(contain, embryo);
          if (round % 4 === 1) await embryo.setsid();
          const executing =
            round % 4 < 2 ? undefined : embryo.exec(act, PAIR, { env: mark.env, stdio: "ignore" }).catch(({ code }) => code);
          if (round % 4 === 3) for (let turn = 0; turn < round / 4; turn++) await new Promise(setImmediate);
          await embryo[Symbol.asyncDispose]();
          await assert.rejects(embryo.umask(0), { code: "ERR_INVALID_STATE" });
          const child = await executing;
          if (typeof child === "string") assert.equal(child, "ERR_SPAWN_KILLED");
          else if (child !== undefined) {
            // It had become a child's before.
            if (child.exit === null) await child.terminate();
            assert.equal((await child.closed).kind, "killed");
            await child[Symbol.asyncDispose]();
          }
          assert.deepEqual(mark.living(), []);
          await trace.isGone();
        }
      }),
    ));

  test(`${contain}: a command that ends by itself, what it leaves, and what is said of that at the exec alone`, () =>
    withMark((mark) =>
      withHost({}, async (host) => {
        const leaves = ["fork", "pause", ";", "exit", "3"];
        const stdio = "ignore";
        const embryo = await host.create({ contain });
        const child = await embryo.exec(act, leaves, { env: mark.env, stdio, descendants: "wait" });
        const exit = await child.exited;
        assert.equal(exit.kind === "exited" && exit.code, 3);
        const [left, ...others] = mark.living();
        assert.deepEqual(others, []);
        process.kill(left as number, "SIGKILL");
        await child.closed;
        assert.deepEqual(child.containment, { ...child.containment, by: contain, ended: [], survivors: [] });
        await child[Symbol.asyncDispose]();
        const other = await host.create({ contain, descendants: "kill" });
        const killed = await other.exec(act, leaves, { contain: "auto", env: mark.env, stdio });
        await killed.closed;
        assert.deepEqual(mark.living(), []);
        assert.equal(killed.containment?.ended.length, 1);
        await killed[Symbol.asyncDispose]();
      }),
    ));

  test(`${contain}: a signal that aborts while a process of direct style execs ends it`, () =>
    withMark((mark) =>
      withHost({}, async (host) => {
        for (const options of [{ contain }, {}] as CreateOptions[]) {
          const embryo = await host.create(options);
          const controller = new AbortController();
          const { signal } = controller;
          const alone = options.contain === undefined;
          const executing = embryo.exec(act, alone ? ["pause"] : PAIR, { env: mark.env, stdio: "ignore", signal });
          controller.abort("enough");
          await assert.rejects(executing, { name: "AbortError", cause: "enough" });
          await embryo[Symbol.asyncDispose]();
          assert.deepEqual(mark.living(), []);
        }
      }),
    ));
}

for (const contain of ["cgroup", "group", "auto"] as const) {
  test(`${contain}: a process that is there already is contained when it execs`, () =>
    withMark((mark) =>
      withEmbryo({}, async (embryo, host) => {
        await embryo.umask(0o70);
        const ours = cgroupOf(embryo.pid);
        await assert.rejects(embryo.exec("/nonexistent/x", { contain }), { code: "ENOENT", stage: "exec" });
        const child = await embryo.exec(act, PAIR, { contain, env: mark.env, killSignal: "SIGKILL" });
        assert.equal(await lineOf(child.stdout), "two");
        assert.equal(child.descendants().length, 1);
        const leaf = cgroupOf(child.pid);
        assert.equal(leaf !== ours, contain !== "group");
        await child.terminate();
        assert.deepEqual(mark.living(), []);
        assert.equal(child.containment?.by, contain === "auto" ? "cgroup" : contain);
        assert.equal(child.containment?.ended.length, 1);
        await child[Symbol.asyncDispose]();
        if (contain !== "group") await isGone(leaf);
        // What has gone there and then does not exec leaves nothing either.
        const other = await host.create();
        await assert.rejects(other.exec("/nonexistent/x", { contain }), { code: "ENOENT", stage: "exec" });
        const left = cgroupOf(other.pid);
        await other[Symbol.asyncDispose]();
        if (contain !== "group") await isGone(left);
      }),
    ));
}

test("cgroup: what has gone there for an exec that failed stays, and the next is contained, whether it says so or not", () =>
  withMark((mark) =>
    withEmbryo({}, async (embryo) => {
      await assert.rejects(embryo.exec("/nonexistent/x", { contain: "cgroup" }), { code: "ENOENT" });
      const leaf = cgroupOf(embryo.pid);
      await assert.rejects(embryo.exec("true", { contain: "keeper" }), {
        code: "ERR_OPTION_CONFLICT",
        message: /contained by "cgroup"/,
      });
      const child = await embryo.exec(torture, ["stay"], { env: mark.env, forceKillAfterDelay: 20 });
      assert.equal(cgroupOf(child.pid), leaf);
      await lineOf(child.stdout);
      await child.terminate();
      assert.equal(child.containment?.ended.length, AWAY);
      await child[Symbol.asyncDispose]();
      await isGone(leaf);
    }),
  ));

test("keeper, namespace: what is there already can't be contained by them, which is said with what to do; it can still be used", () =>
  withEmbryo({}, async (embryo) => {
    for (const [contain, message] of [
      ["keeper", /cannot contain "true" by a keeper: .*host\.create\(\)/],
      ["namespace", /cannot contain "true" by a pid namespace: .*host\.create\(\)/],
    ] as const) {
      await assert.rejects(embryo.exec("true", { contain }), { name: "UnsupportedError", feature: "contain-embryo", message });
    }
    await assert.rejects(embryo.exec("true", { namespaces: ["uts"] }), {
      name: "UnsupportedError",
      feature: "namespaces-embryo",
      message: /host\.create\(\)/,
    });
    const child = await embryo.exec("echo", ["uncontained"]);
    assert.equal((await child.output()).stdout, "uncontained\n");
    assert.equal(child.containment, null);
  }));

test("what contradicts how it was created is refused, and changes nothing", () =>
  withEmbryo({ contain: "keeper", descendants: "wait" }, async (embryo) => {
    const conflict = { name: "TypeError", code: "ERR_OPTION_CONFLICT" };
    for (const options of [
      { contain: "cgroup" },
      { contain: "group" },
      { contain: false },
      { memoryMax: 1 << 20 },
      { detached: true },
      { cleanup: false },
    ] as const)
      await assert.rejects(embryo.exec("true", options), conflict, JSON.stringify(options));
    await assert.rejects(embryo.exec("true", { contain: "x" as never }), { code: "ERR_INVALID_ARG_VALUE" });
    const child = await embryo.exec("true", { contain: "keeper", descendants: "kill" });
    assert.equal((await child.closed).kind, "exited");
    await child[Symbol.asyncDispose]();
  }));

test("the options of create are checked before anything is created", () =>
  withHost({}, async (host) => {
    for (const [options, code] of [
      [{ contain: "x" }, "ERR_INVALID_ARG_VALUE"],
      [{ descendants: "wait" }, "ERR_OPTION_CONFLICT"],
      [{ contain: "keeper", descendants: "x" }, "ERR_INVALID_ARG_VALUE"],
      [{ memoryMax: 5 }, "ERR_OPTION_CONFLICT"],
      [{ contain: "keeper", pidsMax: 5 }, "ERR_OPTION_CONFLICT"],
      [{ contain: "keeper", namespaces: ["pid"] }, "ERR_OPTION_CONFLICT"],
      [{ contain: "cgroup", cpuMax: -1 }, "ERR_OUT_OF_RANGE"],
      [{ contain: "namespace", descendants: "leave" }, "ERR_OPTION_CONFLICT"],
      [{ stdin: "pipe" }, "ERR_UNKNOWN_OPTION"],
      [5, "ERR_INVALID_ARG_TYPE"],
    ] as const)
      await assert.rejects(host.create(options as never), { code }, JSON.stringify(options));
  }));

test("group: a session that was made step by step is what is held; a group that is another's can't be", () =>
  withMark((mark) =>
    withHost({}, async (host) => {
      const embryo = await host.create({ contain: "group" });
      await embryo.setsid();
      const child = await embryo.exec(act, ["fork", "setpgid", "pause", ";", "say", "1", "two", "pause"], {
        env: mark.env,
        killSignal: "SIGKILL",
      });
      await lineOf(child.stdout);
      while (mark.living().length < 2) await new Promise(setImmediate);
      await child.terminate();
      assert.deepEqual(mark.living(), []);
      await child[Symbol.asyncDispose]();

      const leader = await host.spawn("cat", { processGroup: "new" });
      const unsupported = { name: "UnsupportedError", feature: "contain" };
      const other = await host.create();
      await other.setpgid(leader.pid);
      await assert.rejects(other.exec("true", { contain: "group" }), unsupported);
      await other.setpgid("new");
      await (await other.exec("true", { contain: "group" })).closed;
      const joins = spawnAsync("true", { contain: "group", preexec: (embryo) => embryo.setpgid(leader.pid) });
      await assert.rejects(joins, unsupported);
      leader.stdin.end();
      await leader.closed;
    }),
  ));

test("cgroup: limits are those that it was created with", () =>
  withHost({}, async (host) => {
    const embryo = await host.create({ pidsMax: 20, contain: "auto" }).catch((error) => error);
    if (embryo instanceof Error) {
      // No controller here.
      assert.equal((embryo as Error & { feature?: string }).feature, "cgroup");
      return;
    }
    assert.equal(readFileSync(join(cgroupOf(embryo.pid), "pids.max"), "utf8"), "20\n");
    await assert.rejects(embryo.exec("true", { pidsMax: 21 }), { code: "ERR_OPTION_CONFLICT", message: /pids\.max/ });
    const child = await embryo.exec("true", { pidsMax: 20 });
    await child.closed;
    await child[Symbol.asyncDispose]();
  }));

test("keeper: one that somebody kills takes along what has not exec'ed; one that waits and is killed costs a creation nothing", () =>
  withHost({}, async (host) => {
    const embryo = await host.create({ contain: "keeper" });
    const keeper = parentOf(embryo.pid);
    process.kill(keeper, "SIGKILL");
    await ended(embryo.pid);
    await assert.rejects(embryo.exec("true"), { name: "SpawnError", code: "ERR_SPAWN_KILLED" });
    await embryo[Symbol.asyncDispose]();

    const child = await host.spawn("cat", { contain: "keeper" });
    const idle = parentOf(child.pid);
    child.stdin.end();
    await child.closed;
    process.kill(idle, "SIGKILL");
    // In the turn in which it is seen: we have not heard of it.
    while (stateOf(idle) !== "Z");
    const next = await host.create({ contain: "keeper" });
    assert.notEqual(parentOf(next.pid), idle);
    await (await next.exec("true")).closed;
  }));

test("keeper: it takes commands and processes without one, one after the other; such a process has none of its fds", () =>
  withHost({}, async (host) => {
    const kept = new Map<number, number>();
    while (![...kept.values()].some((times) => times > 2)) {
      const embryo = await host.create({ contain: "keeper" });
      const keeper = parentOf(embryo.pid);
      kept.set(keeper, (kept.get(keeper) ?? 0) + 1);
      // 0 to 2, its socket, and what it opens.
      await embryo.open("/dev/null");
      assert.equal(readdirSync(`/proc/${embryo.pid}/fd`).length, 5);
      assert.equal(readFileSync(`/proc/${embryo.pid}/comm`, "utf8"), "brood-host\n");
      if (kept.get(keeper) === 2) {
        await embryo[Symbol.asyncDispose]();
        continue;
      }
      const child = await embryo.exec("sh", ["-c", "ls /proc/$$/fd"], { stderr: "ignore" });
      assert.equal((await child.output()).stdout, "0\n1\n2\n");
    }
  }));

test("namespaces with preexec: it is in them when that runs, with its id maps, contained or not", async () => {
  const map = [{ inside: 0, outside: 100_000, count: 1000 }];
  for (const contain of [false, ...MEANS] as const) {
    const child = await spawnAsync("sh", ["-c", "id -u; cat /proc/self/setgroups; umask"], {
      contain,
      namespaces: ["user", "uts"],
      uidMap: map,
      gidMap: map,
      uid: 7,
      gid: 7,
      groups: [],
      preexec: (embryo) => embryo.umask(0o70),
    });
    assert.equal((await child.output()).stdout, "7\nallow\n0070\n", String(contain));
  }
  const child = await spawnAsync("sh", ["-c", "echo $$; readlink /proc/self"], {
    namespaces: ["pid", "mount"],
    preexec: (embryo) => embryo.umask(0o70),
  });
  assert.equal((await child.output()).stdout, "2\n3\n");
  assert.equal(child.containment?.by, "namespace");
  const refused = [{ inside: 0, outside: 4_000_000_000, count: 500_000_000 }];
  for (const contain of [false, "keeper", "cgroup"] as const) {
    const never = (): never => assert.fail("it must not run");
    const started = spawnAsync("true", {
      contain,
      namespaces: ["user"],
      uidMap: refused,
      uid: 0,
      gid: 0,
      groups: [],
      preexec: never,
    });
    await assert.rejects(started, { name: "SpawnError", stage: "idMap", file: "true" });
  }
});

test("as an ordinary user: by each means that is to be had", () =>
  withMark(async (mark) => {
    const code = `
      const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
      const { spawnAsync } = await import(${JSON.stringify(import.meta.resolve("brood"))});
      const verdicts = [];
      const host = await SpawnHost.start();
      for (const contain of ["keeper", "namespace"]) {
        const options = { env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20 };
        const embryo = await host.create({ contain });
        for (const child of [
          await embryo.exec(${JSON.stringify(torture)}, ["stay"], options),
          await spawnAsync(${JSON.stringify(torture)}, ["stay"], { contain, ...options, preexec: (one) => one.umask(0) }),
        ]) {
          await new Promise((resolve) => child.stdout.once("data", resolve));
          await child.terminate();
          verdicts.push(child.containment.ended.length);
        }
      }
      const refused = await host.create({ contain: "cgroup" }).catch(({ feature }) => feature);
      // The strongest that can be had at that time.
      const auto = { contain: "auto" };
      const by = [];
      for (const child of [
        await (await host.create(auto)).exec("true"),
        await spawnAsync("true", { ...auto, preexec: (one) => one.umask(0) }),
        await (await host.create()).exec("true", auto),
      ]) {
        await child.closed;
        by.push(child.containment.by);
      }
      await host[Symbol.asyncDispose]();
      done([verdicts, refused, by]);
      process.exit(0);`;
    assert.deepEqual(await inNode(code, NOBODY), [[AWAY, AWAY, AWAY, AWAY], "cgroup", ["keeper", "keeper", "group"]]);
    assert.deepEqual(await mark.settle(), []);
  }));

test("cgroup: one that can't go there is refused with its stage, and what can't be created leaves nothing", async () => {
  const outcomes = await inNode<unknown[]>(`
    import { syncBuiltinESMExports } from "node:module";
    import { dirname, join } from "node:path";
    const { SpawnHost, spawnAsync } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start();
    const { stdout } = await host.run("cat", ["/proc/self/cgroup"], { contain: "cgroup" });
    await (await spawnAsync("true")).closed;
    const mount = /^\\S+ \\S+ \\S+ \\S+ (\\S+) .* - cgroup2 /m.exec(fs.readFileSync("/proc/self/mountinfo", "utf8"))[1];
    const base = dirname(join(mount, /^0::(.*)$/m.exec(stdout)[1]));
    const count = () => [fs.readdirSync("/proc/self/fd").length, fs.readFileSync("/proc/self/task/" + process.pid + "/children", "utf8")];
    const before = count();
    // A leaf that may not be entered, as far as whoever is to go there can see: it can be written by neither fd.
    const open = fs.openSync;
    fs.openSync = (path, ...rest) => {
      if (path.startsWith(base) && path.endsWith("/cgroup.procs")) return open("/proc/self/status", "r");
      return open(path.startsWith(base) && rest[0] & fs.constants.O_DIRECTORY ? "/proc" : path, ...rest);
    };
    syncBuiltinESMExports();
    const told = ({ name, stage, code, message }) => [name, stage, code, message];
    const outcomes = [await host.create({ contain: "cgroup" }).catch(told)];
    const preexec = () => outcomes.push("it must not run");
    outcomes.push(await spawnAsync("true", { contain: "cgroup", preexec }).catch(told));
    const embryo = await host.create();
    outcomes.push(await embryo.exec("true", { contain: "cgroup" }).catch(told));
    fs.openSync = open;
    syncBuiltinESMExports();
    // It is as usable as before.
    const child = await embryo.exec("echo", ["works"], { contain: "cgroup" });
    outcomes.push((await child.output()).stdout);
    await child[Symbol.asyncDispose]();
    const deadline = performance.now() + 3000;
    const leaves = () => fs.readdirSync(base, { withFileTypes: true }).filter((entry) => entry.isDirectory()).length;
    const same = () => JSON.stringify(count()) === JSON.stringify(before) && leaves() === 0;
    while (!same() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
    outcomes.push(same() || [count(), before, leaves()]);
    await host[Symbol.asyncDispose]();
    done(outcomes);`);
  const why = "cannot join the cgroup: bad file descriptor (EBADF at cgroup)";
  assert.deepEqual(outcomes, [
    ["HostError", "cgroup", "EBADF", `cannot create a process: ${why}`],
    ["SpawnError", "cgroup", "EBADF", `cannot spawn "true": ${why}`],
    ["SpawnError", "cgroup", "EBADF", `cannot spawn "true": ${why}`],
    "works\n",
    true,
  ]);
});
