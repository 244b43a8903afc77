/**
 * Plan -> program: which steps, in which order, with which data.
 */

import assert from "node:assert/strict";
import { constants } from "node:fs";
import { test } from "node:test";
import { compile, stageOf } from "#dist/program/compile.js";
import { OPERATIONS, type Operation } from "#dist/program/operations.js";
import type { ProgramOptions } from "#dist/program/options.js";
import { ProgramWriter } from "#dist/program/writer.js";
import { compileCall, type DecodedOp, fakeFacts, fdPairs, HEADER_SIZE, int32s, stringOf } from "../../helpers/decode-program.js";

const everything: ProgramOptions = {
  argv0: "-tool",
  cwd: 7,
  env: { LANG: "C", KEY: "v=1" },
  extendEnv: false,
  path: ["/opt/a", "/opt/b/"],
  stdin: "close",
  stdout: { file: "/tmp/out", mode: "a" },
  stderr: { dup: 1 },
  fds: { 5: "socket", 4: "ignore", 7: { pipe: "w" } },
  passFds: [9],
  session: true,
  controllingTerminal: 5,
  uid: 0xfffffffe,
  gid: 12,
  groups: [7, 0xfffffffe],
  umask: 0o27,
  nice: -5,
  rlimits: { nofile: { soft: 64, hard: "unlimited" }, core: 0 },
  cpuAffinity: [0, 3, 40, 65],
  oomScoreAdj: -17,
  noNewPrivs: true,
  parentDeathSignal: "SIGHUP",
  chroot: "/srv",
  namespaces: ["mount", "pid"],
  ignoreSignals: ["SIGHUP"],
  blockSignals: ["SIGUSR1", 64],
};

function only(ops: readonly DecodedOp[], name: Operation): DecodedOp {
  const found = ops.filter((op) => op.name === name);
  assert.equal(found.length, 1, `${name} is there ${found.length} times`);
  return found[0] as DecodedOp;
}

const names = (options: ProgramOptions): Operation[] => compileCall("/bin/x", [], options).ops.map((op) => op.name);

test("the steps stand in the order that the kernel needs", () => {
  const expected: Operation[] = [
    "SIGDEFAULT",
    "SIGIGNORE",
    "MOUNT_PROC",
    "SETSID",
    "OOM_SCORE_ADJ",
    "SETPRIORITY",
    "SCHED_SETAFFINITY",
    "OPEN",
    "OPEN",
    "PARK",
    "FDMAP",
    "CLOSE",
    "TIOCSCTTY",
    "CHROOT",
    "CHDIR",
    "FCHDIR",
    "UMASK",
    "SETRLIMIT",
    "SETRLIMIT",
    "SETGROUPS",
    "SETRESGID",
    "SETRESUID",
    "PDEATHSIG",
    "NO_NEW_PRIVS",
    "CLOSE_RANGE",
    "SIGMASK",
    "EXEC",
  ];
  assert.deepEqual(names(everything), expected);
  const missing = OPERATIONS.filter((operation) => !expected.includes(operation));
  const absent = ["SETPGID", "BLOCKING", "TIOCSPGRP", "SETEUID", "UNSHARE", "SETNS", "PRCTL"];
  assert.deepEqual(missing, absent, "a session excludes two, other parents need two, the rest is for steps by hand");
  const grouped = names({ processGroup: "new", nice: 1 });
  assert.ok(grouped.indexOf("SETPGID") < grouped.indexOf("SETPRIORITY"));
  const front = names({ processGroup: "new", foreground: true, cwd: "/" });
  assert.deepEqual(front.slice(1), ["SETPGID", "FDMAP", "TIOCSPGRP", "CHDIR", "CLOSE_RANGE", "SIGMASK", "EXEC"]);
});

test("a parent whose real uid alone is 0 gets its privilege back for the change of ids, and gives it up again", () => {
  const facts = fakeFacts({ unprivilegedEffectiveUid: () => 33 });
  const ids = (options: ProgramOptions): string[] =>
    compileCall("/bin/x", [], options, facts)
      .ops.filter((op) => op.name.startsWith("SET"))
      .map((op) => `${op.name} ${op.a}`);
  assert.deepEqual(ids({}), []);
  assert.deepEqual(ids({ uid: 5, gid: 6, groups: [] }), ["SETEUID 0", "SETGROUPS 0", "SETRESGID 6", "SETRESUID 5"]);
  assert.deepEqual(ids({ gid: 6 }), ["SETEUID 0", "SETRESGID 6", "SETEUID 33"]);
});

