/**
 * Spawn hosts that are killed, that are told nonsense, that have no fd left: no child is lost, nothing hangs, and the
 * next request is served.
 */

import assert from "node:assert/strict";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";
import { run } from "brood";
import { SpawnHost } from "brood/host";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import { stateOf } from "../helpers/processes.js";
import { test } from "../helpers/test.js";
import { inFaultyNode } from "./faulty-node.js";

const root = fileURLToPath(new URL("./", import.meta.resolve("brood/package.json")));
const HOSTS = {
  host: `${root}prebuilds/linux-${process.arch}/brood-host`,
  "host under sanitizers": `${root}build/brood-host-sanitized`,
};
const { EBADMSG, EINVAL, EMSGSIZE, ENOSYS, EPERM, EPROTONOSUPPORT } = constants.errno as Record<string, number>;

for (const [name, path] of Object.entries(HOSTS)) {
  for (const role of [[], ["relay"]])
    test(`a ${[name, ...role].join(", as a ")} refuses what is no request, whoever isn't its parent, and goes on; without a parent it ends`, async () => {
      const { stdout } = await run(childPath("strange_client"), [path, ...role], { env: { ASAN_OPTIONS: "detect_leaks=0" } });
      assert.deepEqual(stdout.trim().split("\n"), [
        `garbage: refused ${EBADMSG}`,
        `magic: refused ${EBADMSG}`,
        `version: refused ${EPROTONOSUPPORT ?? 93}`,
        `unknown type: refused ${ENOSYS}`,
        `answer: refused ${ENOSYS}`,
        `step to a host: refused ${ENOSYS}`,
        `hello without a page: refused ${EBADMSG}`,
        `empty spawn: refused ${EBADMSG}`,
        `too long: refused ${EMSGSIZE}`,
        `too many fds: refused ${EMSGSIZE}`,
        `packet too long: refused ${EMSGSIZE}`,
        `more than said: refused ${EBADMSG}`,
        `a part from nowhere: refused ${EBADMSG}`,
        `fds that were not said: refused ${EBADMSG}`,
        `no program: refused ${EINVAL}`,
        `program size: refused ${EBADMSG}`,
        `unsafe flag: refused ${EINVAL}`,
        `a cgroup without its fds: refused ${EBADMSG}`,
        `a keeper with a cgroup: refused ${EINVAL}`,
        `a message within another: refused ${EBADMSG}`,
        `a stranger: refused ${EPERM}`,
        "hello: done",
        `afterwards: refused ${ENOSYS}`,
        `fds: ${role.length === 0 ? 1 : 2}`,
        // Only a relay ends anybody: its own children alone, whose numbers it keeps to itself.
        `end of a stranger: ${role.length === 0 ? `refused ${ENOSYS}` : "done"}`,
        "create: done",
        `announced: ${role.length === 0 ? "yes" : "no"}`,
        "end: exited 0",
      ]);
    });
}

test("a host that is killed at any point of a request loses no child: each is ours, or is ended", async () => {
  for (let round = 0; round < 150; round++) {
    const host = await SpawnHost.start({ restart: false });
    const requests = Array.from({ length: 4 }, (_, i) => (i === 2 ? host.create() : host.spawn("cat", { stdio: "ignore" })));
    // From before the first is read to after the last is answered.
    const until = performance.now() + round * 0.01;
    while (performance.now() < until);
    process.kill(host.pid as number, "SIGKILL");
    for (const result of await Promise.allSettled(requests)) {
      if (result.status === "fulfilled") await result.value[Symbol.asyncDispose]();
      else assert.equal(result.reason.code, "ERR_HOST_ENDED");
    }
    await host[Symbol.asyncDispose]();
  }
});

test("a request to a host that has just been killed, with others unread, tells that it has ended; the next has another", async () => {
  const host = await SpawnHost.start();
  const pid = host.pid as number;
  process.kill(pid, "SIGSTOP");
  while (stateOf(pid) !== "T");
  const unread = host.spawn("true");
  process.kill(pid, "SIGKILL");
  while (stateOf(pid) !== "Z");
  for (const request of [unread, host.spawn("true")])
    await assert.rejects(request, { name: "SpawnError", code: "ERR_HOST_ENDED" });
  assert.equal((await host.run("echo", ["again"])).stdout, "again\n");
  await host[Symbol.asyncDispose]();
});

