/**
 * Spawn hosts: children that are started through another process are ours, and start from what that process has.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { SpawnHost } from "brood/host";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { stateOf } from "../helpers/processes.js";
import { parseReport, type Report } from "../helpers/report.js";
import { test } from "../helpers/test.js";

async function reportThrough(host: SpawnHost, options = {}): Promise<Report> {
  const child = await host.spawn(childPath("report"), ["1"], options);
  const { stdout } = await child.output();
  return parseReport(stdout as string);
}

async function withHost(options: Parameters<typeof SpawnHost.start>[0], body: (host: SpawnHost) => Promise<void>): Promise<void> {
  const host = await SpawnHost.start(options);
  try {
    await body(host);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

test("a child through a host has us for its parent, and starts from the host's directory, umask, limits and nice value", async () => {
  const options = { cwd: "/usr", umask: 0o77, nice: 7, rlimits: { nofile: 321 } };
  await withHost(options, async (host) => {
    const report = await reportThrough(host);
    assert.equal(report.ppid, process.pid);
    assert.deepEqual([report.cwd, report.umask, report.nice, report.rlimits["nofile"]], ["/usr", 0o77, 7, ["321", "321"]]);
    const own = await reportThrough(host, { cwd: "/", umask: 0o22, nice: 9 });
    assert.deepEqual([own.cwd, own.umask, own.nice], ["/", 0o22, 9]);
  });
});

/** The 41st field of proc_pid_stat(5). */
const policyOf = (pid: number | null): number =>
  Number(
    readFileSync(`/proc/${pid}/stat`, "latin1")
      .replace(/^.*\) /s, "")
      .split(" ")[38],
  );

test("a host does not take the CPU from who wakes it up (SCHED_BATCH), and its children have our scheduling policy", async () => {
  const ours = policyOf(process.pid);
  await withHost({}, async (host) => {
    const child = await host.spawn("cat", [], { stdout: "ignore" });
    const embryo = await host.create();
    assert.deepEqual([policyOf(child.pid), policyOf(embryo.pid)], [ours, ours]);
    // It is idle again when it has answered another request.
    await (await host.spawn("true")).closed;
    assert.equal(policyOf(host.pid), ours === 0 ? 3 : ours);
    child.stdin.end();
    await child.closed;
    await embryo[Symbol.asyncDispose]();
  });
});

test("a host under another user makes children of that user, and a host in another root children there", async () => {
  await withHost({ uid: 12345, gid: 23456, groups: [7] }, async (host) => {
    const { stdout } = await host.run("id", ["-u"]);
    assert.equal(stdout, "12345\n");
    await assert.rejects(host.spawn("id", { uid: 1, gid: 1, groups: [] }), { code: "EPERM", stage: "setgroups" });
  });
  await withHost({ chroot: "/usr" }, async (host) => {
    const child = await host.spawn("/bin/true").catch((error) => error);
    assert.ok(child.stage === "exec" || child.pid > 0);
  });
});

test("what is not there for a host in another root is not taken for a missing interpreter, though we have it", async () => {
  await withHost({ chroot: "/proc" }, async (host) => {
    const missing = /no such file "\/bin\/sh", or no interpreter that it names \(ENOENT/;
    await assert.rejects(host.spawn("/bin/sh"), { code: "ENOENT", stage: "exec", message: missing });
  });
  await withHost({}, async (host) => {
    await assert.rejects(host.spawn("/nonexistent/x"), { message: /no such file "\/nonexistent\/x" \(ENOENT/ });
  });
});

test("a host describes itself, and is made by start() alone", async () => {
  await withHost({ relay: true }, async (host) => {
    assert.equal(inspect(host), `SpawnHost { pid ${host.pid}, relay }`);
    assert.deepEqual(JSON.parse(JSON.stringify(host)), { pid: host.pid, relay: true });
  });
  await withHost({}, async (host) => {
    await host[Symbol.asyncDispose]();
    assert.equal(inspect(host), "SpawnHost { not running }");
  });
  const made = SpawnHost as unknown as new () => SpawnHost;
  assert.throws(() => new made(), { code: "ERR_INVALID_ARG_TYPE", message: /SpawnHost\.start\(\)/ });
});

test("the same states, streams and errors as without a host", async () => {
  await withHost({}, async (host) => {
    const child = await host.spawn("sh", ["-c", "cat; exit 3"], { stdin: "some text" });
    assert.equal(await child.stdout?.text(), "some text");
    assert.deepEqual(
      { ...(await child.closed), usage: null },
      { kind: "exited", code: 3, pid: child.pid, uid: process.getuid?.() ?? 0, usage: null },
    );
    const killed = await host.spawn("sleep", ["60"]);
    assert.equal(killed.kill("SIGTERM"), true);
    const exit = await killed.exited;
    assert.equal(exit.kind === "killed" && exit.signal, "SIGTERM");
    await assert.rejects(host.spawn("/nonexistent/x"), { name: "SpawnError", code: "ENOENT", stage: "exec" });
    await assert.rejects(host.spawn("true", { cwd: "/nonexistent" }), { code: "ENOENT", stage: "chdir", path: "/nonexistent" });
    await assert.rejects(host.run("false"), { name: "ExitError" });
  });
});

test("two hundred requests at once, each answered", async () => {
  await withHost({}, async (host) => {
    const results = await Promise.all(Array.from({ length: 200 }, (_, i) => host.run("echo", [String(i)])));
    assert.deepEqual(
      results.map(({ stdout }) => stdout),
      Array.from({ length: 200 }, (_, i) => `${i}\n`),
    );
  });
});

test("a program of two megabytes, and more fds than one message can carry", async () => {
  await withHost({}, async (host) => {
    const words = Array.from({ length: 16 }, () => "x".repeat(100_000));
    const { stdout } = await host.run("sh", ["-c", 'printf %s "$*" | wc -c', "sh", ...words]);
    assert.equal(Number(stdout), 16 * 100_000 + 15);
    const fds = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [i + 3, "ignore" as const]));
    const passed = Object.fromEntries(Array.from({ length: 600 }, (_, i) => [i + 3, 0]));
    for (const map of [fds, passed]) assert.equal(Object.keys((await reportThrough(host, { fds: map })).fds).length, 603);
  });
});

