/**
 * Contained commands that are started through a spawn host, and hosts that are contained themselves. That everything else is
 * as with `spawn` the tests beside this one show, run a second time through a host.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RunResult, run, spawnAsync } from "brood";
import { type HostOptions, SpawnHost } from "brood/host";
import { act, lineOf } from "../helpers/act.js";
import { childPath } from "../helpers/children.js";
import { AWAY, endTortured, withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { runNode } from "../helpers/node.js";
import { childrenOf, ended, nameOf, ownChildren, parentOf, stateOf } from "../helpers/processes.js";
import type { Report } from "../helpers/report.js";
import { test } from "../helpers/test.js";

const torture = childPath("torture");
const MEANS = ["cgroup", "keeper", "namespace"] as const;
const ALL = [...MEANS, "group"] as const;
const NOBODY = { uid: 65534, gid: 65534 };

async function withHost(options: HostOptions, body: (host: SpawnHost) => Promise<void>): Promise<void> {
  const host = await SpawnHost.start(options);
  try {
    await body(host);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

function kill(host: SpawnHost): Promise<void> {
  const pid = host.pid as number;
  process.kill(pid, "SIGKILL");
  return ended(pid);
}

for (const contain of MEANS) {
  test(`${contain}: a host that gets SIGKILL takes nothing along, and leaves nothing: its command is ours to end`, () =>
    withMark((mark) =>
      withHost({}, async (host) => {
        const child = await host.spawn(torture, ["stay"], { contain, env: mark.env, forceKillAfterDelay: 20 });
        assert.equal(await lineOf(child.stdout), `${AWAY} away`);
        await kill(host);
        await endTortured(child, contain, mark);
      }),
    ));

  test(`${contain}: a contained host that gets SIGKILL takes everything along`, () =>
    withMark((mark) =>
      withHost({ contain }, async (host) => {
        const child = await host.spawn(torture, ["stay"], { env: mark.env });
        await lineOf(child.stdout);
        assert.equal(mark.living().length, AWAY + 1);
        await kill(host);
        assert.deepEqual(await mark.settle(), []);
        await child.closed;
        assert.notEqual(child.exit?.kind, "exited");
        await child[Symbol.asyncDispose]();
        // The next one is contained as well.
        const next = await host.spawn(torture, ["stay"], { env: mark.env });
        await lineOf(next.stdout);
        await host[Symbol.asyncDispose]();
        assert.deepEqual(await mark.settle(), []);
        await next.closed;
        await next[Symbol.asyncDispose]();
      }),
    ));

  for (const [what, options] of Object.entries({ "through a host": {}, "of a contained host": { contain } })) {
    test(`${contain}: ${what}: our end by SIGKILL, and the host's, ends everything`, () =>
      withMark(async (mark) => {
        const code = `
          const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
          const host = await SpawnHost.start(${JSON.stringify(options)});
          const child = await host.spawn(${JSON.stringify(torture)}, ["stay"],
            { contain: ${options === undefined || "contain" in options ? false : JSON.stringify(contain)}, env: ${JSON.stringify(mark.env)} });
          await new Promise((resolve) => child.stdout.once("data", resolve));
          process.stdout.write("ready", () => {
            process.kill(host.pid, "SIGKILL");
            process.kill(process.pid, "SIGKILL");
          });
          await new Promise((resolve) => setTimeout(resolve, 10_000));`;
        assert.equal((await runNode(code)).stdout, "ready");
        assert.deepEqual(await mark.settle(), []);
        if (contain === "cgroup") return;
        // The same for an ordinary user.
        assert.equal((await runNode(code, NOBODY)).stdout, "ready");
        assert.deepEqual(await mark.settle(), []);
      }));
  }

  test(`${contain}: a host that is killed at any point of a request leaves nothing of it`, () =>
    withMark(async (mark) => {
      for (let round = 0; round < 40; round++) {
        const host = await SpawnHost.start({ restart: false });
        const requests = Array.from({ length: 3 }, () =>
          host.spawn(act, ["fork", "pause", ";", "pause"], { contain, stdio: "ignore", env: mark.env, killSignal: "SIGKILL" }),
        );
        // From before the first is read to after the last is answered.
        const until = performance.now() + round * 0.03;
        while (performance.now() < until);
        process.kill(host.pid as number, "SIGKILL");
        for (const result of await Promise.allSettled(requests)) {
          if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
          else assert.match(result.reason.code, /ERR_HOST_ENDED|ERR_SPAWN_KILLED/);
        }
        await host[Symbol.asyncDispose]();
      }
      assert.deepEqual(await mark.settle(), []);
    }));

  test(`${contain}: one that ends before anybody could watch it is told of`, async () => {
    await withHost({}, async (host) => {
      const results = await Promise.all(
        Array.from({ length: 20 }, (_, i) => host.run("sh", ["-c", `exit ${i}`], { contain, reject: false })),
      );
      assert.deepEqual(
        results.map(({ exit }) => exit.kind === "exited" && exit.code),
        results.map((_, i) => i),
      );
    });
  });
}

for (const contain of ALL) {
  test(`${contain}: a spawn through a host that fails says why, and leaves nothing`, () =>
    withHost({}, async (host) => {
      const failures: string[] = [];
      for (const [file, options] of [
        ["/nope", {}],
        ["true", { cwd: "/nope" }],
        ["/etc/passwd", {}],
      ] as const) {
        await host.spawn(file, { contain, ...options }).catch(({ code, stage }) => failures.push(`${code} ${stage}`));
      }
      assert.deepEqual(failures, ["ENOENT exec", "ENOENT chdir", "EACCES exec"]);
    }));

  test(`${contain}: an abort while it is started through a host leaves nothing`, () =>
    withMark(async (mark) => {
      const controller = new AbortController();
      const { signal } = controller;
      const started = spawnAsync(act, ["fork", "pause", ";", "pause"], { contain, signal, stdio: "ignore", env: mark.env });
      controller.abort();
      await assert.rejects(started, { name: "AbortError" });
      assert.deepEqual(await mark.settle(), []);
    }));

  test(`${contain}: what a command through a host had for memory is known`, () =>
    withHost({}, async (host) => {
      const { exit } = await host.run(act, ["touch", "20"], { contain });
      assert.ok(exit.usage?.maxRSS !== null && (exit.usage?.maxRSS ?? 0) > 20 << 20);
    }));
}

test("keeper: it is a copy of the host, our child; it takes the host's next command, and ends when there is none", () =>
  withHost({}, async (host) => {
    const keepers = new Set<number>();
    // One that has waited too long for the next, on a slow machine, has ended.
    for (let rounds = 0; keepers.size === rounds; rounds++) {
      const child = await host.spawn("cat", { contain: "keeper" });
      const keeper = parentOf(child.pid);
      keepers.add(keeper);
      assert.equal(parentOf(keeper), process.pid);
      assert.equal(readFileSync(`/proc/${keeper}/comm`, "utf8"), "brood-keeper\n");
      assert.equal(readFileSync(`/proc/${keeper}/cmdline`, "utf8").split("\0")[0], "brood-host");
      child.stdin.end();
      await child.closed;
      assert.equal(child.reason, "exit");
    }
    for (const keeper of keepers) await ended(keeper);
  }));

test("keeper: its second command begins as its first: group, session, directory, fds, signals", () =>
  withHost({ cwd: "/usr", umask: 0o27, ignoreSignals: ["SIGCHLD"] }, async (host) => {
    const told = new Map<number, Report[]>();
    while (![...told.values()].some(({ length }) => length > 1)) {
      const child = await host.spawn(childPath("report"), ["1", "wait"], { contain: "keeper", stderr: "ignore" });
      const keeper = parentOf(child.pid);
      const report = JSON.parse(await lineOf(child.stdout)) as Report;
      assert.equal(report.ppid, keeper);
      assert.notEqual(report.pgid, report.pid);
      assert.notEqual(report.pgid, keeper);
      told.set(keeper, [...(told.get(keeper) ?? []), report]);
      child.stdin.end();
      await child.closed;
    }
    const taken = ({ pgid, sid, cwd, umask, fds, ignored, blocked }: Report) => {
      return { pgid, sid, cwd, umask, fds: Object.keys(fds), ignored, blocked };
    };
    const [first, ...others] = [...told.values()].flat().map(taken);
    for (const other of others) assert.deepEqual(other, first);
    assert.equal(first?.umask, 0o27);
    // SIGCHLD is 17.
    assert.equal((BigInt(`0x${first?.ignored[0]}`) >> 16n) & 1n, 1n);
  }));

for (const when of ["before the next is asked for", "before it has heard of the next"]) {
  test(`keeper: one that somebody kills while it waits, ${when}, costs the next nothing`, () =>
    withHost({}, async (host) => {
      const child = await host.spawn("cat", { contain: "keeper" });
      const keeper = parentOf(child.pid);
      child.stdin.end();
      await child.closed;
      let started: Promise<RunResult>;
      if (when.startsWith("before the")) {
        process.kill(keeper, "SIGKILL");
        // In the turn in which it is seen: we have not heard of it.
        while (stateOf(keeper) !== "Z");
        started = host.run("true", { contain: "keeper" });
      } else {
        process.kill(keeper, "SIGSTOP");
        while (stateOf(keeper) !== "T");
        started = host.run("true", { contain: "keeper" });
        process.kill(keeper, "SIGKILL");
      }
      const { exit } = await started;
      assert.equal(exit.kind === "exited" && exit.code, 0);
    }));
}

test("keeper: what fails to start leaves it to the next; what was let go takes it along", () =>
  withHost({}, async (host) => {
    for (let round = 0; round < 3; round++) await assert.rejects(host.run("/nope", { contain: "keeper" }), { code: "ENOENT" });
    // It waits to be told: who its parent was, it can't be asked when it has ended.
    const child = await host.spawn("sh", ["-c", "sleep 100 & echo $!; read -r line"], {
      contain: "keeper",
      descendants: "leave",
      drain: { timeout: 50 },
    });
    const keeper = parentOf(child.pid);
    const left = Number(await lineOf(child.stdout));
    child.stdin.end();
    await child.closed;
    await ended(keeper);
    assert.deepEqual(
      child.containment?.survivors.map(({ pid }) => pid),
      [left],
    );
    process.kill(left, "SIGKILL");
  }));

test("keeper: a host that ends takes those along that wait, and leaves those that keep", async () => {
  const host = await SpawnHost.start();
  const child = await host.spawn("cat", { contain: "keeper" });
  const other = await host.spawn("cat", { contain: "keeper" });
  const [busy, idle] = [parentOf(child.pid), parentOf(other.pid)];
  assert.notEqual(busy, idle);
  other.stdin.end();
  await other.closed;
  await host[Symbol.asyncDispose]();
  await ended(idle);
  assert.equal(parentOf(child.pid), busy);
  child.stdin.end("x");
  assert.equal(await child.stdout.text(), "x");
  const exit = await child.closed;
  assert.equal(exit.kind === "exited" && exit.code, 0);
  await ended(busy);
});

test("keeper: that its command was killed within the exec, when no signal would say so, it hears all the same", async () => {
  const { stdout } = await run(childPath("unsignalled"));
  assert.equal(stdout, "exit 7\n");
});

test("keeper: what the kernel has no memory for when the keeper says it, it says again", async () => {
  const { stdout } = await run(childPath("unsignalled"), ["-"]);
  assert.equal(stdout, "exit 7\n");
});

test("cgroup: a contained host is in it, and what it starts", () =>
  withHost({ contain: "cgroup" }, async (host) => {
    const cgroupOf = (pid: number | "self"): string => /^0::(.*)$/m.exec(readFileSync(`/proc/${pid}/cgroup`, "utf8"))?.[1] ?? "";
    assert.notEqual(cgroupOf(host.pid as number), cgroupOf("self"));
    const { stdout } = await host.run("cat", ["/proc/self/cgroup"]);
    assert.ok(stdout.includes(`0::${cgroupOf(host.pid as number)}\n`));
    // One of its children with a cgroup of its own is held by that.
    const own = await host.run("cat", ["/proc/self/cgroup"], { contain: "cgroup" });
    assert.ok(!own.stdout.includes(`0::${cgroupOf(host.pid as number)}\n`));
    assert.match(own.stdout, /^0::.*\/brood-/m);
  }));

test("cgroup: through a host of another user, who may not write there", () =>
  withHost({ uid: NOBODY.uid }, async (host) => {
    const { stdout, containment } = await host.run("sh", ["-c", "id -u; cat /proc/self/cgroup"], { contain: "cgroup" });
    assert.match(stdout, /^65534\n/);
    assert.match(stdout, /^0::.*\/brood-/m);
    assert.equal(containment?.by, "cgroup");
  }));

test("keeper: through a host whose root has no /proc: it has ours", async () => {
  const root = mkdtempSync(join(tmpdir(), "brood-"));
  try {
    copyFileSync(torture, join(root, "torture"));
    // daemon(3) opens it.
    mkdirSync(join(root, "dev"));
    execFileSync("mknod", [join(root, "dev/null"), "c", "1", "3"]);
    await withMark((mark) =>
      withHost({ chroot: root }, async (host) => {
        const child = await host.spawn("/torture", ["stay"], { contain: "keeper", env: mark.env, forceKillAfterDelay: 20 });
        assert.equal(await lineOf(child.stdout), `${AWAY} away`);
        await child.terminate();
        assert.deepEqual(mark.living(), []);
        assert.equal(child.containment?.ended.length, AWAY);
        await child[Symbol.asyncDispose]();
      }),
    );
  } finally {
    rmSync(root, { recursive: true });
  }
});

test("keeper: through a relay in a pid namespace with a /proc of its own; without one it is refused, and auto takes what is left", async () => {
  await withMark((mark) =>
    withHost({ namespaces: ["pid", "mount"] }, async (host) => {
      assert.equal(host.relay, true);
      const child = await host.spawn(torture, ["stay"], { contain: "keeper", env: mark.env, forceKillAfterDelay: 20 });
      assert.equal(await lineOf(child.stdout), `${AWAY} away`);
      assert.equal(child.descendants().length, AWAY);
      await child.terminate();
      assert.deepEqual(mark.living(), []);
      assert.equal(child.containment?.ended.length, AWAY);
      await child[Symbol.asyncDispose]();
    }),
  );
  await withHost({ namespaces: ["pid"] }, async (host) => {
    await assert.rejects(host.run("true", { contain: "keeper" }), {
      name: "UnsupportedError",
      feature: "keeper",
      message: /the spawn host is in a pid namespace of which there is no \/proc$/,
    });
    const { exit } = await host.run("sh", ["-c", "exit 3"], { contain: "auto", reject: false });
    assert.equal(exit.kind === "exited" && exit.code, 3);
  });
});

test("namespaces through a host: id maps are written from here, also for a host of another user, whose own ids they are by default", async () => {
  const show = "tr -s ' ' </proc/self/uid_map; id -u; cat /proc/self/setgroups";
  await withHost({}, async (host) => {
    const map = [{ inside: 0, outside: 100_000, count: 1000 }];
    const { stdout } = await host.run("sh", ["-c", show], { namespaces: ["user"], uidMap: map, gidMap: map });
    assert.equal(stdout, " 0 100000 1000\n65534\nallow\n");
  });
  await withHost({ uid: 1000, gid: 1000 }, async (host) => {
    for (const contain of [false, "keeper", "cgroup"] as const) {
      const { stdout } = await host.run("sh", ["-c", show], { namespaces: ["user"], contain });
      assert.equal(stdout, " 1000 1000 1\n1000\nallow\n", String(contain));
    }
    // Without privileges of its own the host makes a user namespace for the pid namespace.
    const { stdout, containment } = await host.run("sh", ["-c", "id -u; echo $$"], { contain: "namespace" });
    assert.equal(stdout, "1000\n2\n");
    assert.equal(containment?.by, "namespace");
  });
});

/** The keepers among our children, and the command that each has. One that sleeps has answered: while it clones it is in state D. */
function serving(): { keeper: number; command: number }[] {
  const keepers = ownChildren().filter((pid) => nameOf(pid) === "brood-keeper");
  const found = keepers.flatMap((keeper) => childrenOf(keeper).map((command) => ({ keeper, command })));
  return found.filter(({ keeper }) => stateOf(keeper) === "S");
}

