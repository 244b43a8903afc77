/**
 * The error classes: codes, fields, JSON, and recognition across copies of the package.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import * as own from "#dist/errors.js";
import {
  AbortError,
  BroodError,
  conflict,
  ExitError,
  outOfRange,
  SpawnError,
  show,
  TimeoutError,
  UnsupportedError,
  wrongType,
  wrongValue,
} from "#dist/errors.js";

/** Another instance of the module, as a second copy of the package would load. */
const copy = (await import(`${import.meta.resolve("#dist/errors.js")}?copy`)) as typeof own;

const exit = { kind: "exited", code: 3, pid: 7, uid: 0, usage: null } as const;
const failure = { stage: "chdir", errno: 2, path: "/nope", file: "ls" } as const;
const outcome = { command: "ls", args: ["-l"], stdout: "out", stderr: "err", exit, durationMs: 5, reason: "exit" as const };

function instances(from: typeof own) {
  return {
    BroodError: new from.BroodError("why", "ERR_X"),
    SpawnError: new from.SpawnError("why", "ENOENT", failure),
    ExitError: new from.ExitError("why", outcome),
    TimeoutError: new from.TimeoutError("why", outcome),
    AbortError: new from.AbortError("why", "because", outcome),
    UnsupportedError: new from.UnsupportedError("platform", "why"),
  };
}

const classes = { BroodError, SpawnError, ExitError, TimeoutError, AbortError, UnsupportedError };

test("each class has its name and its code, and is an Error with a stack", () => {
  const codes = Object.entries(instances(own)).map(([name, error]) => {
    assert.ok(error instanceof Error);
    assert.equal(error.name, name);
    assert.equal(error.message, "why");
    assert.match(error.stack ?? "", new RegExp(`^(${name}|Error): why\n {4}at `));
    return error.code;
  });
  assert.deepEqual(codes, ["ERR_X", "ENOENT", "ERR_EXIT", "ERR_TIMEOUT", "ABORT_ERR", "ERR_UNSUPPORTED"]);
});

for (const [which, from] of Object.entries({ "this copy": own, "another copy": copy })) {
  test(`instanceof tells each class from the others, for errors of ${which}`, () => {
    for (const [name, error] of Object.entries(instances(from))) {
      const told = Object.entries(classes).filter(([, type]) => (error as unknown) instanceof type);
      assert.deepEqual(new Set(told.map(([type]) => type)), new Set(["BroodError", name]));
    }
  });
}

test("the two copies are two", () => {
  assert.notEqual(copy.SpawnError, SpawnError);
  assert.equal(own.SpawnError, SpawnError);
});

test("what only looks like one of ours is none", () => {
  const fakes = [new Error("x"), { name: "SpawnError", code: "ENOENT" }, null, undefined, "SpawnError", Object.create(null)];
  for (const fake of fakes) for (const type of Object.values(classes)) assert.ok(!((fake as unknown) instanceof type));
});

test("a user's own subclass is told too", () => {
  class MyError extends SpawnError {}
  const mine = new MyError("why", "ENOENT", failure);
  assert.ok(mine instanceof MyError && mine instanceof SpawnError && mine instanceof BroodError);
  assert.ok(!(mine instanceof ExitError));
  assert.ok(!((new SpawnError("why", "ENOENT", failure) as unknown) instanceof MyError));
  assert.equal(mine.name, "MyError");
});

test("errors carry what they are about", () => {
  const { SpawnError: spawn, ExitError: end, AbortError: abort, UnsupportedError: unsupported } = instances(own);
  assert.deepEqual(
    [spawn.stage, spawn.errno, spawn.path, spawn.fd, spawn.file, spawn.candidates],
    ["chdir", 2, "/nope", undefined, "ls", undefined],
  );
  for (const [field, value] of Object.entries(outcome)) assert.deepEqual(end[field as keyof typeof outcome], value);
  assert.equal(abort.cause, "because");
  assert.equal(abort.exit, exit);
  assert.equal(unsupported.feature, "platform");
});

test("JSON has every field, and survives a round trip", () => {
  const json = JSON.parse(JSON.stringify(instances(own).ExitError));
  assert.deepEqual(json, { name: "ExitError", message: "why", code: "ERR_EXIT", ...outcome });
  const spawn = JSON.parse(JSON.stringify(instances(copy).SpawnError));
  assert.deepEqual(spawn, { name: "SpawnError", message: "why", code: "ENOENT", ...failure });
});

test("JSON shows a cause, an error by name and message", () => {
  assert.equal(JSON.parse(JSON.stringify(instances(own).AbortError)).cause, "because");
  const cause = new DOMException("gone", "AbortError");
  assert.deepEqual(new AbortError("why", cause).toJSON()["cause"], { name: "AbortError", message: "gone" });
  assert.ok(!("cause" in new AbortError("why", undefined).toJSON()));
});

test("mistakes in a call are TypeErrors and RangeErrors of Node's form, not ours", () => {
  const rows: [error: Error, name: string, code: string, message: string][] = [
    [wrongType("x", "a number", "5"), "TypeError", "ERR_INVALID_ARG_TYPE", 'x must be a number, not "5"'],
    [wrongValue("x", 5, "must be odd"), "TypeError", "ERR_INVALID_ARG_VALUE", "x must be odd (got 5)"],
    [wrongValue("x", "a", "is unknown", "ERR_UNKNOWN_OPTION"), "TypeError", "ERR_UNKNOWN_OPTION", 'x is unknown (got "a")'],
    [outOfRange("x", "from 0 to 1", 2n), "RangeError", "ERR_OUT_OF_RANGE", "x must be from 0 to 1, not 2"],
    [conflict("a and b"), "TypeError", "ERR_OPTION_CONFLICT", "a and b"],
  ];
  for (const [error, name, code, message] of rows) {
    assert.equal(error.name, name);
    assert.equal((error as NodeJS.ErrnoException).code, code);
    assert.equal(error.message, message);
    assert.ok(!(error instanceof BroodError));
  }
});

test("values are shown short in messages", () => {
  assert.equal(show("x".repeat(61)), `"${"x".repeat(57)}"...`);
  assert.equal(show("x".repeat(60)), `"${"x".repeat(60)}"`);
  assert.equal(show(new Map()), "an instance of Map");
  assert.equal(show(Object.create(null)), "an instance of Object");
  assert.equal(
    show(function named() {}),
    "function named",
  );
  assert.equal(show(Symbol("s")), "Symbol(s)");
  assert.deepEqual([null, undefined, -0, 5n].map(show), ["null", "undefined", "0", "5"]);
});
