/**
 * Checks on single values, and the guess at what was meant.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkArray, checkBoolean, checkInteger, checkNames, checkPath, checkText, closest } from "#dist/program/validate.js";

const refused = (call: () => unknown, name: "TypeError" | "RangeError", code: string, message: RegExp): void =>
  assert.throws(call, { name, code, message });

test("text is a string or bytes, passed as it is", () => {
  for (const text of ["", "a b", "ü€𝄞", "\x7f\n"]) assert.equal(checkText(text, "x"), text);
  for (const bytes of [new Uint8Array([0xff, 1]), Buffer.from([0xff, 1])]) {
    const checked = checkText(bytes, "x");
    bytes[0] = 7;
    assert.deepEqual([...(checked as Uint8Array)], [0xff, 1], "a copy");
  }
});

test("text has no NUL and no half characters", () => {
  refused(() => checkText("a\0b", "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not contain a NUL/);
  refused(() => checkText(new Uint8Array([1, 0]), "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not contain a NUL/);
  for (const text of ["\ud800", "a\udc00", "\udc00\ud800"]) {
    refused(() => checkText(text, "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not contain a lone surrogate/);
  }
  for (const value of [undefined, null, 5, {}, ["a"], new ArrayBuffer(1), new Uint16Array(1)]) {
    refused(() => checkText(value, "x"), "TypeError", "ERR_INVALID_ARG_TYPE", /^x must be a string or a Uint8Array/);
  }
});

test("a path is text that is not empty, or a file: URL", () => {
  assert.equal(checkPath("a", "x"), "a");
  assert.equal(checkPath(new URL("file:///a%20b/ü"), "x"), "/a b/ü");
  refused(() => checkPath("", "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not be empty/);
  refused(() => checkPath(new Uint8Array(0), "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not be empty/);
  refused(() => checkPath(new URL("http://h/a"), "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must be a file: URL/);
  refused(() => checkPath(new URL("file:///a%ff"), "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must be a file: URL of UTF-8/);
  refused(() => checkPath(new URL("file:///a%00b"), "x"), "TypeError", "ERR_INVALID_ARG_VALUE", /^x must not contain a NUL/);
});

test("an integer is a number in its range", () => {
  assert.equal(checkInteger(-1, "x", -1, 1), -1);
  assert.equal(checkInteger(1, "x", -1, 1), 1);
  for (const value of [-2, 2, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    refused(() => checkInteger(value, "x", -1, 1), "RangeError", "ERR_OUT_OF_RANGE", /^x must be an integer from -1 to 1, not /);
  }
  for (const value of ["1", 1n, null, true]) {
    refused(() => checkInteger(value, "x", -1, 1), "TypeError", "ERR_INVALID_ARG_TYPE", /^x must be a number, not /);
  }
});

test("booleans and arrays are nothing else", () => {
  assert.equal(checkBoolean(false, "x"), false);
  for (const value of [0, "true", null])
    refused(() => checkBoolean(value, "x"), "TypeError", "ERR_INVALID_ARG_TYPE", /a boolean/);
  for (const value of ["ab", new Set([1]), { length: 0 }, new Uint8Array(1)]) {
    refused(() => checkArray(value, "x"), "TypeError", "ERR_INVALID_ARG_TYPE", /an array/);
  }
});

test("the holes of an array are elements, so that each is checked", () => {
  const seen: unknown[] = [];
  checkArray(new Array(2), "x").forEach((value) => {
    seen.push(value);
  });
  assert.deepEqual(seen, [undefined, undefined]);
});

test("an object has no other names than the known ones", () => {
  const given = { a: 1 };
  assert.equal(checkNames(given, "x", ["a", "b"]), given);
  refused(() => checkNames({ timout: 1 }, "x", ["timeout"]), "TypeError", "ERR_UNKNOWN_OPTION", /did you mean "timeout"\?/);
  refused(
    () => checkNames({ quite: 1 }, "x", ["timeout"]),
    "TypeError",
    "ERR_UNKNOWN_OPTION",
    /^x has no such option \(got "quite"\)$/,
  );
  for (const value of [null, undefined, 5, "a", [1]]) {
    refused(() => checkNames(value, "x", []), "TypeError", "ERR_INVALID_ARG_TYPE", /^x must be an object/);
  }
});

test("closest gives the nearest known word, if any is near", () => {
  const known = ["pipe", "ignore", "inherit", "close", "socket"];
  const meant: [typo: string, word: string | undefined][] = [
    ["pipe", "pipe"],
    ["PIPE", "pipe"],
    ["pip", "pipe"],
    ["ppie", "pipe"],
    ["piped", "pipe"],
    ["ignroe", "ignore"],
    ["inherrit", "inherit"],
    ["sokcet", "socket"],
    ["file", undefined],
    ["x", undefined],
    ["", undefined],
    ["hello", undefined],
  ];
  for (const [typo, word] of meant) assert.equal(closest(typo, known), word, typo);
  assert.equal(closest("nofiles", ["nproc", "nofile"]), "nofile");
  assert.equal(closest("uid", ["gid", "uid"]), "uid", "an exact hit beats a near one");
});
