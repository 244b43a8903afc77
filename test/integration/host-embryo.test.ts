/**
 * Direct style: a process that has not exec'ed takes steps one at a time, each with its result or its error.
 */

import assert from "node:assert/strict";
import { closeSync, constants, openSync, readFileSync, readlinkSync, readSync, writeFileSync } from "node:fs";
import { type Embryo, SpawnHost, spawnAsync } from "brood/host";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { stateOf } from "../helpers/processes.js";
import { parseReport } from "../helpers/report.js";
import { test } from "../helpers/test.js";

async function withEmbryo(body: (embryo: Embryo) => Promise<void>): Promise<void> {
  const host = await SpawnHost.start();
  try {
    const embryo = await host.create();
    try {
      await body(embryo);
    } finally {
      await embryo[Symbol.asyncDispose]();
    }
  } finally {
    await host[Symbol.asyncDispose]();
  }
}

test("PARITY R13: every step is taken in the process itself, and the program finds what they made of it", async () => {
  await withEmbryo(async (embryo) => {
    await embryo.setsid();
    await embryo.chdir("/usr");
    assert.equal(await embryo.umask(0o27), process.umask());
    assert.equal(await embryo.umask(0o26), 0o27);
    await embryo.setpriority(3);
    await embryo.setaffinity([0]);
    await embryo.setrlimit("nofile", { soft: 200, hard: 300 });
    await embryo.setOomScoreAdj(500);
    await embryo.ignoreSignals(["SIGUSR1"]);
    await embryo.defaultSignals(["SIGPIPE"]);
    await embryo.setNoNewPrivs();
    assert.equal(await embryo.prctl("PR_GET_NO_NEW_PRIVS"), 1);
    await embryo.setgroups([5, 6]);
    await embryo.setresgid(7);
    await embryo.setresuid(8, 8, 8);
    await embryo.setParentDeathSignal("SIGHUP");
    const child = await embryo.exec(childPath("report"), ["1"]);
    assert.equal(child.pid, embryo.pid);
    const report = parseReport((await child.output()).stdout);
    assert.deepEqual(
      [report.ppid, report.pid, report.sid, report.cwd, report.umask, report.nice, report.cpus, report.rlimits["nofile"]],
      [process.pid, embryo.pid, embryo.pid, "/usr", 0o26, 3, [0], ["200", "300"]],
    );
    assert.deepEqual([report.oomScoreAdj, report.noNewPrivs, report.parentDeathSignal], [500, ["1"], 1]);
    assert.deepEqual([report.uids[0], report.gids[0], report.groups], ["8", "7", ["5", "6"]]);
  });
});

test("PARITY R13: a failed step says what and why, and leaves the process usable", async () => {
  await withEmbryo(async (embryo) => {
    await assert.rejects(embryo.chdir("/nonexistent"), {
      name: "HostError",
      code: "ENOENT",
      errno: 2,
      stage: "chdir",
      path: "/nonexistent",
    });
    await assert.rejects(embryo.open("/nonexistent"), { code: "ENOENT", stage: "open" });
    await assert.rejects(embryo.dup2(99, 3), { code: "EBADF", stage: "dup" });
    await assert.rejects(embryo.take(99), { code: "EBADF" });
    await embryo.setsid();
    await assert.rejects(embryo.setsid(), { code: "EPERM", stage: "setsid" });
    await assert.rejects(embryo.exec("/nonexistent/program"), { name: "SpawnError", code: "ENOENT", stage: "exec" });
    await assert.rejects(embryo.exec("true", { cwd: "/nonexistent" }), { name: "SpawnError", code: "ENOENT", stage: "chdir" });
    const child = await embryo.exec("echo", ["all the same"]);
    assert.equal((await child.output()).stdout, "all the same\n");
  });
});

test("fds: opened there, given, taken, put in place, closed", async () => {
  using files = new TemporaryFiles();
  writeFileSync(files.path("in"), "from the file");
  await withEmbryo(async (embryo) => {
    const there = await embryo.open(files.path("in"));
    const copy = await embryo.take(there);
    const buffer = Buffer.alloc(4);
    assert.equal(readSync(copy, buffer, 0, 4, 0), 4);
    assert.equal(buffer.toString(), "from");
    closeSync(copy);
    const ours = openSync(files.path("out"), constants.O_CREAT | constants.O_WRONLY);
    const given = await embryo.give(ours);
    closeSync(ours);
    await embryo.dup2(there, 0);
    await embryo.dup2(given, 1);
    await embryo.dup2(given, 7);
    await embryo.close(there);
    const child = await embryo.exec("sh", ["-c", "cat; echo; echo seven >&7; ls /proc/$$/fd"], { stderr: "ignore" });
    assert.deepEqual([child.stdin, child.stdout, child.fds.get(7)], [null, null, undefined]);
    await child.closed;
    assert.equal(readFileSync(files.path("out"), "utf8").replaceAll("\n", " "), "from the file seven 0 1 2 7 ");
  });
});

