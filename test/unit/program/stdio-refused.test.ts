/**
 * Entries for the child's fds that can't be: conflicts, cycles, mistyped words, wrong types.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProgramOptions } from "#dist/program/options.js";
import { planStdio } from "#dist/program/stdio.js";
import { PIPES } from "../../helpers/decode-program.js";

type Row = [options: object, says: string | RegExp];

function refused(rows: Row[], name: "TypeError" | "RangeError", code: string): void {
  for (const [options, says] of rows) {
    assert.throws(
      () => planStdio(options as ProgramOptions, PIPES, (fd) => fd < 10),
      (error: NodeJS.ErrnoException) => {
        assert.equal(error.name, name, error.message);
        assert.equal(error.code, code);
        if (typeof says === "string") assert.ok(error.message.startsWith(says), error.message);
        else assert.match(error.message, says);
        return true;
      },
    );
  }
}

test("an fd is given once", () => {
  const rows: Row[] = [
    [{ stdin: "pipe", fds: { 0: "pipe" } }, "fd 0 of the child is given twice: options.stdin and options.fds[0]"],
    [{ fds: { 5: "pipe" }, passFds: [5] }, "fd 5 of the child is given twice: options.fds[5] and options.passFds[0]"],
    [{ fds: { 5: "close" }, passFds: [5] }, "fd 5 of the child is given twice"],
    [{ passFds: [4, 5, 4] }, "fd 4 of the child is given twice: options.passFds[0] and options.passFds[2]"],
    [{ stdio: ["pipe", "pipe", "pipe", "pipe"], passFds: [3] }, "fd 3 of the child is given twice: options.stdio[3] and"],
    [{ stdio: "pipe", stdin: "pipe" }, "options.stdio excludes"],
    [{ stdio: [], stderr: "pipe" }, "options.stdio excludes"],
    [{ stdio: [], fds: {} }, "options.stdio excludes"],
  ];
  refused(rows, "TypeError", "ERR_OPTION_CONFLICT");
});

test("dup leads to an fd that the child has, and not in a circle", () => {
  const rows: Row[] = [
    [{ stdout: { dup: 1 } }, "options.stdout is a duplicate of itself, in a cycle of {dup}"],
    [{ stdout: { dup: 2 }, stderr: { dup: 1 } }, "options.stdout is a duplicate of itself"],
    [{ stdin: { dup: 1 }, stdout: { dup: 2 }, stderr: { dup: 1 } }, "options.stdin is a duplicate of itself"],
    [{ stdout: { dup: 5 } }, "options.stdout.dup must be an fd that the child has (got 5)"],
    [{ stdin: { dup: 2 }, stderr: { dup: 5 } }, "options.stderr.dup must be an fd that the child has (got 5)"],
    [{ stdout: "close", stderr: { dup: 1 } }, "options.stderr.dup must be an fd that the child has, this one is closed (got 1)"],
    [{ stdio: ["pipe", { dup: 7 }] }, "options.stdio[1].dup"],
  ];
  refused(rows, "TypeError", "ERR_INVALID_ARG_VALUE");
  refused([[{ stderr: { dup: "1" } }, "options.stderr.dup must be a number"]], "TypeError", "ERR_INVALID_ARG_TYPE");
  refused([[{ stderr: { dup: -1 } }, "options.stderr.dup must be an integer"]], "RangeError", "ERR_OUT_OF_RANGE");
  refused(
    [[{ stderr: { dup: 1, file: "x" } }, /options\.stderr has no such option .*"file"/]],
    "TypeError",
    "ERR_UNKNOWN_OPTION",
  );
});

test("a word that looks mistyped gets a hint, also for fd 0, which takes text", () => {
  const rows: Row[] = [
    [{ stdin: "pip" }, /^options\.stdin looks like a mistyped word, did you mean "pipe"\? Pass text .* as bytes/],
    [{ stdin: "Inherit" }, /did you mean "inherit"\?/],
    [{ stdin: "ignroe" }, /did you mean "ignore"\?/],
    [{ stdio: ["clos"] }, /^options\.stdio\[0\] .*did you mean "close"\?/],
    [{ stdout: "sokcet" }, /^options\.stdout must be one of pipe, ignore, inherit, close, socket.*did you mean "socket"\?/],
    [{ stdout: "text" }, /^options\.stdout must be one of pipe, (?!.*did you mean)/],
    [{ stdout: Buffer.from("pip") }, /^options\.stdout must be one of pipe, (?!.*did you mean)/],
    [{ stderr: "overlapped" }, /^options\.stderr must be one of/],
    [{ stdio: "ipc" }, /^options\.stdio\[/],
    [{ fds: { 3: "a" } }, /^options\.fds\[3\] must be one of/],
  ];
  refused(rows, "TypeError", "ERR_INVALID_ARG_VALUE");
});

test("text for fd 0 is whole", () => {
  refused([[{ stdin: "a\ud800" }, "options.stdin must not contain a lone surrogate"]], "TypeError", "ERR_INVALID_ARG_VALUE");
});

test("values that are no entry are refused", () => {
  const noEntry = "a word, an fd, a stream";
  const rows: Row[] = [
    [{ stdin: null }, `options.stdin must be ${noEntry}`],
    [{ stdin: true }, `options.stdin must be ${noEntry}`],
    [{ stdout: () => 1 }, `options.stdout must be ${noEntry}`],
    [{ stdout: {} }, `options.stdout must be ${noEntry}`],
    [{ stdout: [1] }, `options.stdout must be ${noEntry}`],
    [{ stdout: { pipe: "x" } }, `options.stdout must be ${noEntry}`],
    [{ stdout: { pipe: "r", size: "1" } }, "options.stdout.size must be a number"],
    [{ fds: { 3: 4n } }, `options.fds[3] must be ${noEntry}`],
    [{ stdio: 5 }, "options.stdio must be an array"],
    [{ fds: 5 }, "options.fds must be an object"],
    [{ fds: null }, "options.fds must be an object"],
    [{ passFds: 3 }, "options.passFds must be an array"],
    [{ passFds: ["3"] }, "options.passFds[0] must be a number"],
    [{ passFds: new Array(1) }, "options.passFds[0] must be a number"],
    [{ stdout: { file: 5 } }, "options.stdout.file must be a string"],
  ];
  refused(rows, "TypeError", "ERR_INVALID_ARG_TYPE");
});

test("a pipe has a direction and a size, and nothing else", () => {
  refused([[{ stdout: { pipe: "r", mode: "w" } }, "options.stdout has no such option"]], "TypeError", "ERR_UNKNOWN_OPTION");
});

test("a file has a path and a known mode", () => {
  const rows: Row[] = [
    [{ stdout: { file: "" } }, "options.stdout.file must not be empty"],
    [{ stdout: { file: "a\0" } }, "options.stdout.file must not contain a NUL"],
    [{ stdout: { file: new URL("http://x") } }, "options.stdout.file must be a file: URL"],
    [{ stdout: { file: "x", mode: "rw" } }, "options.stdout.mode must be one of r, r+, w, w+, wx, a, a+, ax"],
    [{ stdout: { file: "x", mode: 5 } }, "options.stdout.mode must be one of"],
    [{ stdout: { file: "x", mode: "toString" } }, "options.stdout.mode must be one of"],
    [{ passFds: [2] }, 'options.passFds[0] must be 3 or more: for 0 to 2 use "inherit"'],
  ];
  refused(rows, "TypeError", "ERR_INVALID_ARG_VALUE");
  refused([[{ stdout: { file: "x", flags: "w" } }, "options.stdout has no such option"]], "TypeError", "ERR_UNKNOWN_OPTION");
});

test("fd numbers are integers from 0", () => {
  const rows: Row[] = [
    [{ stdin: -1 }, "options.stdin must be an integer from 0"],
    [{ stdin: 1.5 }, "options.stdin must be an integer from 0"],
    [{ stdin: 2 ** 31 }, "options.stdin must be an integer from 0"],
    [{ stdin: { fd: 0.5 } }, "options.stdin must be an integer from 0"],
    [{ passFds: [-1] }, "options.passFds[0] must be an integer from 0"],
    ...["-1", "1.5", "", "abc", "1e1", "0x4", " 4", "04", "2147483648", "stdin"].map(
      (key): Row => [{ fds: { [key]: "pipe" } }, /^an fd in options\.fds must be an integer from 0 to 2147483647, not "/],
    ),
  ];
  refused(rows, "RangeError", "ERR_OUT_OF_RANGE");
});
