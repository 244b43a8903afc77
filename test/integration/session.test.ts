/**
 * Sessions, process groups and terminals: setsid(2), setpgid(2), TIOCSCTTY.
 */

import assert from "node:assert/strict";
import { closeSync, fstatSync, readFileSync, writeSync } from "node:fs";
import { close, forkExec, waitid } from "brood/posix";
import { spawnProcess } from "brood/protocol";
import { childPath } from "../helpers/children.js";
import { launch } from "../helpers/launch.js";
import { Recorder } from "../helpers/recorder.js";
import { parseReport, reportOf } from "../helpers/report.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

/** Session and process group of a process. */
function groupOf(pid: number): { pgid: number; sid: number } {
  const [, , pgid, sid] = (readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1] as string).split(" ").map(Number);
  return { pgid: pgid as number, sid: sid as number };
}

/** A pseudo-terminal for a scope: master and slave. */
class Terminal implements Disposable {
  readonly master = self.openTerminal();
  readonly slave = self.openSlave(this.master);

  get device(): number {
    return fstatSync(this.slave).rdev;
  }

  [Symbol.dispose](): void {
    closeSync(this.slave);
    closeSync(this.master);
  }
}

test("by default the child is in our session and group", async () => {
  const { pid, ppid, pgid, sid } = await reportOf();
  assert.equal(ppid, process.pid);
  assert.notEqual(pid, pgid);
  assert.deepEqual({ pgid, sid }, groupOf(process.pid));
});

test("session: it leads a session and a group, and has no terminal", async () => {
  const { pid, pgid, sid, tty } = await reportOf({ session: true });
  assert.deepEqual([pgid, sid, tty], [pid, pid, 0]);
});

test("an option that is inherited counts, also where the options are copied on their way", async () => {
  class Quiet {
    get cwd(): string {
      return "/";
    }
    readonly stdin = "ignore";
  }
  for (const more of [{}, { detached: true }]) {
    const child = (await launch("pwd", [], Object.assign(new Quiet(), more))).ref();
    assert.equal((await child.output()).stdout, "/\n");
  }
  const recorder = new Recorder();
  spawnProcess(recorder, "pwd", [], new Quiet());
  await recorder.ended;
  assert.equal(recorder.text(), "/\n");
  const { pidfd } = forkExec(["sh", "-c", '[ "$PWD" = / ]'], ["/bin/sh"], Object.create({ cwd: "/" }));
  const state = waitid("P_PIDFD", pidfd);
  close(pidfd);
  assert.equal(state?.kind === "exited" && state.code, 0);
});

test("detached: it leads a session", async () => {
  const child = (await launch(childPath("report"), ["1"], { detached: true, env: { LD_PRELOAD: undefined } })).ref();
  const { pid, pgid, sid } = parseReport((await child.output()).stdout as string);
  assert.deepEqual([pid, pgid, sid], [child.pid, child.pid, child.pid]);
});

test('processGroup "new": it leads a group in our session', async () => {
  const { pid, pgid, sid } = await reportOf({ processGroup: "new" });
  assert.equal(pgid, pid);
  assert.equal(sid, groupOf(process.pid).sid);
});

test("processGroup by number: it joins the group of another child", async () => {
  await using leader = await launch("cat", [], { processGroup: "new" });
  const report = await reportOf({ processGroup: leader.pid });
  assert.equal(report.pgid, leader.pid);
  const ours = groupOf(process.pid);
  assert.equal((await reportOf({ processGroup: ours.pgid })).pgid, ours.pgid);
});

test("a group of another session, or one that is gone, can't be joined", async () => {
  await using other = await launch("cat", [], { session: true });
  const failure = { name: "SpawnError", code: "EPERM", errno: 1, stage: "setpgid", file: "true" };
  await assert.rejects(launch("true", [], { processGroup: other.pid }), failure);
  const gone = await launch("true", [], { processGroup: "new" });
  await gone.closed;
  await assert.rejects(launch("true", [], { processGroup: gone.pid }), failure);
});

test("controllingTerminal: the terminal on fd 0, or on another fd, becomes the session's", async () => {
  using terminal = new Terminal();
  for (const [where, options] of [
    [true, { stdin: terminal.slave }],
    [0, { stdin: terminal.slave }],
    [5, { fds: { 5: terminal.slave } }],
  ] as const) {
    const { pid, sid, tty, foreground } = await reportOf({ session: true, controllingTerminal: where, ...options });
    assert.deepEqual([sid, tty, foreground], [pid, terminal.device, pid]);
  }
});

test("a terminal on fd 0 alone is no controlling terminal, with or without a session", async () => {
  using terminal = new Terminal();
  const own = await reportOf({ stdin: terminal.slave, session: true });
  assert.equal(own.tty, 0);
  assert.notEqual((await reportOf({ stdin: terminal.slave })).tty, terminal.device);
  assert.equal(own.fds[0]?.rdev, terminal.device);
});

test("{file} of a terminal does not become the controlling one by being opened", async () => {
  using terminal = new Terminal();
  const file = `/proc/${process.pid}/fd/${terminal.slave}`;
  const report = await reportOf({ session: true, fds: { 3: { file, mode: "r+" } } });
  assert.equal(report.fds[3]?.rdev, terminal.device);
  assert.equal(report.tty, 0);
});

test("a controlling terminal signals its session", async () => {
  using terminal = new Terminal();
  const child = await launch(childPath("report"), ["1", "wait"], {
    session: true,
    controllingTerminal: true,
    stdin: terminal.slave,
    env: { LD_PRELOAD: undefined },
  });
  const first = (await child.stdout.lines().next()) as { value: string };
  assert.equal(parseReport(first.value).tty, terminal.device);
  writeSync(terminal.master, "\x03");
  const exit = await child.exited;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGINT");
  await child.closed;
});

test("a controlling terminal that is none is ENOTTY, and names the fd", async () => {
  const failure = { name: "SpawnError", code: "ENOTTY", errno: 25, stage: "controllingTerminal", file: "true" };
  await assert.rejects(launch("true", [], { session: true, controllingTerminal: true }), {
    ...failure,
    fd: 0,
    message: /: inappropriate ioctl for device, that fd is no terminal \(ENOTTY at controllingTerminal\)$/,
  });
  await assert.rejects(launch("true", [], { session: true, controllingTerminal: 4, fds: { 4: "ignore" } }), {
    ...failure,
    fd: 4,
  });
});

test("a controlling terminal on an fd that the child has not is refused: it would be one of ours", async () => {
  using terminal = new Terminal();
  const refused = [
    { controllingTerminal: terminal.slave },
    { controllingTerminal: true, stdin: "close" },
    { controllingTerminal: terminal.slave, closeFds: false, fds: { [terminal.slave]: "close" } },
  ] as const;
  for (const options of refused) {
    await assert.rejects(launch("true", [], { session: true, ...options }), { code: "ERR_INVALID_ARG_VALUE" });
  }
  self.setCloexec(terminal.slave, 0);
  const kept = await reportOf({ session: true, closeFds: false, controllingTerminal: terminal.slave });
  assert.equal(kept.tty, terminal.device);
});

test("options that exclude each other are refused", async () => {
  const refused = [
    { session: true, processGroup: "new" },
    { controllingTerminal: true },
    { detached: true, processGroup: "new" },
    { detached: true, session: false },
  ] as const;
  for (const options of refused) await assert.rejects(launch("true", [], options), { code: "ERR_OPTION_CONFLICT" });
});
