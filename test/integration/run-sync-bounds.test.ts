/**
 * runSync's bounds in time: those of run. A command, or who holds its pipes, never keeps it beyond them.
 */

import assert from "node:assert/strict";
import { DrainError, ExitError, runSync, TimeoutError } from "brood";
import { act, processState } from "../helpers/act.js";
import { withLimit } from "../helpers/limits.js";
import { test } from "../helpers/test.js";

/** Far beyond the bounds of these tests: a command that is ended by them never comes to its end. */
const LONG = "100";

function thrown<Kind extends Error>(kind: abstract new (...args: never) => Kind, call: () => unknown): Kind {
  try {
    call();
  } catch (error) {
    assert.ok(error instanceof kind, String(error));
    return error;
  }
  throw new Error("it did not throw");
}

test("timeout: the polite signal; the error has what came until then", () =>
  withLimit(200, (timeout) => {
    const error = thrown(TimeoutError, () => runSync("sh", ["-c", `echo early; exec sleep ${LONG}`], { timeout }));
    if (error.stdout === "") return false;
    assert.match(error.message, new RegExp(`^sh -c .* ran longer than ${timeout} ms, and was killed by SIGTERM$`));
    assert.deepEqual(
      [error.reason, error.stdout, error.exit.kind === "killed" && error.exit.signal],
      ["timeout", "early\n", "SIGTERM"],
    );
    assert.ok(error.durationMs >= timeout - 1);
    return true;
  }));

test("timeout: a command that ignores the polite signal gets SIGKILL after forceKillAfterDelay", () => {
  const options = { timeout: 150, ignoreSignals: ["SIGINT"], killSignal: "SIGINT", forceKillAfterDelay: 50 } as const;
  const error = thrown(TimeoutError, () => runSync(act, ["pause"], options));
  assert.equal(error.exit.kind === "killed" && error.exit.signal, "SIGKILL");
});

test("timeout: what catches the signal may go on as long as the grace period", () =>
  withLimit(200, (timeout) => {
    const error = thrown(TimeoutError, () => runSync(act, ["on", "15", "bye", "say", "1", "on", "pause"], { timeout }));
    if (error.stdout === "") return false;
    assert.deepEqual([error.stdout, error.exit.kind === "exited" && error.exit.code], ["on\nbye\n", 7]);
    return true;
  }));

test("a killSignal of SIGKILL has no grace period, and reject: false returns the same", () => {
  const result = runSync("sleep", [LONG], { timeout: 50, killSignal: "SIGKILL", reject: false });
  assert.deepEqual([result.reason, result.exit.kind], ["timeout", "killed"]);
});

/** Ends those who hold pipes; gives whether all of them have come to be what the shell has made of them. */
function endHolders(holders: readonly { pid: number; command: string }[]): boolean {
  for (const { pid } of holders) process.kill(pid, "SIGKILL");
  return holders.length > 0 && holders.every(({ command }) => command === "[sleep]");
}

test("timeout: pipes that a background process holds are cut, and it is told who", () =>
  withLimit(200, (timeout) => {
    const script = `sleep ${LONG} & echo $!; exec sleep ${LONG}`;
    const error = thrown(TimeoutError, () => runSync("sh", ["-c", script], { timeout }));
    const pid = Number(error.stdout);
    const state = processState(pid) ?? "gone";
    if (!endHolders(error.heldBy)) return false;
    assert.deepEqual([error.drained, error.heldBy], [false, [{ pid, command: "[sleep]", fds: [1, 2] }]]);
    assert.match(state, /^[SRD]$/);
    return true;
  }));

test("a timeout that comes while pipes are still read cuts them", () =>
  withLimit(250, (timeout) => {
    const options = { timeout, drain: { then: "wait" } } as const;
    const error = thrown(TimeoutError, () => runSync("sh", ["-c", `sleep ${LONG} & echo $!`], options));
    for (const { pid } of error.heldBy) process.kill(pid, "SIGKILL");
    if (error.exit.kind === "killed") return false;
    assert.deepEqual([error.reason, error.exit.kind === "exited" && error.exit.code, error.drained], ["timeout", 0, false]);
    return true;
  }));

test("drain: pipes silent for so long after the exit are given up; what came is kept", () =>
  withLimit(100, (idle) => {
    const script = `sleep ${LONG} 2>/dev/null & echo $!`;
    const { stdout, drained, heldBy, reason } = runSync("sh", ["-c", script], { drain: { idle } });
    if (!endHolders(heldBy)) return false;
    assert.deepEqual([drained, reason, heldBy], [false, "exit", [{ pid: Number(stdout), command: "[sleep]", fds: [1] }]]);
    return true;
  }));

test("drain: a writer that goes on does not hold it beyond the bound", () => {
  const script = "(while :; do echo more; done) & echo $! >&2";
  const { stderr, drained } = runSync("sh", ["-c", script], { drain: { timeout: 100, idle: 50_000 }, maxOutput: 100_000 });
  assert.equal(drained, false);
  process.kill(Number.parseInt(stderr, 10), "SIGKILL");
});

test("drain: without a bound they are given up at once, and then: error throws", () => {
  const error = thrown(DrainError, () => runSync("sh", ["-c", `sleep ${LONG} & echo $!`], { drain: { then: "error" } }));
  // The shell's child may not have exec'ed yet.
  assert.match(error.message, /exited with code 0, its output is still held by \d+ \(\[(sleep|sh)\]\)$/);
  process.kill(Number(error.stdout), "SIGKILL");
});

test("drain: a slow last word of a background process is waited for", () => {
  // It speaks when the shell has ended and been reaped.
  const { stdout, drained } = runSync("sh", ["-c", "(while kill -0 $$ 2>/dev/null; do :; done; echo late) & echo early"]);
  assert.deepEqual([stdout, drained], ["early\nlate\n", true]);
});

test("idleTimeout: a command that says nothing; each byte begins the silence anew", () =>
  withLimit(400, (idleTimeout) => {
    const script = `echo a; sleep 0.2; echo b; exec sleep ${LONG}`;
    const error = thrown(TimeoutError, () => runSync("sh", ["-c", script], { idleTimeout }));
    assert.equal(error.reason, "idle");
    if (!String(error.stdout).endsWith("b\n")) return false;
    assert.equal(error.stdout, "a\nb\n");
    assert.ok(error.durationMs >= idleTimeout + 190, String(error.durationMs));
    return true;
  }));

test("a command that fails within its bounds is an ExitError like any", () => {
  const error = thrown(ExitError, () => runSync("sh", ["-c", "echo why >&2; exit 4"], { timeout: 60_000, idleTimeout: 60_000 }));
  assert.match(error.message, /exited with code 4: why$/);
});