test("what the kernel has no memory for, or too many fds on their way, is sent when it has; what it refuses ends the host", async () => {
  const said = await inFaultyNode<string[]>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    // More than a packet holds.
    const env = { LARGE: "x".repeat(100_000) };
    const said = new Set();
    for (const code of ["ENOBUFS", "ENOMEM", "ETOOMANYREFS"]) {
      for (let count = 1; count < 5; count++) {
        fail("sendmsg", code, 0, count);
        const host = await SpawnHost.start();
        if (clear("sendmsg") > 0) throw new Error("not sent");
        for (const [skip, options] of [[0, {}], [0, { env }], [1, { env }]]) {
          fail("sendmsg", code, skip, count);
          said.add((await host.run("echo", ["hello"], options)).stdout);
          if (clear("sendmsg") > 0) throw new Error("not sent");
        }
        await host[Symbol.asyncDispose]();
      }
    }
    const host = await SpawnHost.start();
    fail("sendmsg", "EPERM", 1, 2);
    said.add(await host.run("echo", ["hello"], { env }).catch((error) => error.code));
    said.add((await host.run("echo", ["again"], { env })).stdout);
    await host[Symbol.asyncDispose]();
    done([...said]);`,
    undefined,
  );
  assert.deepEqual(said, ["hello\n", "ERR_HOST_ENDED", "again\n"]);
});

test("a host without room for the fds of a request says so, and serves the next", async () => {
  const host = await SpawnHost.start({ rlimits: { nofile: 12 } });
  const fds = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [i + 3, "pipe" as const]));
  await assert.rejects(host.spawn("true", { fds }), { name: "SpawnError", code: "EMFILE", stage: "host" });
  assert.equal((await host.run("echo", ["again"])).stdout, "again\n");
  await host[Symbol.asyncDispose]();
});

test("no fd left here: for the pipes, for the child's pidfd; the child is ended, the next is started", async () => {
  const { errors, after } = await inNode<{ errors: string[]; after: string }>(
    `const { spawnAsync } = await import(${JSON.stringify(import.meta.resolve("brood"))});
    await (await spawnAsync("true")).closed;
    await fs.promises.stat("/");
    const RLIMIT_NOFILE = 7;
    const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
    const errors = [];
    for (let free = 0; free < 4; free++) {
      self.limit(RLIMIT_NOFILE, 120);
      const filling = [];
      for (;;) { try { filling.push(fs.openSync("/dev/null")); } catch { break; } }
      for (let i = 0; i < free; i++) fs.closeSync(filling.pop());
      // One fd is our directory's, which is closed again before the answer comes.
      const starting = spawnAsync("cat", { stdio: "ignore" });
      if (free > 0) { try { for (;;) filling.push(fs.openSync("/dev/null")); } catch { /* EMFILE: that is full */ } }
      const error = await starting.then(async (child) => { child.kill("SIGKILL"); await child.closed; return "started"; }, (error) => error.code + " at " + error.stage);
      errors.push(error);
      self.limit(RLIMIT_NOFILE, limit);
      for (const fd of filling) fs.closeSync(fd);
    }
    done({ errors, after: (await (await spawnAsync("echo", ["works"])).output()).stdout });`,
  );
  assert.deepEqual(errors, ["EMFILE at pipe", "EMFILE at pidfd", "EMFILE at pidfd", "EMFILE at pidfd"]);
  assert.equal(after, "works\n");
});

test("no fd left here to open a host's program by is no want of support: the spawn fails, and the next one works", async () => {
  const { errors, after } = await inNode<{ errors: Record<string, string>[]; after: string[] }>(
    `const { spawnAsync } = await import(${JSON.stringify(import.meta.resolve("brood"))});
    const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    await spawn("true").closed;
    await fs.promises.stat("/");
    const RLIMIT_NOFILE = 7;
    const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
    const filling = [];
    self.limit(RLIMIT_NOFILE, 120);
    try { for (;;) filling.push(fs.openSync("/dev/null")); } catch { /* EMFILE */ }
    const tell = ({ name, code, stage, file, message }) => ({ name, code, stage, file, message });
    const errors = [await spawnAsync("true").catch(tell), await SpawnHost.start().catch(tell)];
    self.limit(RLIMIT_NOFILE, limit);
    for (const fd of filling) fs.closeSync(fd);
    const host = await SpawnHost.start();
    const after = [(await (await spawnAsync("echo", ["a"])).output()).stdout, (await host.run("echo", ["b"])).stdout];
    await host[Symbol.asyncDispose]();
    done({ errors, after });`,
  );
  const program = HOSTS.host;
  const why = `cannot use the spawn host: too many open files (open ${program}) (EMFILE at host)`;
  assert.deepEqual(
    errors,
    ["true", program].map((file) => {
      return { name: "SpawnError", code: "EMFILE", stage: "host", file, message: `cannot spawn "${file}": ${why}` };
    }),
  );
  assert.deepEqual(after, ["a\n", "b\n"]);
});

test("no fd left here for the pidfd of a relay's child: the relay ends it", async () => {
  const { error, after } = await inNode<{ error: string; after: string }>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start({ relay: true });
    await host.run("true");
    await fs.promises.stat("/");
    const RLIMIT_NOFILE = 7;
    const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
    const [held, end] = posix.cloexecPipe();
    self.limit(RLIMIT_NOFILE, 120);
    const filling = [];
    try { for (;;) filling.push(fs.openSync("/dev/null")); } catch { /* EMFILE */ }
    const error = await host.spawn("sleep", ["1000"], { stdin: "ignore", stdout: "ignore", stderr: "ignore", fds: { 3: end } }).catch((error) => error.code + " at " + error.stage);
    self.limit(RLIMIT_NOFILE, limit);
    for (const fd of filling) fs.closeSync(fd);
    posix.close(end);
    // Its end, when nobody else has the pipe.
    await new Promise((resolve) => fs.read(held, Buffer.alloc(1), resolve));
    posix.close(held);
    const after = (await host.run("echo", ["works"])).stdout;
    await host[Symbol.asyncDispose]();
    done({ error, after });`,
  );
  assert.deepEqual([error, after], ["EMFILE at pidfd", "works\n"]);
});

