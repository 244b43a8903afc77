/**
 * Where an executable is sought.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { ProgramOptions } from "#dist/program/options.js";
import { candidatesFor } from "#dist/program/search.js";

const shown = (file: string | Uint8Array, options: ProgramOptions, path?: string | Uint8Array): string[] =>
  candidatesFor(file, options, { path }).map((candidate) => Buffer.from(candidate).toString("latin1"));

test("a file with a slash is taken as it is", () => {
  for (const file of ["/bin/x", "./x", "../x", "a/b", "x/"]) {
    assert.deepEqual(shown(file, { path: ["/opt"] }, "/usr/bin"), [file]);
  }
  assert.deepEqual(shown(Buffer.from("./\xff", "latin1"), {}, "/usr/bin"), ["./\xff"]);
});

test("else the PATH of the child's environment counts, in its order", () => {
  assert.deepEqual(shown("x", {}, "/b:/a/:/b"), ["/b/x", "/a/x", "/b/x"]);
});

test("without any PATH there is a default", () => {
  assert.deepEqual(shown("x", {}, undefined), ["/usr/local/bin/x", "/usr/bin/x", "/bin/x"]);
});

test("empty and relative entries of PATH don't count", () => {
  assert.deepEqual(shown("x", {}, ":/a::.:b/c:../d:/e:"), ["/a/x", "/e/x"]);
  assert.deepEqual(shown("x", {}, ""), []);
  assert.deepEqual(shown("x", {}, Buffer.from(":/a:b")), ["/a/x"]);
});

test("in the path option they do", () => {
  assert.deepEqual(shown("x", { path: ":/a:b" }, "/usr/bin"), ["./x", "/a/x", "b/x"]);
  assert.deepEqual(shown("x", { path: "" }, "/usr/bin"), ["./x"]);
  assert.deepEqual(shown("x", { path: ["b", "/a", "."] }, "/usr/bin"), ["b/x", "/a/x", "./x"]);
});

test("the path option takes URLs and bytes in an array", () => {
  const path = [new URL("file:///a%20b"), Buffer.from("/\xff", "latin1")];
  assert.deepEqual(shown("x", { path }, undefined), ["/a b/x", "/\xff/x"]);
});

test("bytes in PATH or in the file stay as they are", () => {
  assert.deepEqual(shown("x", {}, Buffer.from("/\xfe:/a:/\xff", "latin1")), ["/\xfe/x", "/a/x", "/\xff/x"]);
  assert.deepEqual(shown(Buffer.from("\xe4", "latin1"), {}, "/a:/b"), ["/a/\xe4", "/b/\xe4"]);
});

test("a wrong path option is refused", () => {
  const refused = (path: unknown, code: string, message: RegExp): void =>
    assert.throws(() => candidatesFor("x", { path } as ProgramOptions, { path: undefined }), {
      name: "TypeError",
      code,
      message,
    });
  refused(5, "ERR_INVALID_ARG_TYPE", /options\.path must be an array/);
  refused(null, "ERR_INVALID_ARG_TYPE", /options\.path must be an array/);
  refused("/a\0", "ERR_INVALID_ARG_VALUE", /options\.path must not contain a NUL/);
  refused(["/a", ""], "ERR_INVALID_ARG_VALUE", /options\.path\[1\] must not be empty/);
  refused(["/a", 5], "ERR_INVALID_ARG_TYPE", /options\.path\[1\] must be a string/);
  refused([new URL("http://x/")], "ERR_INVALID_ARG_VALUE", /options\.path\[0\] must be a file: URL/);
});
