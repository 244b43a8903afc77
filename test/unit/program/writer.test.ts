/**
 * The writer of program buffers: layout, alignment, growth, reuse.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { CODE } from "#dist/program/operations.js";
import { ProgramWriter } from "#dist/program/writer.js";
import { decodeProgram, HEADER, HEADER_SIZE, int32s, OP_SIZE } from "../../helpers/decode-program.js";

/** The least program that there is: one candidate, no arguments, no environment. */
function finishWithExec(writer: ProgramWriter, slots = 0, inputs = 0, targets: number[] = []): Uint8Array {
  writer.layOut(slots, inputs, targets);
  const candidates = writer.table(["/bin/x"]);
  writer.exec(1, writer.table([]), writer.table([]), candidates, 1);
  return writer.finish();
}

test("the header tells the size, the counts and the places of everything", () => {
  const bytes = finishWithExec(new ProgramWriter(), 3, 2, [0, 9]);
  const { header, slots, targets, ops } = decodeProgram(bytes);
  assert.equal(header.magic, 0x31647262);
  assert.equal(Buffer.from(bytes).toString("latin1", HEADER.magic, 4), "brd1");
  assert.equal(header.size, bytes.length);
  assert.deepEqual([header.nOps, header.nSlots, header.nInputs, header.nTargets], [1, 3, 2, 2]);
  assert.deepEqual(slots, [-1, -1, -1]);
  assert.deepEqual(targets, [0, 9]);
  assert.deepEqual([header.ops % 8, header.slots % 4, header.targets % 4], [0, 0, 0]);
  assert.equal(ops[0]?.at, header.ops);
  assert.ok(header.ops + OP_SIZE < bytes.length);
  assert.deepEqual([...bytes.subarray(-8)], [0, 0, 0, 0, 0, 0, 0, 0]);
});

test("an operation holds code, flags, three numbers and its data", () => {
  const writer = new ProgramWriter();
  assert.equal(writer.op("SETPGID", 77), 0);
  assert.equal(writer.op("PARK", 2, ~5, -1, writer.string("ab"), 3), 1);
  const [first, second] = decodeProgram(finishWithExec(writer)).ops;
  assert.deepEqual([first?.name, first?.a, first?.b, first?.c, first?.dataAt, first?.data.length], ["SETPGID", 77, 0, 0, 0, 0]);
  assert.deepEqual([second?.name, second?.a, second?.b, second?.c, second?.flags], ["PARK", 2, ~5, -1, 3]);
  assert.equal(second?.data.toString(), "ab\0");
  assert.equal(CODE.PARK, 9);
});

test("strings are UTF-8 or the bytes as they are, each ended by a NUL", () => {
  const writer = new ProgramWriter();
  const texts = ["", "plain", "ü€𝄞", new Uint8Array([0xff, 0xfe]), new Uint8Array(0)];
  const spans = texts.map((text) => writer.string(text));
  const bytes = finishWithExec(writer);
  spans.forEach(({ offset, size }, i) => {
    const expected = Buffer.concat([Buffer.from(texts[i] as string), Buffer.from([0])]);
    assert.deepEqual(Buffer.from(bytes.subarray(offset, offset + size)), expected);
  });
});

test("numbers are aligned whatever stands before them", () => {
  const writer = new ProgramWriter();
  writer.string("x");
  const words = writer.words([1, -1, 0xffffffff]);
  writer.string("");
  const longs = writer.longs([2n ** 64n - 1n, 5n]);
  writer.string("");
  const wide = writer.words([7], 8);
  writer.string("");
  const table = writer.table(["a"]);
  assert.deepEqual([words.offset % 4, longs.offset % 8, wide.offset % 8, table.offset % 8], [0, 0, 0, 0]);
  const bytes = Buffer.from(finishWithExec(writer));
  assert.deepEqual(int32s(bytes, words.offset, 3), [1, -1, -1]);
  assert.deepEqual([bytes.readBigUInt64LE(longs.offset), bytes.readBigUInt64LE(longs.offset + 8)], [2n ** 64n - 1n, 5n]);
});

test("a table is its strings in order", () => {
  const writer = new ProgramWriter();
  const argv = writer.table(["a", "", "b c"]);
  const none = writer.table([]);
  const one = writer.table(["/x"]);
  writer.layOut(0, 0, []);
  writer.exec(0, argv, none, one);
  assert.deepEqual(decodeProgram(writer.finish()).exec, { candidates: ["/x"], argv: ["a", "", "b c"], envp: [] });
  assert.equal(one.size, 16);
});

test("the memory grows under whatever is written last", () => {
  const long = "y".repeat(10_000);
  const small = new ProgramWriter(HEADER_SIZE);
  const large = new ProgramWriter(1 << 20);
  for (const writer of [small, large]) {
    writer.words([1, 2, 3]);
    writer.table([long, "z", long]);
    writer.longs([4n]);
  }
  assert.deepEqual(finishWithExec(small, 2, 1, [1]), finishWithExec(large, 2, 1, [1]));
});

test("reset leaves nothing of the program before", () => {
  const writer = new ProgramWriter(128);
  writer.op("SETSID");
  writer.table(["something", "else"]);
  finishWithExec(writer, 4, 4, [1, 2, 3]);
  // Dirty memory must not show through the gaps, nor in the ends of tables.
  writer.string("\x7f".repeat(600));
  writer.reset();
  const bytes = finishWithExec(writer);
  assert.deepEqual([...bytes.subarray(-8)], [0, 0, 0, 0, 0, 0, 0, 0]);
  const reused = decodeProgram(bytes);
  const fresh = decodeProgram(finishWithExec(new ProgramWriter()));
  assert.deepEqual(reused, fresh);
});

test("what has been laid out is the beginning of any number of programs, of this writer and of others", () => {
  const writer = new ProgramWriter();
  writer.op("CHDIR", 0, 0, 0, writer.string("/somewhere"));
  const beginning = writer.layOut(2, 1, [7]);
  const continued = (one: ProgramWriter, words: string[]): ReturnType<typeof decodeProgram> => {
    one.resume(beginning);
    const [candidates, argv] = [one.table(["/bin/x"]), one.table(words)];
    one.exec(3, argv, one.table([]), candidates);
    return decodeProgram(one.finish());
  };
  const other = new ProgramWriter(HEADER_SIZE);
  other.op("SETSID");
  for (const one of [writer, other, writer]) {
    const { header, slots, targets, ops, exec } = continued(one, ["a", "b"]);
    assert.deepEqual([header.nOps, header.nInputs, slots, targets], [2, 1, [-1, -1], [7]]);
    assert.deepEqual([ops[0]?.name, ops[0]?.data.toString(), ops[1]?.name], ["CHDIR", "/somewhere\0", "EXEC"]);
    assert.deepEqual(exec, { candidates: ["/bin/x"], argv: ["a", "b"], envp: [] });
    assert.deepEqual(continued(one, []).exec.argv, []);
  }
});

test("a string that comes again at once is written once, and not taken from the program before", () => {
  const writer = new ProgramWriter();
  const [first, second] = [writer.string("/bin/tool"), writer.string("/bin/tool")];
  assert.deepEqual(second, first);
  assert.notDeepEqual([writer.string("x"), writer.string("/bin/tool")][1], first);
  writer.reset();
  writer.words([1, 2]);
  const again = writer.string("/bin/tool");
  const bytes = finishWithExec(writer);
  assert.equal(Buffer.from(bytes).toString("latin1", again.offset, again.offset + again.size), "/bin/tool\0");
});