test("a host that ends takes nothing with it: children live on and are ours, the next request starts another", async () => {
  await withHost({}, async (host) => {
    const child = await host.spawn("cat");
    const first = host.pid as number;
    process.kill(first, "SIGKILL");
    const { stdout } = await host.run("echo", ["again"]).catch(() => host.run("echo", ["again"]));
    assert.equal(stdout, "again\n");
    assert.notEqual(host.pid, first);
    child.stdin?.end("still here");
    assert.equal(await child.stdout?.text(), "still here");
    const exit = await child.closed;
    assert.equal(exit.kind === "exited" && exit.code, 0);
  });
});

test("with restart: false a host that has ended says so", async () => {
  await withHost({ restart: false }, async (host) => {
    process.kill(host.pid as number, "SIGKILL");
    await assert.rejects(
      async () => {
        for (;;) await (await host.spawn("true")).closed;
      },
      { name: "SpawnError", code: "ERR_HOST_ENDED", stage: "host" },
    );
    await assert.rejects(host.spawn("true"), { name: "SpawnError", code: "ERR_HOST_ENDED", stage: "host" });
  });
});

test("the end of the host is the end of the scope, not of its children", async () => {
  const host = await SpawnHost.start();
  const pid = host.pid as number;
  const child = await host.spawn("cat");
  await host[Symbol.asyncDispose]();
  assert.equal(stateOf(pid), undefined);
  await assert.rejects(host.spawn("true"), { code: "ERR_INVALID_STATE" });
  child.stdin?.end();
  assert.equal((await child.closed).kind, "exited");
});

test("a host that is disposed of while it is started anew through another leaves no process", async () => {
  await withHost({}, async (first) => {
    for (const dispose of [Symbol.dispose, Symbol.asyncDispose] as const) {
      const host = await SpawnHost.start({ through: first });
      process.kill(host.pid as number, "SIGKILL");
      while (host.pid !== null) await new Promise(setImmediate);
      const spawning = host.spawn("true");
      const disposed = host[dispose]();
      await assert.rejects(spawning, { code: "ERR_INVALID_STATE" });
      await disposed;
      assert.equal(host.pid, null);
    }
  });
});

test("the host's socket and the fds of its requests are no child's", async () => {
  await withHost({}, async (host) => {
    const report = await reportThrough(host);
    assert.deepEqual(Object.keys(report.fds).map(Number), [0, 1, 2]);
    const own = readFileSync(`/proc/${host.pid}/comm`, "utf8");
    assert.equal(own, "brood-host\n");
  });
});

test("spawnAsync: a child that is under way when our user changes is started as who asked for it", async () => {
  const users = await inNode<string[]>(
    `const whoami = async (starting) => (await (await starting).output()).stdout;
    const texts = [];
    for (const contain of [false, "keeper"]) {
      const starting = [];
      for (const user of [0, 65534, 0]) {
        process.seteuid(user);
        starting.push(brood.spawnAsync("id", ["-u"], { contain }));
      }
      for (const one of starting) texts.push(await whoami(one));
    }
    done(texts);`,
  );
  assert.deepEqual(users, ["0\n", "65534\n", "0\n", "0\n", "65534\n", "0\n"]);
});