test("the end of the scope kills a process that has not exec'ed; one that is killed fails what is asked of it", async () => {
  const host = await SpawnHost.start();
  const embryo = await host.create();
  assert.notEqual(stateOf(embryo.pid), undefined);
  await embryo[Symbol.asyncDispose]();
  assert.equal(stateOf(embryo.pid), undefined);
  await assert.rejects(embryo.chdir("/"), { code: "ERR_INVALID_STATE" });
  const killed = await host.create();
  assert.equal(killed.kill(), true);
  await assert.rejects(
    async () => {
      for (;;) await killed.umask(0);
    },
    { name: "HostError", code: "ERR_HOST_ENDED" },
  );
  await assert.rejects(killed.exec("true"), { name: "SpawnError" });
  await killed[Symbol.asyncDispose]();
  await host[Symbol.asyncDispose]();
});

test("while it executes a program it takes no step, and no second program", async () => {
  await withEmbryo(async (embryo) => {
    const executing = embryo.exec("cat");
    await assert.rejects(embryo.exec("true"), { code: "ERR_INVALID_STATE", message: /executing a program/ });
    await assert.rejects(embryo.chdir("/"), { code: "ERR_INVALID_STATE" });
    const child = await executing;
    child.stdin.end("the first");
    assert.equal((await child.output()).stdout, "the first");
  });
  await withEmbryo(async (embryo) => {
    await assert.rejects(embryo.exec("/nonexistent/x"), { code: "ENOENT" });
    assert.equal((await (await embryo.exec("echo", ["the second"])).output()).stdout, "the second\n");
  });
});

test("the end of the scope while it executes a program kills it, before or after its exec", async () => {
  const host = await SpawnHost.start();
  for (let round = 0; round < 20; round++) {
    const embryo = await host.create();
    const executing = embryo.exec("cat").catch((error) => error.code);
    if (round % 2 === 1) await new Promise(setImmediate);
    await embryo[Symbol.asyncDispose]();
    assert.equal(stateOf(embryo.pid), undefined);
    const child = await executing;
    if (typeof child === "string") assert.equal(child, "ERR_SPAWN_KILLED");
    else assert.equal((await child.closed).kind, "killed");
  }
  await host[Symbol.asyncDispose]();
});

test("a process outlives the host that created it, and execs; then its scope leaves the child alone", async () => {
  const host = await SpawnHost.start();
  const embryo = await host.create();
  await host[Symbol.asyncDispose]();
  await embryo.chdir("/usr");
  const child = await embryo.exec("pwd");
  await embryo[Symbol.asyncDispose]();
  assert.equal((await child.output()).stdout, "/usr\n");
});

test("unshare and setns: a host name of its own, and back into ours", async () => {
  await withEmbryo(async (embryo) => {
    const ours = await embryo.open("/proc/self/ns/uts");
    await embryo.unshare(["uts"]);
    await embryo.setns(ours, "uts");
    const child = await embryo.exec("readlink", ["/proc/self/ns/uts"]);
    const { stdout } = await child.output();
    assert.equal(stdout.trim(), readlinkSync("/proc/self/ns/uts"));
  });
  await withEmbryo(async (embryo) => {
    await embryo.unshare(["uts"]);
    const child = await embryo.exec("readlink", ["/proc/self/ns/uts"]);
    assert.notEqual((await child.output()).stdout.trim(), readlinkSync("/proc/self/ns/uts"));
  });
});

test("in a new user namespace there is no id until its map is written from outside, which is whose it is who drives it", async () => {
  const host = await SpawnHost.start();
  for (const contain of [false, "keeper"] as const) {
    for (const namespaces of [["user"], []] as const) {
      const embryo = await host.create({ contain, namespaces });
      if (namespaces.length === 0) await embryo.unshare(["user"]);
      await assert.rejects(embryo.setresuid(7), { code: "EINVAL", stage: "setuid" });
      writeFileSync(`/proc/${embryo.pid}/uid_map`, `7 ${process.getuid?.()} 1\n`);
      await embryo.setresuid(7);
      const child = await embryo.exec("id", ["-u"]);
      assert.equal((await child.output()).stdout, "7\n");
      await child[Symbol.asyncDispose]();
    }
  }
  await host[Symbol.asyncDispose]();
});

