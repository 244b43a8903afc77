/**
 * rsyscall's children through other processes: whose they are, what they may be made of, what watching them costs.
 */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readSync } from "node:fs";
import { spawn } from "brood";
import { SpawnHost } from "brood/host";
import * as posix from "brood/posix";
import { TemporaryFiles } from "../../helpers/files.js";
import { runNode } from "../../helpers/node.js";
import { childrenOf, stateOf } from "../../helpers/processes.js";
import { test } from "../../helpers/test.js";

async function scope(hosts: SpawnHost[], body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } finally {
    for (const host of hosts.reverse()) await host[Symbol.asyncDispose]();
  }
}

const parentOf = (pid: number): number => Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

test("R9: children and hosts that are made through hosts, however deep, are children of this process", async () => {
  const hosts: SpawnHost[] = [];
  await scope(hosts, async () => {
    hosts.push(await SpawnHost.start({ umask: 0o70 }));
    for (let depth = 0; depth < 3; depth++) hosts.push(await SpawnHost.start({ through: hosts.at(-1), nice: depth + 1 }));
    for (const host of hosts) {
      assert.equal(parentOf(host.pid as number), process.pid);
      const child = await host.spawn("cat");
      assert.equal(parentOf(child.pid), process.pid);
      child.stdin?.end("x");
      assert.equal(await child.stdout?.text(), "x");
      assert.equal((await child.exited).kind, "exited");
    }
    const last = hosts.at(-1) as SpawnHost;
    assert.equal((await last.run("sh", ["-c", "umask; nice"])).stdout, "0070\n3\n");
  });
});

test("R9: where the host must be the parent itself, the child does not differ for its user", async () => {
  const hosts: SpawnHost[] = [];
  await scope(hosts, async () => {
    hosts.push(await SpawnHost.start({ relay: true }));
    hosts.push(await SpawnHost.start({ namespaces: ["pid"] }));
    for (const host of hosts) {
      assert.equal(host.relay, true);
      const { stdout, exit } = await host.run("sh", ["-c", "cat; echo $$ >&2; exit 7"], { input: "fed", reject: false });
      assert.deepEqual([stdout, exit.kind === "exited" && exit.code], ["fed", 7]);
      assert.ok((exit.usage?.minorFaults ?? 0) > 0);
      const child = await host.spawn("sleep", ["60"]);
      assert.equal(parentOf(child.pid), host.pid);
      const stopped = child.wait({ stopped: true });
      child.kill("SIGSTOP");
      assert.equal((await stopped).kind, "stopped");
      const continued = child.wait({ continued: true });
      child.kill("SIGCONT");
      assert.equal((await continued).kind, "continued");
      child.kill("SIGTERM");
      const end = await child.closed;
      assert.deepEqual([end.kind, end.kind === "killed" && end.signal], ["killed", "SIGTERM"]);
      await assert.rejects(host.spawn("/nonexistent/x"), { code: "ENOENT", stage: "exec" });
    }
  });
});

test("R9: the end of a relay is the end of nobody but its own children", async () => {
  const { code, stdout, stderr } = await runNode(`
    import { SpawnHost } from ${JSON.stringify(import.meta.resolve("brood/host"))};
    // The first entries of the monitor's table are theirs.
    const children = Array.from({ length: 4 }, () => spawn("sleep", ["60"], { stdio: "ignore" }));
    const relay = await SpawnHost.start({ namespaces: ["pid"] });
    await relay.run("true");
    await relay[Symbol.asyncDispose]();
    console.log(children.every((child) => child.exit === null && child.kill(0)));
    for (const child of children) child.kill();
    console.log((await Promise.all(children.map((child) => child.exited))).every(({ signal }) => signal === "SIGTERM"));
  `);
  assert.equal(stdout, "true\ntrue\n", stderr);
  assert.equal(code, 0);
});

test("R9: a relay's child that has ended when we first hear of it: its end is told", async () => {
  using files = new TemporaryFiles();
  const host = await SpawnHost.start({ relay: true });
  const pid = host.pid as number;
  await scope([host], async () => {
    const started = host.spawn("touch", [files.path("done")]);
    // In this turn nothing is received: the answer and the end wait in the socket when the relay has reaped, and rests.
    while (!existsSync(files.path("done")) || childrenOf(pid).length > 0 || stateOf(pid) !== "S");
    const end = await (await started).closed;
    assert.deepEqual([end.kind, end.kind === "exited" && end.code], ["exited", 0]);
  });
});

