/**
 * The validator of program buffers in C: it takes what the compiler makes, and refuses each way in which a
 * buffer could lead the interpreter out of it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { addon } from "#dist/native/addon.js";
import { CODE, OPERATIONS, type Operation } from "#dist/program/operations.js";
import type { ProgramOptions } from "#dist/program/options.js";
import { ProgramWriter } from "#dist/program/writer.js";
import { type Compiled, compileCall, HEADER, HEADER_SIZE, OP, OP_SIZE } from "../../helpers/decode-program.js";

const validate = (bytes: Uint8Array): boolean => addon().validate(bytes);

/** Has every operation that has data or numbers to check. */
const rich: ProgramOptions = {
  cwd: 7,
  env: { A: "1", B: "2" },
  stdin: "close",
  stdout: { file: "/tmp/out" },
  fds: { 7: "pipe", 8: "socket" },
  passFds: [4, 9],
  session: true,
  controllingTerminal: 4,
  uid: 1000,
  umask: 0,
  rlimits: { core: 0 },
  cpuAffinity: [1],
  oomScoreAdj: 10,
  chroot: "/srv",
  blockSignals: ["SIGHUP"],
};

const make = (): Compiled => compileCall("x", ["a", "b"], rich);

test("what the compiler makes is accepted", () => {
  const programs: [args: string[], options: ProgramOptions][] = [
    [[], {}],
    [["a"], rich],
    [[], { stdio: ["close", "close", "close"], closeFds: false, extendEnv: false }],
    [["x".repeat(100_000), "", "ü"], { env: { LONG: "y".repeat(100_000) } }],
    [Array.from({ length: 5000 }, (_, i) => String(i)), {}],
    [[], { groups: [], gid: 0 }],
    [[], { path: Array.from({ length: 300 }, (_, i) => `/d${i}`) }],
    [[], { fds: Object.fromEntries(Array.from({ length: 200 }, (_, i) => [i + 3, "pipe"])) }],
    [[], { cpuAffinity: [8191] }],
  ];
  for (const [args, options] of programs) assert.equal(validate(compileCall("x", args, options).bytes), true);
});

test("what is no buffer is refused", () => {
  const { bytes } = make();
  const moved = new Uint8Array(bytes.length + 8);
  moved.set(bytes, 4);
  const detached = new Uint8Array(bytes);
  structuredClone(detached.buffer, { transfer: [detached.buffer] });
  const refused: unknown[] = [undefined, null, 5, "brd1", {}, bytes.buffer, new Uint8Array(0), detached];
  for (const value of refused) assert.equal(validate(value as Uint8Array), false);
  assert.equal(validate(moved.subarray(4, 4 + bytes.length)), false, "not at a multiple of 8");
  assert.equal(validate(moved.subarray(4)), false);
});

test("a buffer cut short anywhere is refused", () => {
  const { bytes } = make();
  for (let length = 0; length < bytes.length; length++) assert.equal(validate(bytes.subarray(0, length)), false, String(length));
  const cut = new Uint8Array(bytes.subarray(0, HEADER_SIZE));
  new DataView(cut.buffer).setUint32(HEADER.size, HEADER_SIZE, true);
  assert.equal(validate(cut), false);
});

type Field = keyof typeof HEADER;
type Corruption = [what: string, corrupt: (program: Compiled, view: DataView) => void];

const header = (field: Field, value: (program: Compiled) => number): Corruption["1"] => {
  return (program, view) => view.setUint32(HEADER[field], value(program), true);
};

