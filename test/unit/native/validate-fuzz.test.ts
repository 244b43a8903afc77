/**
 * The validator against tens of thousands of mutated programs, the same in each run: it never crashes, and what
 * it accepts can be read to the end by a decoder that checks every bound.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { addon } from "#dist/native/addon.js";
import { compileCall, decodeProgram, fdPairs, int32s, stringOf } from "../../helpers/decode-program.js";

const MUTANTS = 40_000;

/** mulberry32: the same numbers for the same seed. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const programs = [
  compileCall("x", ["a"], {}),
  compileCall("x", ["a", "b", "c"], {
    cwd: 7,
    env: { A: "1" },
    stdout: { file: "/f" },
    fds: { 7: "pipe", 5: "ignore" },
    passFds: [9],
    chroot: "/r",
    groups: [1, 2],
    uid: 1000,
    rlimits: { core: 0 },
    oomScoreAdj: 5,
    stdin: "close",
  }),
];

function mutate(original: Uint8Array, next: (below: number) => number): Uint8Array {
  let bytes = new Uint8Array(original);
  const resize = next(20);
  if (resize === 0) bytes = bytes.slice(0, next(bytes.length + 1));
  if (resize === 1) bytes = new Uint8Array([...bytes, ...new Uint8Array(next(64))]);
  const view = new DataView(bytes.buffer);
  for (let i = next(3) + 1; i > 0 && bytes.length >= 4; i--) {
    const word = 4 * next(Math.floor(bytes.length / 4));
    const values = [0, 1, 7, 8, -1, -8, 0x7fffffff, -0x80000000, bytes.length, bytes.length - 8, bytes.length + 8];
    switch (next(5)) {
      case 0:
        bytes[next(bytes.length)] = next(256);
        break;
      case 1:
        view.setInt32(word, values[next(values.length)] as number, true);
        break;
      case 2:
        view.setUint32(word, next(bytes.length), true);
        break;
      case 3:
        view.setInt32(word, view.getInt32(word, true) + next(65) - 32, true);
        break;
      default:
        // The header says where everything is.
        view.setUint32(4 * next(Math.min(10, Math.floor(bytes.length / 4))), next(bytes.length + 8) & ~next(8), true);
    }
  }
  // Mostly past the first check, to the others.
  if (bytes.length >= 8 && next(8) !== 0) view.setUint32(4, bytes.length, true);
  return bytes;
}

/** Reads all that the interpreter would; throws where that is out of bounds. */
function readAll(bytes: Uint8Array): void {
  const { ops, header } = decodeProgram(bytes);
  const source = (value: number): void => assert.ok(value >= 0 || ~value < header.nSlots);
  const slot = (value: number): void => assert.ok(value >= header.nInputs && value < header.nSlots);
  assert.ok(header.nInputs <= header.nSlots);
  for (const op of ops) {
    switch (op.name) {
      case "OPEN":
        slot(op.a);
        stringOf(op.data);
        break;
      case "CHROOT":
      case "CHDIR":
      case "OOM_SCORE_ADJ":
        stringOf(op.data);
        break;
      case "PARK":
        slot(op.a);
        source(op.b);
        break;
      case "FCHDIR":
        source(op.a);
        break;
      case "FDMAP":
        for (const [target, from] of fdPairs(op)) {
          assert.ok(target >= 0);
          source(from);
        }
        break;
      case "CLOSE_RANGE":
        int32s(op.data).reduce((before, kept) => {
          assert.ok(kept > before && kept >= op.a);
          return kept;
        }, -1);
        break;
      case "SIGDEFAULT":
      case "SIGIGNORE":
      case "SIGMASK":
        assert.equal(op.data.length, 8);
        break;
      case "SETRLIMIT":
        assert.equal(op.data.length, 16);
    }
  }
}

test(`${MUTANTS} mutated programs`, () => {
  const next = random(20240607);
  const verdicts = { accepted: 0, refused: 0 };
  for (let i = 0; i < MUTANTS; i++) {
    const { bytes } = programs[next(programs.length)] as (typeof programs)[number];
    const mutant = mutate(bytes, next);
    const before = new Uint8Array(mutant);
    const verdict = addon().validate(mutant);
    assert.deepEqual(mutant, before, "it only reads");
    if (!verdict) {
      verdicts.refused++;
      continue;
    }
    verdicts.accepted++;
    assert.doesNotThrow(() => readAll(mutant), `mutant ${i}: ${Buffer.from(mutant).toString("base64")}`);
  }
  assert.ok(verdicts.accepted > MUTANTS / 100, `accepted ${verdicts.accepted}`);
  assert.ok(verdicts.refused > MUTANTS / 4, `refused ${verdicts.refused}`);
});

test("random bytes behind a good beginning", () => {
  const next = random(7);
  for (let i = 0; i < 5000; i++) {
    const bytes = Uint8Array.from({ length: 8 * (next(40) + 6) }, () => next(256));
    bytes[bytes.length - 1] = 0;
    const view = new DataView(bytes.buffer);
    view.setUint32(0, 0x31647262, true);
    view.setUint32(4, bytes.length, true);
    view.setUint32(8, 1, true);
    view.setUint32(12, 8 * (next(bytes.length / 8) + 1), true);
    if (addon().validate(bytes)) assert.doesNotThrow(() => readAll(bytes));
  }
});
