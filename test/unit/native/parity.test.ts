/**
 * What C and TypeScript both know: operations, record fields, orders of enums. The headers are read as text.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FIELD } from "#dist/kernel/events.js";
import { LAUNCH } from "#dist/launch/failure.js";
import { addon, CLOSE_RUNGS, RUNGS } from "#dist/native/addon.js";
import { CODE, OPERATIONS, STAGE_OF, STAGE_WORDS } from "#dist/program/operations.js";
import { INPUT } from "#dist/program/plan.js";
import { HEADER, HEADER_SIZE, OP, OP_SIZE } from "../../helpers/decode-program.js";

const source = (name: string): string =>
  readFileSync(new URL(`./native/${name}`, import.meta.resolve("brood/package.json")), "utf8").replace(/\/\*[\s\S]*?\*\//g, "");

/** The members of an enum, in lower case, without what they all begin with. */
function members(header: string, name: string): string[] {
  const body = new RegExp(`enum ${name}\\s*\\{([^}]*)\\}`).exec(source(header))?.[1];
  assert.ok(body !== undefined, `enum ${name} of ${header}`);
  const words = body
    .split(",")
    .map((word) => word.replace(/=.*/, "").trim().toLowerCase())
    .filter((word) => word !== "");
  return words.map((word) => word.slice(word.indexOf("_") + 1));
}

test("the operations have the same codes in C", () => {
  assert.deepEqual(addon().operations(), [...OPERATIONS]);
  OPERATIONS.forEach((name, code) => {
    assert.equal(CODE[name], code);
  });
});

test("every operation has a stage, and every stage words of its own", () => {
  assert.deepEqual(Object.keys(STAGE_OF).sort(), [...OPERATIONS].sort());
  for (const stage of Object.values(STAGE_OF)) assert.ok(Object.hasOwn(STAGE_WORDS, stage), stage);
  const words = Object.values(STAGE_WORDS);
  for (const text of words) assert.match(text, /^[a-z]/);
  assert.equal(new Set(words).size, words.length);
});

test("the fields of event records stand where C writes them", () => {
  assert.deepEqual(members("monitor.h", "monitor_field"), Object.keys(FIELD));
  assert.deepEqual(
    Object.values(FIELD),
    Object.values(FIELD).map((_, i) => i),
  );
});

test("the rungs of both ladders have the same order", () => {
  assert.deepEqual(members("launch.h", "launch_rung").slice(0, RUNGS.length), [...RUNGS]);
  assert.deepEqual(members("child_program.h", "program_close_rung"), ["by_range", "by_getdents", "by_force"]);
  assert.equal(CLOSE_RUNGS.length, 3);
  assert.ok((RUNGS as readonly string[]).includes(addon().probe()));
});

test("the kinds of input have the same order", () => {
  const ours = Object.entries(INPUT)
    .sort(([, a], [, b]) => a - b)
    .map(([name]) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
  // The last is for hosts only: exports_host.c counts on from there.
  assert.equal(ours.pop(), "directory");
  assert.deepEqual(members("launch.h", "launch_input"), ours);
});

test("the failures that the launcher tells apart have C's numbers", () => {
  const failures = members("launch.h", "launch_failure");
  assert.equal(failures[LAUNCH.ok], "ok");
  assert.equal(failures[LAUNCH.child], "failed_child");
  assert.equal(failures[LAUNCH.killed], "failed_killed");
  assert.equal(failures[LAUNCH.host], "failed_host");
});

test("the decoder of these tests reads the structs as C lays them out", () => {
  const sizes: Record<string, number> = { uint16_t: 2, uint32_t: 4, int32_t: 4, uint64_t: 8 };
  const layout = (name: string): [offsets: Record<string, number>, size: number] => {
    const body = new RegExp(`struct ${name} \\{([^}]*)\\}`).exec(source("child_program.h"))?.[1] ?? "";
    const offsets: Record<string, number> = {};
    let at = 0;
    for (const [, type, field] of body.matchAll(/(\w+) (\w+);/g)) {
      offsets[(field as string).replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase())] = at;
      at += sizes[type as string] as number;
    }
    return [offsets, at];
  };
  const [header, headerSize] = layout("program_header");
  assert.deepEqual(header, { ...HEADER, reserved: 36 });
  assert.equal(headerSize, HEADER_SIZE);
  assert.deepEqual(layout("program_op"), [{ ...OP }, OP_SIZE]);
});