const corruptHeaders: Corruption[] = [
  ["magic", header("magic", ({ header: { magic } }) => magic ^ 1)],
  ["a size that is too small", header("size", ({ header: { size } }) => size - 8)],
  ["a size that is too large", header("size", ({ header: { size } }) => size + 8)],
  ["no operation", header("nOps", () => 0)],
  ["one operation less: EXEC is not the last", header("nOps", ({ ops }) => ops.length - 1)],
  ["one operation more", header("nOps", ({ ops }) => ops.length + 1)],
  ["a count of operations that overflows", header("nOps", () => 0xffffffff)],
  ["a count of operations whose size wraps to little", header("nOps", () => 0x0aaaaaab)],
  ["operations in the header", header("ops", () => 0)],
  ["operations that are misaligned", header("ops", ({ header: { ops } }) => ops + 4)],
  ["operations at the end", header("ops", ({ header: { size } }) => size)],
  ["operations beyond the end", header("ops", () => 0xfffffff8)],
  ["slots in the header", header("slots", () => 36)],
  ["slots that are misaligned", header("slots", ({ header: { slots } }) => slots + 2)],
  ["slots beyond the end", header("slots", ({ header: { size } }) => size)],
  ["a count of slots that overflows", header("nSlots", () => 0xffffffff)],
  ["no slots, where some are used", header("nSlots", () => 0)],
  ["more inputs than slots", header("nInputs", ({ header: { nSlots } }) => nSlots + 1)],
  ["inputs without end", header("nInputs", () => 0xffffffff)],
  ["targets in the header", header("targets", () => 0)],
  ["targets that are misaligned", header("targets", ({ header: { targets } }) => targets + 1)],
  ["targets beyond the end", header("targets", ({ header: { size } }) => size - 4)],
  ["a count of targets that overflows", header("nTargets", () => 0x40000001)],
  ["a last byte that ends no string", ({ bytes }) => bytes.fill(1, -1)],
];

const at = (program: Compiled, name: Operation): number => {
  const op = program.ops.find((one) => one.name === name);
  assert.ok(op !== undefined, `${name} is in the program`);
  return op.at;
};

const number = (name: Operation, field: keyof typeof OP, value: number | ((program: Compiled) => number)): Corruption["1"] => {
  return (program, view) =>
    view.setInt32(at(program, name) + OP[field], typeof value === "number" ? value : value(program), true);
};

/** Writes into the data of an operation. */
const data = (name: Operation, offset: number, value: number): Corruption["1"] => {
  return (program, view) =>
    view.setInt32((program.ops.find((op) => op.name === name)?.dataAt ?? Number.NaN) + offset, value, true);
};

const wrongSlots: Corruption[] = (["OPEN", "PARK"] as const).flatMap((name): Corruption[] => [
  [`${name} into a slot that is not there`, number(name, "a", ({ header: { nSlots } }) => nSlots)],
  [`${name} into the slot of an input`, number(name, "a", ({ header: { nInputs } }) => nInputs - 1)],
  [`${name} into a negative slot`, number(name, "a", -1)],
  [`${name} into the largest slot`, number(name, "a", 0x7fffffff)],
]);

