/**
 * Event records of the monitor, made by hand, and the states that they are read as.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeExit, decodeLive, describeState, EVENT, FIELD, FIELDS_PER_EVENT } from "#dist/kernel/events.js";

const EXITED = 1;
const KILLED = 2;
const DUMPED = 3;
const TRAPPED = 4;
const STOPPED = 5;
const CONTINUED = 6;

const BASE = FIELDS_PER_EVENT;

/** A batch whose second record is the one in question; the others must not be read. */
function record(fields: Partial<Record<keyof typeof FIELD, number>>): Float64Array {
  const events = new Float64Array(3 * FIELDS_PER_EVENT).fill(99);
  events.fill(0, BASE, BASE + FIELDS_PER_EVENT);
  for (const [name, value] of Object.entries(fields)) events[BASE + FIELD[name as keyof typeof FIELD]] = value;
  return events;
}

const usage = { usage: 1, utime: 10, stime: 20, maxrss: 3, minflt: 4, majflt: 5, inblock: 6, oublock: 7, nvcsw: 8, nivcsw: 9 };

test("an exit with what it used", () => {
  assert.deepEqual(decodeExit(record({ code: EXITED, status: 3, uid: 1000, ...usage }), BASE, 42), {
    kind: "exited",
    code: 3,
    pid: 42,
    uid: 1000,
    usage: {
      userCPU: 10,
      systemCPU: 20,
      maxRSS: 3 * 1024,
      minorFaults: 4,
      majorFaults: 5,
      blockInput: 6,
      blockOutput: 7,
      voluntarySwitches: 8,
      involuntarySwitches: 9,
    },
  });
});

test("a value that is not known is null", () => {
  const bare = decodeExit(record({ code: EXITED, uid: -1 }), BASE, 42);
  assert.deepEqual(bare, { kind: "exited", code: 0, pid: 42, uid: null, usage: null });
  const shared = decodeExit(record({ code: EXITED, ...usage, maxrss: -1 }), BASE, 42);
  assert.equal(shared.usage?.maxRSS, null);
  assert.equal(shared.usage?.userCPU, 10);
  assert.equal(shared.uid, 0, "root is known");
});

test("an end by a signal, with or without a core", () => {
  const whose = { pid: 42, uid: 0, usage: null };
  assert.deepEqual(decodeExit(record({ code: KILLED, status: 9 }), BASE, 42), {
    kind: "killed",
    signal: "SIGKILL",
    coreDumped: false,
    ...whose,
  });
  assert.deepEqual(decodeExit(record({ code: DUMPED, status: 11 }), BASE, 42), {
    kind: "killed",
    signal: "SIGSEGV",
    coreDumped: true,
    ...whose,
  });
  assert.deepEqual(decodeExit(record({ code: KILLED, status: 36 }), BASE, 42), {
    kind: "killed",
    signal: "SIGRTMIN+2",
    coreDumped: false,
    ...whose,
  });
});

test("an end whose status is gone, and why", () => {
  const whose = { pid: 42, uid: null, usage: null };
  assert.deepEqual(decodeExit(record({ code: 0, status: 1, uid: -1 }), BASE, 42), { kind: "unknown", cause: "stolen", ...whose });
  assert.deepEqual(decodeExit(record({ code: 0, status: 2, uid: -1 }), BASE, 42), {
    kind: "unknown",
    cause: "ignored",
    ...whose,
  });
});

test("stops, traps and continues", () => {
  assert.deepEqual(decodeLive(record({ code: STOPPED, status: 20, uid: 5 }), BASE, 42), {
    kind: "stopped",
    signal: "SIGTSTP",
    pid: 42,
    uid: 5,
  });
  assert.deepEqual(decodeLive(record({ code: CONTINUED, status: 18, uid: -1 }), BASE, 42), {
    kind: "continued",
    pid: 42,
    uid: null,
  });
  const PTRACE_EVENT_EXEC = 4;
  assert.deepEqual(decodeLive(record({ code: TRAPPED, status: 5 | (PTRACE_EVENT_EXEC << 8) }), BASE, 42), {
    kind: "trapped",
    signal: "SIGTRAP",
    pid: 42,
    uid: 0,
  });
});

test("each state has words", () => {
  const whose = { pid: 1, uid: 0, usage: null };
  assert.equal(describeState({ kind: "exited", code: 3, ...whose }), "exited with code 3");
  assert.equal(describeState({ kind: "killed", signal: "SIGTERM", coreDumped: false, ...whose }), "was killed by SIGTERM");
  assert.equal(
    describeState({ kind: "killed", signal: "SIGSEGV", coreDumped: true, ...whose }),
    "was killed by SIGSEGV (core dumped)",
  );
  assert.match(describeState({ kind: "unknown", cause: "stolen", ...whose }), /status is unknown \(another waiter took it\)/);
  assert.match(describeState({ kind: "unknown", cause: "ignored", ...whose }), /status is unknown \(SIGCHLD is ignored\)/);
  assert.equal(describeState({ kind: "stopped", signal: "SIGSTOP", pid: 1, uid: 0 }), "stopped by SIGSTOP");
  assert.equal(describeState({ kind: "trapped", signal: "SIGTRAP", pid: 1, uid: 0 }), "trapped by SIGTRAP");
  assert.equal(describeState({ kind: "continued", pid: 1, uid: 0 }), "continued");
});

test("the fields of a record are apart, and fit in it", () => {
  const fields = Object.values(FIELD);
  assert.equal(new Set(fields).size, fields.length);
  assert.ok(Math.max(...fields) < FIELDS_PER_EVENT);
  assert.equal(new Set(Object.values(EVENT)).size, Object.keys(EVENT).length);
});
