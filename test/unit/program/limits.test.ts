/**
 * Resource limits by name.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LIMITS, planLimits } from "#dist/program/limits.js";
import type { ProgramOptions } from "#dist/program/options.js";

const INFINITY = 0xffffffffffffffffn;
const plan = (rlimits: unknown) => planLimits({ rlimits } as ProgramOptions);

test("without rlimits there is nothing to do", () => {
  assert.deepEqual(planLimits({}), []);
  assert.deepEqual(plan({}), []);
  assert.deepEqual(plan({ cpu: undefined }), []);
});

test("one number is both, soft and hard", () => {
  assert.deepEqual(plan({ nofile: 64, core: 0n }), [
    { name: "nofile", resource: 7, soft: 64n, hard: 64n },
    { name: "core", resource: 4, soft: 0n, hard: 0n },
  ]);
});

test("soft and hard stand apart, and no limit has two names", () => {
  assert.deepEqual(plan({ as: { soft: 2n ** 40n, hard: "unlimited" } }), [
    { name: "as", resource: 9, soft: 2n ** 40n, hard: INFINITY },
  ]);
  for (const value of ["unlimited", Number.POSITIVE_INFINITY, INFINITY]) {
    assert.deepEqual(plan({ cpu: value }), [{ name: "cpu", resource: 0, soft: INFINITY, hard: INFINITY }]);
  }
});

test("the numbers are those of this kernel", () => {
  const header = readFileSync("/usr/include/asm-generic/resource.h", "utf8");
  const kernel = Object.fromEntries(
    [...header.matchAll(/^#\s*define RLIMIT_(\w+)\s+(\d+)/gm)].map(([, name, number]) => [name?.toLowerCase(), Number(number)]),
  );
  assert.deepEqual({ ...LIMITS }, kernel);
});

const bad: [rlimits: unknown, type: "TypeError" | "RangeError", code: string, says: RegExp][] = [
  [5, "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits must be an object/],
  [[1], "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits must be an object/],
  [{ nofiles: 5 }, "TypeError", "ERR_UNKNOWN_OPTION", /did you mean "nofile"\?/],
  [{ cpu: "5" }, "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits\.cpu must be a number, a bigint or "unlimited"/],
  [{ cpu: null }, "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits\.cpu/],
  [{ cpu: true }, "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits\.cpu/],
  [{ cpu: -1 }, "RangeError", "ERR_OUT_OF_RANGE", /options\.rlimits\.cpu must be an integer, 0 or more, not -1/],
  [{ cpu: 1.5 }, "RangeError", "ERR_OUT_OF_RANGE", /1\.5/],
  [{ cpu: Number.NaN }, "RangeError", "ERR_OUT_OF_RANGE", /NaN/],
  [{ cpu: 2 ** 53 }, "RangeError", "ERR_OUT_OF_RANGE", /options\.rlimits\.cpu/],
  [{ cpu: -1n }, "RangeError", "ERR_OUT_OF_RANGE", /from 0 to 2\^64-1/],
  [{ cpu: 2n ** 64n }, "RangeError", "ERR_OUT_OF_RANGE", /from 0 to 2\^64-1/],
  [{ cpu: { soft: 1 } }, "TypeError", "ERR_INVALID_ARG_TYPE", /options\.rlimits\.cpu\.hard/],
  [{ cpu: { soft: 1, hard: 2, max: 3 } }, "TypeError", "ERR_UNKNOWN_OPTION", /options\.rlimits\.cpu/],
  [{ cpu: { soft: 2, hard: 1 } }, "RangeError", "ERR_OUT_OF_RANGE", /options\.rlimits\.cpu\.soft must be at most the hard limit/],
  [{ cpu: { soft: "unlimited", hard: 1 } }, "RangeError", "ERR_OUT_OF_RANGE", /at most the hard limit/],
];

test("wrong limits are refused", () => {
  for (const [rlimits, name, code, message] of bad) assert.throws(() => plan(rlimits), { name, code, message });
});