test("a process that was created and can't be reached is ended", async () => {
  const outcomes = await inFaultyNode<string[]>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start();
    await host.run("true");
    const outcomes = [];
    for (let skip = 0; skip < 3; skip++) {
      const compare = takeStock();
      fail("epoll_ctl", "ENOSPC", skip);
      const embryo = await host.create().catch((error) => error.code);
      clear("epoll_ctl");
      outcomes.push(typeof embryo === "string" ? embryo : "created");
      if (typeof embryo !== "string") await embryo[Symbol.asyncDispose]();
      await compare();
    }
    await host[Symbol.asyncDispose]();
    done(outcomes);`,
    undefined,
  );
  assert.deepEqual(outcomes, ["ENOSPC", "ENOSPC", "created"]);
});

test("the group of a relay's child that has ended is reached by its pidfd, or not at all: its number may be another's", async () => {
  const said = await inFaultyNode<string>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start({ relay: true });
    const child = await host.spawn("cat", { session: true });
    child.kill("SIGKILL");
    // In this turn nobody is told of its end. The relay reaps it.
    while (fs.existsSync("/proc/" + child.pid));
    fail("pidfd_send_signal", "EINVAL");
    let said = "hit";
    try { child.killGroup("SIGKILL"); } catch (error) { said = error.name + " " + error.feature; }
    clear("pidfd_send_signal");
    await child.closed;
    await host[Symbol.asyncDispose]();
    done(said);`,
    undefined,
  );
  assert.equal(said, "UnsupportedError pidfd-signal-process-group");
});

test("no memory for the entry of a relay's child, of its keeper, or of that one's command: what was started is ended", async () => {
  const { errors, after } = await inFaultyNode<{ errors: string[]; after: string }>(
    `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
    const host = await SpawnHost.start({ relay: true });
    await host.run("true");
    const errors = [];
    const fillers = [];
    // The table of entries grows when it is full: at each of the entries in turn, as one more is taken by another child.
    while (errors.length < 6) {
      for (const contain of [false, "keeper"]) {
        const [held, end] = posix.cloexecPipe();
        fail("realloc", "ENOMEM");
        const starting = host.spawn("sleep", ["1000"], { stdin: "ignore", stdout: "ignore", stderr: "ignore", fds: { 3: end }, contain });
        posix.close(end);
        const outcome = await starting.catch((error) => error.code + " at " + error.stage);
        const failed = clear("realloc") === 0;
        if (typeof outcome !== "string") await outcome[Symbol.asyncDispose]();
        // Its end, when nobody else has the pipe.
        await new Promise((resolve) => fs.read(held, Buffer.alloc(1), resolve));
        posix.close(held);
        if (failed) errors.push(outcome);
      }
      fillers.push(spawn("sleep", ["1000"], { stdio: "ignore" }));
    }
    for (const filler of fillers) await filler[Symbol.asyncDispose]();
    const after = (await host.run("echo", ["works"], { contain: "keeper" })).stdout;
    await host[Symbol.asyncDispose]();
    done({ errors, after });`,
    undefined,
  );
  assert.deepEqual([...new Set(errors)], ["ENOMEM at watch"]);
  assert.equal(after, "works\n");
});

for (const [call, code] of [
  ["sendmsg", "ENOBUFS"],
  ["sendmsg", "EPERM"],
  ["recvmsg", "ENOMEM"],
  ["malloc", "ENOMEM"],
  ["fcntl", "EMFILE"],
  ["epoll_ctl", "ENOSPC"],
  ["socketpair", "EMFILE"],
  ["pipe2", "EMFILE"],
] as const) {
  test(`${call} failing with ${code} at each point of a start through a host is one error, and leaves nothing`, async () => {
    const outcomes = await inFaultyNode<string[]>(
      `const { SpawnHost } = await import(${JSON.stringify(import.meta.resolve("brood/host"))});
      await run("true");
      const outcomes = [];
      for (let skip = 0; skip < 12; skip++) {
        const compare = takeStock();
        fail(${JSON.stringify(call)}, ${JSON.stringify(code)}, skip);
        let outcome, host;
        try {
          host = await SpawnHost.start();
          const child = await host.spawn("cat");
          child.stdin.on("error", () => {}).end("hello");
          outcome = await child.stdout.text().catch((error) => error.code);
          await child.closed;
        } catch (error) {
          outcome = error.name;
        }
        clear(${JSON.stringify(call)});
        await host?.[Symbol.asyncDispose]();
        await compare();
        outcomes.push(outcome);
      }
      done(outcomes);`,
      undefined,
    );
    assert.equal(outcomes.length, 12);
    assert.equal(outcomes.at(-1), "hello");
  });
}
