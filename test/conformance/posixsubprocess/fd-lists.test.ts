/**
 * The list of fds to keep: what is taken, and what is refused before anything exists.
 */

import assert from "node:assert/strict";
import { closeSync, openSync } from "node:fs";
import { TemporaryFiles } from "../../helpers/files.js";
import { forkReport, posix } from "../../helpers/fork.js";
import { fdsOf } from "../../helpers/report.js";
import { test } from "../../helpers/test.js";

test("P5: a list in any order and with repeats is one set", () => {
  using files = new TemporaryFiles();
  const [a, b, c, d] = files.open(4) as [number, number, number, number];
  for (const fdsToKeep of [
    [a, b, c],
    [c, b, a],
    [b, a, b, c, c, b],
    [a, 1, c, 0, b, 2],
  ]) {
    assert.deepEqual(fdsOf(forkReport({ fdsToKeep })), [0, 1, 2, a, b, c]);
  }
  assert.deepEqual(fdsOf(forkReport({ fdsToKeep: [d] })), [0, 1, 2, d]);
  assert.deepEqual(fdsOf(forkReport({ fdsToKeep: [] })), [0, 1, 2]);
});

test("P5: what is given in another way wins over keeping it", () => {
  using files = new TemporaryFiles();
  const [a, b] = files.open(2) as [number, number];
  const report = forkReport({ fdsToKeep: [0, a, b], stdin: b, fds: { [a]: "ignore" } });
  assert.deepEqual(fdsOf(report), [0, 1, 2, a, b]);
  assert.deepEqual([report.fds[0]?.link, report.fds[a]?.link], [report.fds[b]?.link, "/dev/null"]);
});

test("P5: a value that is no fd is refused with its index, before any fd or process exists", () => {
  const next = (): number => {
    const fd = openSync("/dev/null", "r");
    closeSync(fd);
    return fd;
  };
  const before = next();
  const type = { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" };
  const range = { name: "RangeError", code: "ERR_OUT_OF_RANGE" };
  const rows: [list: unknown, error: object, says: string][] = [
    [5, type, "options.fdsToKeep must be an array, not 5"],
    ["34", type, 'options.fdsToKeep must be an array, not "34"'],
    [new Set([3]), type, "options.fdsToKeep must be an array, not an instance of Set"],
    [null, type, "options.fdsToKeep must be an array, not null"],
    [[0, "str", 4], type, 'options.fdsToKeep[1] must be a number, not "str"'],
    [[0, 1n], type, "options.fdsToKeep[1] must be a number, not 1"],
    [Array(2), type, "options.fdsToKeep[0] must be a number, not undefined"],
    [[{ valueOf: () => 3 }], type, "options.fdsToKeep[0] must be a number, not an instance of Object"],
    [[0, 1, 1.5], range, "options.fdsToKeep[2] must be an integer from 0 to 2147483647, not 1.5"],
    [[-1, 2], range, "options.fdsToKeep[0] must be an integer from 0 to 2147483647, not -1"],
    [[0, 2147483648], range, "options.fdsToKeep[1] must be an integer from 0 to 2147483647, not 2147483648"],
    [[2 ** 63], range, "options.fdsToKeep[0] must be an integer from 0 to 2147483647, not 9223372036854776000"],
    [[Number.NaN], range, "options.fdsToKeep[0] must be an integer from 0 to 2147483647, not NaN"],
  ];
  for (const [list, error, message] of rows) {
    assert.throws(() => posix.forkExec(["x"], ["/bin/true"], { fdsToKeep: list as never }), { ...error, message });
  }
  assert.equal(next(), before);
});
