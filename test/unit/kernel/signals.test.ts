/**
 * Signals by name and number.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { constants } from "node:os";
import { test } from "node:test";
import { signalName, signalNames, signalNumber, signalSet } from "#dist/kernel/signals.js";

test("every name of this system has its number, and every number one name", () => {
  for (const [name, number] of Object.entries(constants.signals)) assert.equal(signalNumber(name), number);
  for (let number = 1; number <= 64; number++) {
    assert.equal(signalNumber(number), number);
    if (number !== 32 && number !== 33) assert.equal(signalNumber(signalName(number)), number, signalName(number));
  }
  assert.equal(new Set(signalNames()).size, signalNames().length);
});

test("names are those that the system's own tool prints", () => {
  const listed = execFileSync("bash", ["-c", "for i in {1..31}; do kill -l $i; done"], { encoding: "utf8" }).trim().split("\n");
  assert.deepEqual(
    listed.map((name) => `SIG${name}`),
    Array.from({ length: 31 }, (_, i) => signalName(i + 1)),
  );
});

test("of two names for a number the kernel's own is given", () => {
  assert.equal(signalName(signalNumber("SIGIOT")), "SIGABRT");
  assert.equal(signalName(signalNumber("SIGCLD")), "SIGCHLD");
  assert.equal(signalName(signalNumber("SIGPOLL")), "SIGIO");
  assert.equal(signalName(31), "SIGSYS");
});

test("real-time signals count from SIGRTMIN, and back from SIGRTMAX", () => {
  const pairs: [name: string, number: number][] = [
    ["SIGRTMIN", 34],
    ["SIGRTMIN+0", 34],
    ["SIGRTMIN+1", 35],
    ["SIGRTMIN+30", 64],
    ["SIGRTMAX", 64],
    ["SIGRTMAX-0", 64],
    ["SIGRTMAX-30", 34],
  ];
  for (const [name, number] of pairs) assert.equal(signalNumber(name), number, name);
  assert.deepEqual([34, 35, 63, 64].map(signalName), ["SIGRTMIN", "SIGRTMIN+1", "SIGRTMIN+29", "SIGRTMAX"]);
  for (const name of ["SIGRTMIN+31", "SIGRTMAX-31", "SIGRTMIN-1", "SIGRTMAX+1", "SIGRTMIN+", "SIGRTMIN+ 1", "SIGRTMIN+100"]) {
    assert.throws(() => signalNumber(name), { code: "ERR_UNKNOWN_SIGNAL" }, name);
  }
});

test("a number without a name still has one to show", () => {
  assert.deepEqual([0, 32, 33, 65].map(signalName), ["SIG0", "SIG32", "SIG33", "SIG65"]);
});

test("every signal that can end a process has a name by which it is known again", () => {
  for (let number = 1; number <= 64; number++) assert.equal(signalNumber(signalName(number)), number);
  for (const name of ["SIG0", "SIG1", "SIG31", "SIG34", "SIG65"]) {
    assert.throws(() => signalNumber(name), { code: "ERR_UNKNOWN_SIGNAL" }, name);
  }
});

test("an unknown signal is refused, with a hint where a known one is meant", () => {
  const rows: [signal: unknown, says: RegExp][] = [
    ["sigterm", /^killSignal must be a signal of this system, did you mean "SIGTERM"\? \(got "sigterm"\)$/],
    ["TERM", /did you mean "SIGTERM"\?/],
    ["kill", /did you mean "SIGKILL"\?/],
    ["SIGWHAT", /^killSignal must be a signal of this system \(got "SIGWHAT"\)$/],
    ["", /must be a signal of this system/],
    ["15", /must be a signal of this system/],
    ["SIGTERM ", /must be a signal of this system/],
    [0, /^killSignal must be a signal number from 1 to 64 \(got 0\)$/],
    [65, /from 1 to 64/],
    [-1, /from 1 to 64/],
    [1.5, /from 1 to 64/],
    [Number.NaN, /from 1 to 64/],
  ];
  for (const [signal, message] of rows) {
    assert.throws(() => signalNumber(signal, "killSignal"), { name: "TypeError", code: "ERR_UNKNOWN_SIGNAL", message });
  }
  for (const signal of [null, undefined, true, {}, 15n, ["SIGTERM"]]) {
    assert.throws(() => signalNumber(signal), {
      name: "TypeError",
      code: "ERR_INVALID_ARG_TYPE",
      message: /^signal must be the name or number of a signal/,
    });
  }
});

test("the null signal is one only where it is asked for", () => {
  assert.equal(signalNumber(0, "signal", 0), 0);
  assert.throws(() => signalNumber(-1, "signal", 0), { message: /from 0 to 64/ });
});

test("a set has the bit of each signal in its two words", () => {
  assert.deepEqual(signalSet([]), [0, 0]);
  assert.deepEqual(signalSet([1, 32]), [0x80000001, 0]);
  assert.deepEqual(signalSet([33, 64, 33]), [0, 0x80000001]);
  assert.deepEqual(signalSet(Array.from({ length: 64 }, (_, i) => i + 1)), [0xffffffff, 0xffffffff]);
});