test("preexec runs after the options' steps and before exec, as the child's user", async () => {
  const child = await spawnAsync(childPath("report"), ["1"], {
    cwd: "/usr",
    uid: 12,
    gid: 13,
    groups: [],
    preexec: async (embryo) => {
      await embryo.umask(0o70);
      await assert.rejects(embryo.setresuid(0), { code: "EPERM" });
      await embryo.setpriority(19);
    },
  });
  const report = parseReport((await child.output()).stdout);
  assert.deepEqual([report.cwd, report.umask, report.nice, report.uids[0], report.ppid], ["/usr", 0o70, 19, "12", process.pid]);
  assert.deepEqual(Object.keys(report.fds), ["0", "1", "2"]);
});

test("preexec that throws fails the spawn, with the error as its cause; what it did not expect leaves nothing either", async () => {
  const cause = new RangeError("not today");
  await assert.rejects(
    spawnAsync("true", {
      preexec: () => {
        throw cause;
      },
    }),
    { name: "SpawnError", code: "ERR_PREEXEC", stage: "preexec", file: "true", cause },
  );
  await assert.rejects(spawnAsync("true", { preexec: async () => Promise.reject(cause) }), { stage: "preexec", cause });
  await assert.rejects(spawnAsync("true", { preexec: () => new Promise(() => {}), preexecTimeout: 20 }), {
    stage: "preexec",
    message: /20 ms \(preexecTimeout\)/,
  });
  await assert.rejects(spawnAsync("true", { preexec: (embryo) => void embryo.kill() }), { name: "SpawnError" });
  await assert.rejects(spawnAsync("true", { preexec: async (embryo) => void (await embryo.exec("true")) }), {
    stage: "preexec",
    message: /must not exec/,
  });
  const controller = new AbortController();
  await assert.rejects(
    spawnAsync("true", { signal: controller.signal, preexec: () => new Promise(() => controller.abort("enough")) }),
    { name: "AbortError", cause: "enough" },
  );
  const soon = new AbortController();
  const preexec = (): Promise<never> => assert.fail("it must not run");
  const aborted = spawnAsync("true", { signal: soon.signal, preexec });
  soon.abort("at once");
  await assert.rejects(aborted, { name: "AbortError", cause: "at once" });
  await assert.rejects(spawnAsync("/nonexistent/x", { preexec: () => {} }), { code: "ENOENT", stage: "exec" });
  await assert.rejects(spawnAsync("true", { cwd: "/nonexistent", preexec: () => assert.fail("it must not run") }), {
    code: "ENOENT",
    stage: "chdir",
  });
});

test("what a command took is told from the call on, not from when its start had come to an end", async () => {
  const child = await spawnAsync("true", { preexec: () => new Promise((resolve) => setTimeout(resolve, 100)) });
  const { durationMs } = await child.output();
  assert.ok(durationMs >= 99, `${durationMs} ms`);
});

test("what can't be is said before anything is created", async () => {
  await assert.rejects(spawnAsync("true", { preexec: 5 as never }), { code: "ERR_INVALID_ARG_TYPE" });
  await assert.rejects(spawnAsync("true", { preexec: () => {}, preexecTimeout: -1 }), { code: "ERR_OUT_OF_RANGE" });
  await assert.rejects(spawnAsync("true", { preexecTimeout: 5 }), { code: "ERR_OPTION_CONFLICT" });
  await assert.rejects(spawnAsync("true", { contain: "nothing" as never, preexec: () => {} }), { code: "ERR_INVALID_ARG_VALUE" });
  await assert.rejects(SpawnHost.start({ relay: 1 as never }), { code: "ERR_INVALID_ARG_TYPE" });
  await assert.rejects(SpawnHost.start({ restart: "yes" as never }), { code: "ERR_INVALID_ARG_TYPE" });
  await assert.rejects(SpawnHost.start({ through: {} as never }), { code: "ERR_INVALID_ARG_TYPE" });
  await assert.rejects(SpawnHost.start({ stdin: "pipe" } as never), { code: "ERR_UNKNOWN_OPTION" });
  await withEmbryo(async (embryo) => {
    await assert.rejects(embryo.chdir(""), { code: "ERR_INVALID_ARG_VALUE" });
    await assert.rejects(embryo.umask(0o1000), { code: "ERR_OUT_OF_RANGE" });
    await assert.rejects(embryo.prctl("PR_SET_MM" as never), { code: "ERR_INVALID_ARG_VALUE" });
    await assert.rejects(embryo.setresuid(-1), { code: "ERR_OUT_OF_RANGE" });
    await assert.rejects(embryo.give(1000000), { code: "EBADF" });
  });
});