const corruptOperations: Corruption[] = [
  ["an unknown code", (program, view) => view.setUint16(at(program, "SETSID"), OPERATIONS.length, true)],
  ["the largest code", (program, view) => view.setUint16(at(program, "SETSID"), 0xffff, true)],
  ["EXEC in the middle", (program, view) => view.setUint16(at(program, "SETSID"), CODE.EXEC, true)],
  ["EXEC not last", (program, view) => view.setUint16(at(program, "EXEC"), 2, true)],
  ...wrongSlots,
  ["PARK from a slot that is not there", number("PARK", "b", ({ header: { nSlots } }) => ~nSlots)],
  ["PARK from the least source", number("PARK", "b", -0x80000000)],
  ["FCHDIR to a slot that is not there", number("FCHDIR", "a", ({ header: { nSlots } }) => ~nSlots)],
  ["CLOSE of a negative fd", number("CLOSE", "a", -1)],
  ["TIOCSCTTY on a negative fd", number("TIOCSCTTY", "a", -1)],
  [
    "BLOCKING of a negative fd",
    (program, view) => {
      view.setUint16(at(program, "TIOCSCTTY"), CODE.BLOCKING, true);
      view.setInt32(at(program, "TIOCSCTTY") + OP.a, -1, true);
    },
  ],
  [
    "TIOCSPGRP on a negative fd",
    (program, view) => {
      view.setUint16(at(program, "TIOCSCTTY"), CODE.TIOCSPGRP, true);
      view.setInt32(at(program, "TIOCSCTTY") + OP.a, -1, true);
    },
  ],
  ["a negative target in the fd map", data("FDMAP", 0, -1)],
  ["a slot in the fd map that is not there", data("FDMAP", 4, -1000)],
  ["the same in its last pair", (program, view) => view.setInt32(lastSource(program), ~program.header.nSlots, true)],
  ["half a pair in the fd map", number("FDMAP", "size", 12)],
  ["an empty fd map", number("FDMAP", "size", 0)],
  ["an fd map that is misaligned", number("FDMAP", "data", (program) => opData(program, "FDMAP") + 4)],
  ["data in the header", number("FDMAP", "data", 8)],
  ["data beyond the end", number("FDMAP", "data", ({ header: { size } }) => size)],
  ["data that ends beyond the end", number("FDMAP", "data", ({ header: { size } }) => size - 8)],
  ["data whose end overflows", number("FDMAP", "data", -8)],
  ["data where none belongs", number("SETSID", "size", 8)],
  ["a string without end", number("CHDIR", "size", 1)],
  ["a string of no length", number("CHROOT", "size", 0)],
  ["a string whose end is cut off", number("CHROOT", "size", 4)],
  ["a string beyond the end", number("CHROOT", "data", ({ header: { size } }) => size - 2)],
  ["a number as text that is too long", number("OOM_SCORE_ADJ", "size", 17)],
  ["a signal set that is too small", number("SIGMASK", "size", 4)],
  ["a signal set that is too large", number("SIGMASK", "size", 16)],
  ["a signal set that is misaligned", number("SIGMASK", "data", (program) => opData(program, "SIGMASK") + 4)],
  ["half a limit", number("SETRLIMIT", "size", 8)],
  ["a CPU set that is no multiple of 8", number("SCHED_SETAFFINITY", "size", 12)],
  ["a CPU set without bytes", number("SCHED_SETAFFINITY", "size", 0)],
  ["groups that are no multiple of 4", number("SETGROUPS", "size", 6)],
  ["kept fds from below the first", number("CLOSE_RANGE", "a", 5)],
  ["closing from a negative fd", number("CLOSE_RANGE", "a", -1)],
  ["kept fds that are not ascending", data("CLOSE_RANGE", 4, 4)],
  ["kept fds that repeat", data("CLOSE_RANGE", 0, 7)],
  ["kept fds that are negative", data("CLOSE_RANGE", 0, -1)],
  [
    "sharing fds until they are closed, but late and keeping some",
    (program, view) => view.setUint16(at(program, "CLOSE_RANGE") + OP.flags, 1, true),
  ],
  ["candidates of no size", number("EXEC", "size", 0)],
  ["candidates of the size of their end alone", number("EXEC", "size", 8)],
  ["candidates in the header", number("EXEC", "data", 0)],
  ["candidates that are misaligned", number("EXEC", "data", (program) => opData(program, "EXEC") + 4)],
  ["no candidate", number("EXEC", "data", (program) => endOfTable(program, opData(program, "EXEC")))],
  ["an argv without place", number("EXEC", "b", 0)],
  ["an argv at a negative place", number("EXEC", "b", -8)],
  ["an argv that is misaligned", (program, view) => view.setInt32(at(program, "EXEC") + OP.b, exec(program).b + 4, true)],
  ["an argv beyond the end", number("EXEC", "b", ({ header: { size } }) => size)],
  ["an environment in the header", number("EXEC", "c", 8)],
  ["an environment beyond the end", number("EXEC", "c", ({ header: { size } }) => size + 8)],
  ["a string of the argv in the header", (program, view) => view.setBigUint64(exec(program).b, 4n, true)],
  ["a string of the argv at the end", (program, view) => view.setBigUint64(exec(program).b, BigInt(program.header.size), true)],
  ["a string of the argv far away", (program, view) => view.setBigUint64(exec(program).b + 8, (1n << 32n) + 64n, true)],
  ["a string of the environment at -1", (program, view) => view.setBigUint64(exec(program).c, 2n ** 64n - 1n, true)],
  ["a candidate far away", (program, view) => view.setBigUint64(opData(program, "EXEC"), 1n << 63n, true)],
];

function exec({ ops }: Compiled) {
  return ops.at(-1) as Compiled["ops"][number];
}