test("a spawn without options has only the steps that it needs", () => {
  assert.deepEqual(names({}), ["SIGDEFAULT", "FDMAP", "CLOSE_RANGE", "SIGMASK", "EXEC"]);
  const bare = { restoreSignals: false, closeFds: false, stdio: ["close", "close", "close"] } as const;
  assert.deepEqual(names(bare), ["CLOSE", "CLOSE", "CLOSE", "SIGMASK", "EXEC"]);
});

test("each operation carries its data", () => {
  const { ops } = compileCall("tool", ["a"], everything);
  const words = (name: Operation): number[] => int32s(only(ops, name).data).map((word) => word >>> 0);
  const longs = (op: DecodedOp): bigint[] => Array.from({ length: op.data.length / 8 }, (_, i) => op.data.readBigUInt64LE(i * 8));
  assert.deepEqual(words("SIGDEFAULT"), [(1 << 12) | (1 << 24), 0], "SIGPIPE is 13, SIGXFSZ 25");
  assert.deepEqual(words("SIGIGNORE"), [1, 0]);
  assert.deepEqual(words("SIGMASK"), [1 << 9, 0x80000000]);
  assert.equal(stringOf(only(ops, "OOM_SCORE_ADJ").data), "-17");
  assert.equal(only(ops, "SETPRIORITY").a, -5);
  assert.deepEqual(longs(only(ops, "SCHED_SETAFFINITY")), [(1n << 40n) | 0b1001n, 0b10n]);
  assert.equal(only(ops, "TIOCSCTTY").a, 5);
  assert.equal(stringOf(only(ops, "CHROOT").data), "/srv");
  assert.equal(stringOf(only(ops, "CHDIR").data), "/");
  assert.equal(only(ops, "UMASK").a, 0o27);
  const limits = ops.filter((op) => op.name === "SETRLIMIT");
  assert.deepEqual(limits.map(longs), [
    [64n, 0xffffffffffffffffn],
    [0n, 0n],
  ]);
  assert.deepEqual(
    limits.map((op) => op.a),
    [7, 4],
  );
  assert.deepEqual(words("SETGROUPS"), [7, 0xfffffffe]);
  assert.equal(only(ops, "SETRESGID").a, 12);
  assert.equal(only(ops, "SETRESUID").a >>> 0, 0xfffffffe);
  assert.equal(only(ops, "PDEATHSIG").a, 1);
  const group = compileCall("/bin/x", [], { processGroup: 77 });
  assert.equal(only(group.ops, "SETPGID").a, 77);
  const front = compileCall("/bin/x", [], { processGroup: 77, foreground: 2 });
  assert.equal(only(front.ops, "TIOCSPGRP").a, 2);
});

test("exec gets its candidates, arguments and environment", () => {
  const { ops, exec } = compileCall("tool", ["a", "", "ü"], everything);
  assert.deepEqual(exec, {
    candidates: ["/opt/a/tool", "/opt/b/tool"],
    argv: ["-tool", "a", "", Buffer.from("ü").toString("latin1")],
    envp: ["LANG=C", "KEY=v=1"],
  });
  const step = only(ops, "EXEC");
  assert.equal(step.flags, 0);
  assert.ok(step.a > 0, "ETXTBSY is tried again");
  const extended = compileCall("/bin/x", [], { env: { A: "1", B: undefined } });
  assert.equal(only(extended.ops, "EXEC").flags, 1);
  assert.deepEqual(extended.exec.envp, ["A=1", "B"]);
});

test("the slots are the inputs, then the opened files, then the directory", () => {
  const { ops, header, slots, program } = compileCall("tool", [], everything);
  assert.equal(header.nInputs, 2);
  assert.deepEqual(slots, [-1, -1, -1, -1, -1]);
  assert.deepEqual(
    [...program.inputs],
    [2 | (256 << 3), 1],
    "in order of their fds: a socket for 5, of 1 MiB, a pipe that we write for 7",
  );
  const [out, nothing] = ops.filter((op) => op.name === "OPEN") as [DecodedOp, DecodedOp];
  assert.deepEqual([out.a, stringOf(out.data), out.c], [2, "/tmp/out", 0o666]);
  assert.equal(out.b, constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND);
  assert.deepEqual([nothing.a, stringOf(nothing.data), nothing.b], [3, "/dev/null", constants.O_RDWR]);
  assert.deepEqual(fdPairs(only(ops, "FDMAP")), [
    [1, ~2],
    [2, ~2],
    [4, ~3],
    [5, ~0],
    [7, ~1],
    [9, 9],
  ]);
  const park = only(ops, "PARK");
  assert.deepEqual([park.a, park.b], [4, 7]);
  assert.equal(only(ops, "FCHDIR").a, ~4);
  assert.equal(only(ops, "CLOSE").a, 0);
});

