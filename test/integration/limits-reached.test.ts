/**
 * Processes or fds have run out: one clear error, nothing left behind, and the next spawn works when there is room.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

test("PITFALL 34: no more processes (RLIMIT_NPROC) is one EAGAIN at clone", async () => {
  const result = await inNode<{ errors: unknown[]; message: string; leaked: number; after: string }>(
    `await (await launch("true")).closed;
    await fs.promises.stat("/");
    const RLIMIT_NPROC = 6;
    const most = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max processes +(\\d+)/)?.[1] ?? 10000);
    process.setgroups([]);
    process.setgid(65533);
    process.setuid(65533);
    self.setDumpable(1);
    const holdings = () => fs.readdirSync("/proc/self/fd").length;
    const first = holdings();
    self.limit(RLIMIT_NPROC, 1);
    // Through a host: that of our old user goes, and with it its fds.
    await launch("/bin/true").catch(() => {});
    while (process.env.LAUNCH_THROUGH === "host" && holdings() === first) await new Promise(setImmediate);
    const before = holdings();
    const errors = [];
    let message;
    for (const options of [{}, { stdio: "ignore" }, { fds: { 3: "pipe", 4: "socket" } }]) {
      try { await launch("/bin/true", [], options); errors.push("started"); }
      catch (error) {
        errors.push([error.name, error.code, error.errno, error.stage, error.file]);
        message = error.message;
      }
    }
    const leaked = holdings() - before;
    self.limit(RLIMIT_NPROC, most);
    const { stdout } = await (await launch("echo", ["works"])).output();
    done({ errors, message, leaked, after: stdout });`,
  );
  const error = ["SpawnError", "EAGAIN", 11, "clone", "/bin/true"];
  assert.deepEqual(result.errors, [error, error, error]);
  assert.match(result.message, /cannot create a process: .*limit on processes.*\(EAGAIN at clone\)$/);
  assert.deepEqual([result.leaked, result.after], [0, "works\n"]);
});

test("PITFALL 34: no more fds is one EMFILE, with any number of them left", async () => {
  const result = await inNode<{ outcomes: { free: number; outcome: string; leaked: number }[]; after: string }>(
    `await (await launch("true")).closed;
    const RLIMIT_NOFILE = 7;
    const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
    const holdings = () => fs.readdirSync("/proc/self/fd").length;
    const outcomes = [];
    for (let free = 0; free <= 12; free++) {
      self.limit(RLIMIT_NOFILE, 120);
      const filling = [];
      for (;;) { try { filling.push(fs.openSync("/dev/null")); } catch { break; } }
      for (let i = 0; i < free; i++) fs.closeSync(filling.pop());
      let outcome, child;
      try {
        child = await launch("/bin/true", []);
        outcome = "started";
      } catch (error) {
        outcome = [error.name, error.code, error.file, error.message.endsWith("(EMFILE at " + error.stage + ")")].join(" ");
      }
      self.limit(RLIMIT_NOFILE, limit);
      await child?.closed;
      for (const fd of filling) fs.closeSync(fd);
      outcomes.push({ free, outcome, leaked: 0 });
      await new Promise(setImmediate);
      outcomes.at(-1).leaked = holdings();
    }
    const { stdout } = await (await launch("echo", ["works"])).output();
    done({ outcomes, after: stdout });`,
  );
  const first = result.outcomes[0]?.leaked;
  for (const { free, outcome, leaked } of result.outcomes) {
    if (outcome !== "started") assert.equal(outcome, "SpawnError EMFILE /bin/true true", `${free} fds free`);
    assert.equal(leaked, first, `${free} fds free`);
  }
  assert.notEqual(result.outcomes[0]?.outcome, "started");
  assert.equal(result.outcomes.at(-1)?.outcome, "started");
  // Three pipes are six fds: with none to three free none of them is made.
  for (const { outcome } of result.outcomes.slice(0, 6)) assert.notEqual(outcome, "started");
  assert.equal(result.after, "works\n");
});

test("no fd to look an account up by: the error names what was to be spawned", async () => {
  const error = await inNode<object>(
    `const RLIMIT_NOFILE = 7;
    await fs.promises.stat("/");
    const limit = Number(fs.readFileSync("/proc/self/limits", "utf8").match(/Max open files +(\\d+)/)[1]);
    await run("true");
    self.limit(RLIMIT_NOFILE, 120);
    const filling = [];
    try { for (;;) filling.push(fs.openSync("/dev/null")); } catch { /* EMFILE */ }
    const { name, code, stage, file, message } = await run("true", [], { user: "nobody" }).catch((error) => error);
    self.limit(RLIMIT_NOFILE, limit);
    for (const fd of filling) fs.closeSync(fd);
    done({ name, code, stage, file, message });`,
  );
  const message = 'cannot spawn "true": cannot look up the account "nobody": too many open files (EMFILE at setup)';
  assert.deepEqual(error, { name: "SpawnError", code: "EMFILE", stage: "setup", file: "true", message });
});
