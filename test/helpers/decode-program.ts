/**
 * Child programs for tests: compiled from options without any process, and read back by a decoder of its
 * own, which trusts nothing: an offset, count or string that leads out of the buffer throws.
 */

import { compile, type Program } from "#dist/program/compile.js";
import { makePlan } from "#dist/program/make-plan.js";
import { OPERATIONS, type Operation } from "#dist/program/operations.js";
import type { Facts, ProgramOptions } from "#dist/program/options.js";
import type { Plan } from "#dist/program/plan.js";
import type { StdioDefaults } from "#dist/program/stdio.js";
import { ProgramWriter } from "#dist/program/writer.js";

export const HEADER_SIZE = 40;
export const OP_SIZE = 24;
/** Where the fields of struct program_header are, in bytes. */
export const HEADER = { magic: 0, size: 4, nOps: 8, ops: 12, nSlots: 16, slots: 20, nInputs: 24, nTargets: 28, targets: 32 };
/** Where the fields of struct program_op are, in bytes. */
export const OP = { code: 0, flags: 2, a: 4, b: 8, c: 12, data: 16, size: 20 };

export interface DecodedOp {
  name: Operation;
  /** Where its struct program_op starts. */
  at: number;
  flags: number;
  a: number;
  b: number;
  c: number;
  /** Where its data starts. */
  dataAt: number;
  data: Buffer;
}

export interface DecodedProgram {
  header: Record<keyof typeof HEADER, number>;
  ops: DecodedOp[];
  slots: number[];
  targets: number[];
  exec: { candidates: string[]; argv: string[]; envp: string[] };
}

/** Reads a whole program. */
export function decodeProgram(program: Uint8Array): DecodedProgram {
  const bytes = Buffer.from(program.buffer, program.byteOffset, program.length);
  const header = Object.fromEntries(
    Object.entries(HEADER).map(([name, at]) => [name, bytes.readUInt32LE(at)]),
  ) as DecodedProgram["header"];
  const ops: DecodedOp[] = [];
  for (let i = 0; i < header.nOps; i++) {
    const at = header.ops + i * OP_SIZE;
    const name = OPERATIONS[bytes.readUInt16LE(at + OP.code)];
    if (name === undefined) throw new RangeError(`operation ${i} has an unknown code`);
    const dataAt = bytes.readUInt32LE(at + OP.data);
    const size = bytes.readUInt32LE(at + OP.size);
    if (size > 0 && dataAt + size > bytes.length) throw new RangeError(`the data of operation ${i} leads out of the program`);
    ops.push({
      name,
      at,
      flags: bytes.readUInt16LE(at + OP.flags),
      a: bytes.readInt32LE(at + OP.a),
      b: bytes.readInt32LE(at + OP.b),
      c: bytes.readInt32LE(at + OP.c),
      dataAt,
      data: bytes.subarray(dataAt, dataAt + size),
    });
  }
  const last = ops.at(-1);
  if (last?.name !== "EXEC") throw new RangeError("the last operation is not EXEC");
  return {
    header,
    ops,
    slots: int32s(bytes, header.slots, header.nSlots),
    targets: int32s(bytes, header.targets, header.nTargets),
    exec: { candidates: table(bytes, last.dataAt), argv: table(bytes, last.b), envp: table(bytes, last.c) },
  };
}

/** Reads signed 32-bit integers. */
export function int32s(bytes: Buffer, at = 0, count = bytes.length / 4): number[] {
  return Array.from({ length: count }, (_, i) => bytes.readInt32LE(at + i * 4));
}

/** Reads the pairs of FDMAP: an fd of the child's, then an fd of the parent's or the complement of a slot. */
export function fdPairs(op: DecodedOp): [target: number, source: number][] {
  const numbers = int32s(op.data);
  return Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i] as number, numbers[2 * i + 1] as number]);
}

/** Reads a string with its end, as Latin-1, so that every byte can be told. */
export function stringOf(data: Buffer): string {
  if (data.at(-1) !== 0) throw new RangeError("the string has no end");
  return data.toString("latin1", 0, data.length - 1);
}

function table(bytes: Buffer, at: number): string[] {
  const texts: string[] = [];
  for (let cell = at; ; cell += 8) {
    const offset = Number(bytes.readBigUInt64LE(cell));
    if (offset === 0) return texts;
    const end = bytes.indexOf(0, offset);
    if (offset >= bytes.length || end < 0) throw new RangeError("a string of a table has no end");
    texts.push(bytes.toString("latin1", offset, end));
  }
}

export const PIPES: StdioDefaults = ["pipe", "pipe", "pipe"];

/** Gives a made-up world: fds 0 to 9 are open, there is root and one user. */
export function fakeFacts(changes: Partial<Facts> = {}): Facts {
  const accounts = new Map<string | number, number[]>([
    ["root", [0, 0, 0]],
    [0, [0, 0, 0]],
    ["ann", [1000, 1001, 1001, 27, 44]],
    [1000, [1000, 1001, 1001, 27, 44]],
  ]);
  return {
    isOpen: (fd) => fd < 10,
    account: (nameOrUid) => accounts.get(nameOrUid),
    unprivilegedEffectiveUid: () => undefined,
    identity: () => ({ uid: 1000, gid: 1001 }),
    path: () => "/usr/bin:/bin",
    environment: () => undefined,
    ...changes,
  };
}

export interface Compiled extends DecodedProgram {
  plan: Plan;
  program: Program;
  /** A copy of the program's bytes, aligned as the validator wants them. */
  bytes: Uint8Array;
}

/** Compiles a call of `spawn` in a made-up world. */
export function compileCall(file: string, args: readonly string[], options: ProgramOptions, facts = fakeFacts()): Compiled {
  const { plan } = makePlan(file, args, options, facts, PIPES);
  const program = compile(plan, new ProgramWriter());
  const bytes = new Uint8Array(program.bytes);
  return { plan, program, bytes, ...decodeProgram(bytes) };
}