test("a directory fd is parked only where the child's fds would take its number", () => {
  const free = compileCall("/bin/x", [], { cwd: 7 });
  assert.equal(only(free.ops, "FCHDIR").a, 7);
  assert.ok(!free.ops.some((op) => op.name === "PARK"));
  const closed = compileCall("/bin/x", [], { cwd: 7, fds: { 7: "close", 8: "close" }, closeFds: false });
  const order = closed.ops.map((op) => op.name);
  assert.ok(order.includes("PARK") && order.indexOf("PARK") < order.indexOf("CLOSE"));
  assert.equal(only(closed.ops, "FCHDIR").a, ~only(closed.ops, "PARK").a);
});

test("the targets are the fds that the map fills", () => {
  const { targets } = compileCall("/bin/x", [], { stdin: "close", fds: { 6: 3, 8: "close" }, closeFds: false });
  assert.deepEqual(targets, [1, 2, 6]);
});

test("all fds from 3 up are closed but those of the map", () => {
  const kept = (options: ProgramOptions): number[] => {
    const range = only(compileCall("/bin/x", [], options).ops, "CLOSE_RANGE");
    assert.equal(range.a, 3);
    return int32s(range.data);
  };
  assert.deepEqual(kept({}), []);
  assert.deepEqual(kept({ fds: { 8: "pipe", 4: "ignore", 6: "close" }, passFds: [5, 3] }), [3, 4, 5, 8]);
  assert.ok(!names({ closeFds: false }).includes("CLOSE_RANGE"));
});

test("where no fd of ours from 3 up is needed they are closed before anything else, so that none is copied", () => {
  const first = (options: ProgramOptions): boolean => {
    const { ops } = compileCall("/bin/x", [], options);
    const range = only(ops, "CLOSE_RANGE");
    assert.equal(range.flags, range === ops[0] ? 1 : 0);
    return range === ops[0];
  };
  const none = { stdio: "ignore" } as const;
  assert.deepEqual(names(none), ["CLOSE_RANGE", "SIGDEFAULT", "OPEN", "FDMAP", "SIGMASK", "EXEC"]);
  for (const options of [
    none,
    { stdio: "inherit" },
    { stdio: [2, 1, 0] },
    { ...none, fds: undefined, cwd: "/", session: true },
  ]) {
    assert.ok(first(options as ProgramOptions), JSON.stringify(options));
  }
  const stdio = (entry: unknown) => ({ stdio: ["ignore", entry, "ignore"] }) as ProgramOptions;
  for (const options of [
    stdio("pipe"),
    stdio(5),
    stdio({ file: "/dev/fd/5" }),
    { stdio: ["ignore", null, "ignore"] },
    { cwd: 5 },
  ]) {
    assert.ok(!first(options as ProgramOptions), JSON.stringify(options));
  }
  const names3: ProgramOptions = { stdin: "ignore", stdout: "ignore", stderr: "ignore", passFds: [7] };
  assert.ok(!first(names3));
});

test("each step has a subject that tells what it is about", () => {
  const { ops, program } = compileCall("tool", [], everything);
  assert.deepEqual(
    program.subjects.map((subject) => subject.operation),
    ops.map((op) => op.name),
  );
  const subject = (name: Operation) => program.subjects.find((one) => one.operation === name);
  assert.equal(subject("OPEN")?.path, "/tmp/out");
  assert.equal(subject("CHROOT")?.path, "/srv");
  assert.deepEqual(subject("FDMAP")?.fds, [1, 2, 4, 5, 7, 9]);
  assert.deepEqual(subject("PARK")?.fds, [7]);
  assert.deepEqual(subject("TIOCSCTTY")?.fds, [5]);
  assert.equal(subject("SETRLIMIT")?.detail, "nofile");
  assert.equal(subject("SETGROUPS")?.detail, "7,4294967294");
  assert.deepEqual(
    (["PARK", "FDMAP", "FCHDIR", "CHDIR", "SIGMASK", "SETRESUID"] as const).map((operation) => stageOf({ operation })),
    ["dup", "dup", "chdir", "chdir", "signals", "setuid"],
  );
});

test("a program compiled after another in the same memory is as if alone", () => {
  const writer = new ProgramWriter(64);
  const large = compileCall("tool", ["x".repeat(5000)], everything);
  const small = compileCall("/bin/x", [], {});
  compile(large.plan, writer);
  assert.deepEqual(new Uint8Array(compile(small.plan, writer).bytes).length, small.bytes.length);
  const again = compile(large.plan, writer);
  assert.deepEqual(new Uint8Array(again.bytes).subarray(0, HEADER_SIZE), large.bytes.subarray(0, HEADER_SIZE));
});