function opData({ ops }: Compiled, name: Operation): number {
  return ops.find((op) => op.name === name)?.dataAt as number;
}

function lastSource({ ops }: Compiled): number {
  const map = ops.find((op) => op.name === "FDMAP") as Compiled["ops"][number];
  return map.dataAt + map.data.length - 4;
}

function endOfTable({ bytes }: Compiled, table: number): number {
  const view = new DataView(bytes.buffer);
  let cell = table;
  while (view.getBigUint64(cell, true) !== 0n) cell += 8;
  return cell;
}

for (const [what, corrupt] of [...corruptHeaders, ...corruptOperations]) {
  test(`refused: ${what}`, () => {
    const program = make();
    assert.equal(validate(program.bytes), true);
    const before = new Uint8Array(program.bytes);
    corrupt(program, new DataView(program.bytes.buffer));
    assert.notDeepEqual(program.bytes, before, "the corruption changes something");
    assert.equal(validate(program.bytes), false);
  });
}

test("refused: a table that nothing ends before the buffer does", () => {
  const writer = new ProgramWriter();
  const [text, argv, envp] = [writer.string("/x"), writer.table([]), writer.table([])];
  const candidates = writer.table(["/x"]);
  writer.layOut(0, 0, []);
  writer.exec(0, argv, envp, candidates);
  const bytes = new Uint8Array(writer.finish());
  const view = new DataView(bytes.buffer);
  const ops = view.getUint32(HEADER.ops, true);
  assert.equal(validate(bytes), true);
  // Every cell behind the operation is a good string's place, up to the last whole one.
  const longer = new Uint8Array(bytes.length + 8 * 20 + 1);
  longer.set(bytes);
  const table = ops + OP_SIZE;
  const wide = new DataView(longer.buffer);
  for (let cell = table; cell + 8 < longer.length; cell += 8) wide.setBigUint64(cell, BigInt(text.offset), true);
  wide.setUint32(HEADER.size, longer.length, true);
  assert.equal(validate(longer), true);
  wide.setUint32(ops + OP.b, table, true);
  assert.equal(validate(longer), false);
});

test("refused: what is written to lies over something else", () => {
  /** A program whose argv table, envp table and fd map are where the function says. */
  const valid = (
    place: (own: { argv: number; envp: number; candidates: number; map: number }) => Partial<typeof own>,
  ): boolean => {
    const writer = new ProgramWriter();
    const spans = {
      argv: writer.table(["a"]),
      envp: writer.table([]),
      candidates: writer.table(["/x"]),
      map: writer.words([3, 0], 8),
    };
    const own = {
      argv: spans.argv.offset,
      envp: spans.envp.offset,
      candidates: spans.candidates.offset,
      map: spans.map.offset,
    };
    const at = { ...own, ...place(own) };
    writer.op("FDMAP", 0, 0, 0, { offset: at.map, size: 8 });
    writer.layOut(1, 0, [3]);
    const moved = (name: "argv" | "envp" | "candidates"): { offset: number; size: number } => ({
      ...spans[name],
      offset: at[name],
    });
    writer.exec(0, moved("argv"), moved("envp"), moved("candidates"));
    return validate(new Uint8Array(writer.finish()));
  };
  assert.equal(
    valid(() => ({})),
    true,
  );
  assert.equal(
    valid((own) => ({ envp: own.argv })),
    false,
  );
  assert.equal(
    valid((own) => ({ argv: own.candidates })),
    false,
  );
  assert.equal(
    valid((own) => ({ envp: own.candidates + 8 })),
    false,
  );
  assert.equal(
    valid((own) => ({ map: own.argv + 8 })),
    false,
  );
});

test("refused: a second fd map", () => {
  const writer = new ProgramWriter();
  const [argv, envp, candidates] = [writer.table(["a"]), writer.table([]), writer.table(["/x"])];
  for (const target of [3, 4]) writer.op("FDMAP", 0, 0, 0, writer.words([target, 0], 8));
  writer.layOut(0, 0, [3, 4]);
  writer.exec(0, argv, envp, candidates);
  assert.equal(validate(new Uint8Array(writer.finish())), false);
});