for (const keeper of ["a new keeper", "one that has waited"]) {
  test(`keeper: ${keeper} is killed before anybody has heard of its command: that is ended, and is known to have`, () =>
    withHost({}, async (host) => {
      if (keeper !== "a new keeper") await host.run("true", { contain: "keeper" });
      const starting = host.spawn("cat", { contain: "keeper" });
      // In this turn no answer is read: the keeper's, and its end, come together.
      let found: { keeper: number; command: number } | undefined;
      while (found === undefined) [found] = serving();
      process.kill(found.keeper, "SIGKILL");
      while (stateOf(found.keeper) !== "Z");
      const child = await starting;
      assert.equal(child.pid, found.command);
      const exit = await child.closed;
      assert.equal(exit.kind === "unknown" && exit.cause, "keeper");
      assert.equal((await host.run("echo", ["again"], { contain: "keeper" })).stdout, "again\n");
    }));
}

test("keeper: its commands begin in our group, or, where that is one of an outer pid namespace, in one of their own; never in the keeper's", async () => {
  const code = `
    const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start();
    const groups = [];
    for (let i = 0; i < 4; i++) {
      const { stdout } = await host.run("sh", ["-c", "cut -d' ' -f1,4,5 /proc/$$/stat"], { contain: "keeper" });
      const [pid, keeper, group] = stdout.trim().split(" ");
      groups.push(group === keeper ? "the keeper's" : group === pid ? "its own" : group === "0" ? "outer" : "ours");
    }
    await host[Symbol.asyncDispose]();
    done(groups);`;
  assert.deepEqual(await inNode(code), ["ours", "ours", "ours", "ours"]);
  const wrapper = ["unshare", "-pf", "--mount-proc"];
  assert.deepEqual(await inNode(code, { wrapper }), ["outer", "its own", "its own", "its own"]);
});