test("R9: a relay that ends before its child leaves it with an end that is unknown; none hangs", async () => {
  const host = await SpawnHost.start({ relay: true });
  const child = await host.spawn("cat");
  process.kill(host.pid as number, "SIGKILL");
  const exit = await child.exited;
  assert.deepEqual([exit.kind, exit.kind === "unknown" && exit.cause], ["unknown", "keeper"]);
  child.stdin?.end();
  await child.closed;
  await host[Symbol.asyncDispose]();
});

test("R9: a relay that is given up in the turn in which its child's answer came: that child's end is told", async () => {
  const [ready, told] = posix.cloexecPipe();
  const words = spawn("sh", ["-c", "read word; echo $word; echo >&3; exec cat"], { fds: { 3: told } });
  const host = await SpawnHost.start({ relay: true });
  words.stdout.once("data", () => host[Symbol.dispose]());
  await host.run("true");
  // In one batch: the answer, and behind it a word, whose reader gives the host up before anybody can watch the child.
  const started = host.spawn("cat");
  const second = host.spawn("sh", ["-c", "echo >&3; exec cat"], { fds: { 3: told } });
  second.catch(() => {});
  // When the second has been started the first has been answered.
  readSync(ready, Buffer.alloc(1));
  words.stdin.write("x\n");
  readSync(ready, Buffer.alloc(1));
  const child = await started;
  const exit = await child.exited;
  assert.deepEqual([exit.kind, exit.kind === "unknown" && exit.cause], ["unknown", "keeper"]);
  await assert.rejects(second, { code: "ERR_HOST_ENDED" });
  for (const fd of [ready, told]) posix.close(fd);
  await child[Symbol.asyncDispose]();
  await words[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

test("R9: a host whose children would not be ours is refused", async () => {
  const relay = await SpawnHost.start({ relay: true });
  await assert.rejects(SpawnHost.start({ through: relay }), { name: "UnsupportedError", feature: "host-through-relay" });
  await relay[Symbol.asyncDispose]();
});

test("R12: the children of a hundred hosts share one epoll set, and no thread watches", async () => {
  const hosts: SpawnHost[] = [];
  const epolls = (): number =>
    readdirSync("/proc/self/fdinfo").filter((fd) => {
      try {
        return readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").includes("tfd:");
      } catch {
        return false;
      }
    }).length;
  const threads = (): number => readdirSync("/proc/self/task").length;
  await scope(hosts, async () => {
    hosts.push(await SpawnHost.start());
    await (await (hosts[0] as SpawnHost).spawn("true")).closed;
    const before = [epolls(), threads()];
    for (let i = 1; i < 100; i++) hosts.push(await SpawnHost.start());
    const children = await Promise.all(hosts.map((host) => host.spawn("cat")));
    assert.deepEqual([epolls(), threads()], before);
    for (const child of children) child.stdin?.end();
    for (const child of children) assert.equal((await child.closed).kind, "exited");
  });
});

test("R17: a process may be cloned into new namespaces; flags that are unsafe are refused by name", async () => {
  const host = await SpawnHost.start();
  await scope([host], async () => {
    for (const [kind, file] of [
      ["uts", "uts"],
      ["ipc", "ipc"],
      ["net", "net"],
      ["mount", "mnt"],
      ["cgroup", "cgroup"],
    ] as const) {
      const embryo = await host.create({ namespaces: [kind] });
      const child = await embryo.exec("readlink", [`/proc/self/ns/${file}`]);
      const { stdout } = await child.output();
      const { stdout: ours } = await host.run("readlink", [`/proc/self/ns/${file}`]);
      assert.notEqual(stdout, ours, kind);
    }
    const embryo = await host.create({ namespaces: ["pid"] });
    const child = await embryo.exec("sh", ["-c", "echo $$"]);
    assert.equal((await child.output()).stdout, "1\n");
    for (const flag of ["CLONE_THREAD", "CLONE_SIGHAND", "CLONE_VM", "CLONE_FILES", "CLONE_FS", "CLONE_VFORK", "CLONE_PTRACE"]) {
      const refused = { name: "TypeError", code: "ERR_INVALID_ARG_VALUE", message: new RegExp(`can't be asked for.*${flag}`) };
      await assert.rejects(host.create({ namespaces: [flag as never] }), refused);
      await assert.rejects(SpawnHost.start({ namespaces: [flag as never] }), refused);
    }
  });
});
