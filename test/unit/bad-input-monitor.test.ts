/**
 * Wrong calls of Monitor and of what it gives: the class, the code and the words of each error, and that nothing
 * was taken or touched.
 */

import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { Monitor, type ProcessLike } from "brood";
import { act } from "../helpers/act.js";
import { posix, reap } from "../helpers/fork.js";
import { test } from "../helpers/test.js";
import { RANGE, SIGNAL, TYPE, UNKNOWN, VALUE } from "../helpers/wrong-calls.js";

const PROCESSES: [process: unknown, expected: object, says: RegExp][] = [
  [undefined, TYPE, /^process must be a pid or \{ pidfd \}, not undefined/],
  [null, TYPE, /^process must be a pid or/],
  ["1", TYPE, /^process must be a pid or/],
  [1n, TYPE, /^process must be a pid or/],
  [0, RANGE, /^process must be an integer from 1/],
  [-1, RANGE, /^process must be an integer from 1/],
  [1.5, RANGE, /^process must be an integer/],
  [Number.NaN, RANGE, /^process must be an integer/],
  [2 ** 31, RANGE, /^process must be an integer from 1 to 2147483647/],
  [[1], TYPE, /^process must be an object/],
  [{}, VALUE, /^process must be a pid or \{ pidfd \}/],
  [{ pid: 1 }, UNKNOWN, /^process has no such option/],
  [{ pidfd: -1 }, RANGE, /^process.pidfd must be an integer from 0/],
  [{ pidfd: "3" }, TYPE, /^process.pidfd must be a number/],
];

for (const [index, [process, expected, says]] of PROCESSES.entries()) {
  test(`add and watch refuse a wrong process (${index + 1})`, () => {
    for (const method of ["add", "watch"] as const) {
      assert.throws(() => Monitor.default[method](process as ProcessLike), { ...expected, message: says });
    }
  });
}

const OPTIONS: Record<string, [options: unknown, expected: object][]> = {
  options: [
    [null, TYPE],
    [[], TYPE],
    [{ stdio: "ignore" }, UNKNOWN],
    [{ detached: true }, UNKNOWN],
  ],
  signal: [[{ signal: {} }, TYPE]],
  timeout: [
    [{ timeout: "1" }, TYPE],
    [{ timeout: -1 }, RANGE],
  ],
  killSignal: [
    [{ killSignal: "SIGNOPE" }, SIGNAL],
    [{ killSignal: 0 }, SIGNAL],
  ],
  forceKillAfterDelay: [
    [{ forceKillAfterDelay: true }, TYPE],
    [{ forceKillAfterDelay: Number.NaN }, RANGE],
  ],
  cleanup: [[{ cleanup: 1 }, TYPE]],
};

for (const [name, rows] of Object.entries(OPTIONS)) {
  test(`add refuses a wrong ${name}, and the child stays its starter's`, () => {
    const raw = posix.forkExec(["act", "exit", "2"], [act], { closeFds: true });
    for (const [options, expected] of rows) {
      assert.throws(() => Monitor.default.add(raw.pid, options as object), expected);
      assert.throws(() => Monitor.default.add({ pidfd: raw.pidfd }, options as object), expected);
    }
    assert.equal(reap(raw), "exited 2");
  });
}

test("an fd that is no pidfd is refused, open or not", () => {
  const fd = openSync("/dev/null", "r");
  for (const pidfd of [fd, 0x7ffffffe]) {
    for (const method of ["add", "watch"] as const) {
      assert.throws(() => Monitor.default[method]({ pidfd }), { code: "EBADF", message: /is not an open pidfd \(EBADF\)$/ });
    }
  }
  closeSync(fd);
});

test("kill of a watched process refuses what is no signal", () => {
  using watched = Monitor.default.watch(process.ppid);
  assert.throws(() => watched.kill("TERM"), { ...SIGNAL, message: /did you mean "SIGTERM"/ });
  assert.throws(() => watched.kill(65), SIGNAL);
  assert.throws(() => watched.kill({} as never), TYPE);
});