test("namespaces through a host: a map that is refused is an error that says so, and leaves nothing", () =>
  withHost({ uid: 1000, gid: 1000 }, async (host) => {
    const map = [{ inside: 0, outside: 4_000_000_000, count: 500_000_000 }];
    for (const contain of [false, "keeper"] as const) {
      const started = host.spawn("true", { namespaces: ["user"], uidMap: map, contain });
      await assert.rejects(started, { name: "SpawnError", stage: "idMap", code: "EINVAL" });
    }
  }));

test("as an ordinary user: everything through a host, and through a contained one", () =>
  withMark(async (mark) => {
    const code = `
      const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
      const verdicts = [];
      for (const [own, contain] of [[{}, "keeper"], [{}, "namespace"], [{ contain: "keeper" }, false], [{ contain: "namespace" }, false]]) {
        const host = await SpawnHost.start(own);
        const child = await host.spawn(${JSON.stringify(torture)}, ["stay"],
          { contain, env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20 });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        if (contain === false) await host[Symbol.asyncDispose]();
        else await child.terminate();
        await child.closed;
        verdicts.push(child.containment?.ended.length ?? null);
        await host[Symbol.asyncDispose]();
      }
      const { stdout } = await (await SpawnHost.start()).run("id", ["-u"], { namespaces: ["user"], uidMap: [{ inside: 0, outside: 65534 }] });
      done([verdicts, stdout]);
      process.exit(0);`;
    assert.deepEqual(await inNode(code, NOBODY), [[AWAY, AWAY, null, null], "0\n"]);
    assert.deepEqual(await mark.settle(), []);
  }));
