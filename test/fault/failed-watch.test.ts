/**
 * The watch itself fails: epoll_wait(2) gives an error. Nobody is left waiting, no child is left a zombie.
 */

import assert from "node:assert/strict";
import { test } from "../helpers/test.js";
import { inFaultyNode } from "./faulty-node.js";

/** The warning is listened to, not printed. */
const QUIET = { nodeArgs: ["--no-warnings"] };

/** In scope: `warnings`, `came(promise)`: what it came to, `failTheWatch()`. */
const SCOPE = `
  const warnings = [];
  process.on("warning", (warning) => warnings.push(warning.code));
  const came = (promise) => promise.then(
    (state) => [state.kind, state.cause ?? state.code ?? state.signal],
    (error) => [error.name, error.code, error.syscall ?? error.exit?.cause]);
  const childrenOf = (thread) => {
    // A thread may have ended meanwhile.
    try { return fs.readFileSync("/proc/self/task/" + thread + "/children", "utf8").split(" ").filter(Boolean); } catch { return []; }
  };
  const children = () => fs.readdirSync("/proc/self/task").flatMap(childrenOf);
  const noChildren = async () => { while (children().length > 0) await new Promise((resolve) => setTimeout(resolve, 5)); };
  async function failTheWatch() {
    const first = spawn("cat");
    fail("epoll_wait", "EINVAL");
    first.stdin.end();
    await first.exited;
  }
`;

test("R14: every wait that is pending fails, every later one too; exited and closed settle", async () => {
  const result = await inFaultyNode<Record<string, unknown>>(
    `${SCOPE}
     const child = spawn("sleep", ["1000"], { stdin: "pipe" });
     const others = [spawn("sleep", ["1000"], { stdio: "ignore" }), spawn("sleep", ["1000"], { cleanup: false })];
     const pending = [child.exited, child.closed, child.check(), child.wait({ exited: true }), child.wait({ stopped: true }),
       child.wait({ continued: true }), others[1].stdout.text(), others[0].exited, others[1].closed];
     const all = Promise.all(pending.map(came));
     await failTheWatch();
     const present = await all;
     const later = await Promise.all([child.exited, child.closed, child.check(), child.wait({ exited: true }),
       child.wait({ stopped: true }), child.terminate()].map(came));
     const kill = child.kill();
     process.kill(others[1].pid, "SIGKILL");
     await noChildren();
     done({ present, later, kill, warnings, reason: child.reason });`,
    undefined,
    QUIET,
  );
  const unknown = ["unknown", "unwatched"];
  const failed = ["Error", "EINVAL", "epoll_wait"];
  const unclean = ["ExitError", "ERR_EXIT", "unwatched"];
  assert.deepEqual(result["present"], [unknown, unknown, unclean, failed, failed, failed, failed, unknown, unknown]);
  assert.deepEqual(result["later"], [unknown, unknown, unclean, failed, failed, unknown]);
  assert.deepEqual([result["kill"], result["reason"], result["warnings"]], [false, "unknown", ["BROOD_WATCH_FAILED"]]);
});

test("R14: children with cleanup get their signal, then SIGKILL; those without it live on; all are reaped", async () => {
  const result = await inFaultyNode<Record<string, unknown>>(
    `${SCOPE}
     const log = "/tmp/brood-failed-watch-" + process.pid;
     const polite = spawn("sh", ["-c", 'trap "echo polite >&3; exit" TERM; echo ready; while :; do sleep 0.02; done'],
       { fds: { 3: { file: log, mode: "w" } } });
     const stubborn = spawn("sh", ["-c", 'trap "" TERM; echo ready; exec sleep 1000'], { forceKillAfterDelay: 50 });
     const free = spawn("sleep", ["1000"], { stdio: "ignore", cleanup: false });
     await polite.stdout.lines().next();
     await stubborn.stdout.lines().next();
     await failTheWatch();
     while (children().length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
     const left = children().map(Number).indexOf(free.pid);
     process.kill(free.pid, "SIGKILL");
     await noChildren();
     const said = fs.readFileSync(log, "utf8");
     fs.rmSync(log);
     done({ left, said });`,
    undefined,
    QUIET,
  );
  assert.deepEqual(result, { left: 0, said: "polite\n" });
});

test("R14: nothing can be spawned or watched afterwards: the error says so, and nothing is left behind", async () => {
  const result = await inFaultyNode<unknown[]>(
    `${SCOPE}
     await failTheWatch();
     await noChildren();
     const compare = takeStock();
     const errors = [];
     for (const attempt of [() => spawn("true"), () => new brood.Monitor(), () => brood.Monitor.default.watch(process.ppid)]) {
       try { attempt(); } catch (error) { errors.push(shape(error)); }
     }
     function shape({ name, code, stage }) { return [name, code, stage ?? null]; }
     await compare();
     done(errors);`,
    undefined,
    QUIET,
  );
  assert.deepEqual(result, [
    ["SpawnError", "EINVAL", "watch"],
    ["Error", "EINVAL", null],
    ["Error", "EINVAL", null],
  ]);
});

test("R14: a watched process that isn't our child is given up as unwatched, too", async () => {
  const result = await inFaultyNode<unknown>(
    `${SCOPE}
     const process_ = brood.Monitor.default.watch(process.ppid);
     await failTheWatch();
     done(await came(process_.exited));`,
    undefined,
    QUIET,
  );
  assert.deepEqual(result, ["unknown", "unwatched"]);
});
