/**
 * The child's environment: what lies over what, what is removed, what PATH becomes.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Environment, planEnvironment } from "#dist/program/environment.js";
import type { ProgramOptions } from "#dist/program/options.js";
import { fakeFacts } from "../../helpers/decode-program.js";

const main = (options: ProgramOptions): Environment => planEnvironment(options, fakeFacts());
const worker = (own: Record<string, string | undefined>, options: ProgramOptions): Environment =>
  planEnvironment(options, fakeFacts({ environment: () => own }));
const entries = ({ entries: list }: Environment): string[] => list.map((entry) => Buffer.from(entry).toString("latin1"));

test("without env the process's own block is passed as it is", () => {
  const { extend, entries, path } = main({});
  assert.deepEqual({ extend, entries, path }, { extend: true, entries: [], path: "/usr/bin:/bin" });
  assert.deepEqual(main({ env: {} }), { extend: true, entries: [], path: "/usr/bin:/bin" });
});

test("overrides are given as entries, removals as bare names", () => {
  const plan = main({ env: { A: "1", B: undefined, C: "", D: "x=y" } });
  assert.equal(plan.extend, true);
  assert.deepEqual(entries(plan), ["A=1", "B", "C=", "D=x=y"]);
});

test("with extendEnv false env is all that there is", () => {
  const plan = main({ extendEnv: false, env: { A: "1", B: undefined } });
  assert.deepEqual(plan, { extend: false, entries: ["A=1"], path: undefined });
  assert.deepEqual(main({ extendEnv: false }), { extend: false, entries: [], path: undefined });
});

test("PATH is that of the result: given, removed, inherited, or none", () => {
  assert.equal(main({ env: { PATH: "/opt" } }).path, "/opt");
  assert.equal(main({ env: { PATH: "" } }).path, "");
  assert.equal(main({ env: { PATH: undefined } }).path, undefined);
  assert.equal(main({ extendEnv: false, env: { PATH: "/opt" } }).path, "/opt");
  const bytes = new Uint8Array([0x2f, 0xff]);
  assert.deepEqual(main({ env: [[Buffer.from("PATH"), bytes]] }).path, bytes);
  assert.equal(worker({ PATH: "/w" }, {}).path, "/w");
  assert.equal(worker({ PATH: "/w" }, { env: { PATH: "/o" } }).path, "/o");
  assert.equal(worker({ PATH: "/w" }, { env: { PATH: undefined } }).path, undefined);
  assert.equal(worker({}, {}).path, undefined, "not that of the process");
});

test("names and values may be bytes, in any iterable of pairs", () => {
  const name = Buffer.from([0xe4, 0x41]);
  const plan = main({
    env: new Map<string | Uint8Array, string | Uint8Array | undefined>([
      [name, new Uint8Array([0xff])],
      ["S", "ü"],
      [Buffer.from("GONE"), undefined],
    ]),
  });
  assert.deepEqual(entries(plan), ["\xe4A=\xff", "S=\xc3\xbc", "GONE"]);
});

test("equal names meet, as text or as bytes, and the last one counts", () => {
  const plan = main({
    env: [
      ["A", "1"],
      ["Ü", "2"],
      [Buffer.from("A"), "3"],
      [Buffer.from("Ü"), "4"],
    ],
  });
  assert.deepEqual(entries(plan), ["A=3", "\xc3\x9c=4"]);
});

test("bytes are copied: changing them later has no effect", () => {
  const value = Buffer.from("old");
  const plan = main({ env: { A: value } });
  value.write("new");
  assert.deepEqual(entries(plan), ["A=old"]);
});

test("in a worker its own copy is the base", () => {
  const plan = worker({ A: "1", B: "2", C: "3" }, { env: { B: undefined, C: "x", D: "y" } });
  assert.equal(plan.extend, false);
  assert.deepEqual(entries(plan), ["A=1", "C=x", "D=y"]);
  assert.deepEqual(entries(worker({ A: "1" }, { extendEnv: false, env: { D: "y" } })), ["D=y"]);
});

test("in a worker a name that is not ASCII is overridden and removed too", () => {
  assert.deepEqual(entries(worker({ Ü: "old" }, { env: { Ü: "new" } })), ["\xc3\x9c=new"]);
  assert.deepEqual(entries(worker({ Ü: "old" }, { env: { Ü: undefined } })), []);
  assert.deepEqual(entries(worker({ Ü: "old" }, { env: [[Buffer.from("Ü"), "new"]] })), ["\xc3\x9c=new"]);
});

const bad: [what: string, env: unknown, code: string, says: RegExp][] = [
  ["text", "A=1", "ERR_INVALID_ARG_TYPE", /options\.env must be an object/],
  ["null", null, "ERR_INVALID_ARG_TYPE", /options\.env must be an object/],
  ["entries in one piece", ["A=1"], "ERR_INVALID_ARG_TYPE", /an entry of options\.env must be a pair/],
  ["a triple", [["A", "1", "2"]], "ERR_INVALID_ARG_TYPE", /must be a pair/],
  ["a name that is a number", [[1, "x"]], "ERR_INVALID_ARG_TYPE", /a name in options\.env must be a string/],
  ["an empty name", { "": "x" }, "ERR_INVALID_ARG_VALUE", /a name in options\.env must not be empty/],
  ["an empty name in bytes", [[new Uint8Array(0), "x"]], "ERR_INVALID_ARG_VALUE", /must not be empty/],
  ["= in a name", { "A=B": "x" }, "ERR_INVALID_ARG_VALUE", /must not contain "="/],
  ["= in a name in bytes", [[Buffer.from("A=B"), "x"]], "ERR_INVALID_ARG_VALUE", /must not contain "="/],
  ["a NUL in a name", { "A\0": "x" }, "ERR_INVALID_ARG_VALUE", /a name in options\.env must not contain a NUL/],
  ["a NUL in a value", { A: "x\0" }, "ERR_INVALID_ARG_VALUE", /options\.env\.A must not contain a NUL/],
  ["a lone surrogate", { A: "\ud800" }, "ERR_INVALID_ARG_VALUE", /options\.env\.A must not contain a lone surrogate/],
  ["null as a value", { A: null }, "ERR_INVALID_ARG_TYPE", /options\.env\.A must be a string or a Uint8Array, not null/],
  ["a number as a value", { A: 1 }, "ERR_INVALID_ARG_TYPE", /options\.env\.A must be a string/],
];

for (const [what, env, code, says] of bad) {
  test(`refused: ${what}`, () => {
    assert.throws(() => main({ env } as ProgramOptions), { name: "TypeError", code, message: says });
    assert.throws(() => worker({}, { env } as ProgramOptions), { name: "TypeError", code, message: says });
  });
}

test("refused: extendEnv that is no boolean", () => {
  assert.throws(() => main({ extendEnv: 1 } as unknown as ProgramOptions), {
    code: "ERR_INVALID_ARG_TYPE",
    message: /options\.extendEnv must be a boolean/,
  });
});
