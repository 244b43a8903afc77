/**
 * Error numbers: names, words, and errors in Node's shape.
 */

import assert from "node:assert/strict";
import { openSync } from "node:fs";
import { constants } from "node:os";
import { test } from "node:test";
import * as errno from "#dist/kernel/errno.js";

const { errnoName, errnoWords, systemError } = errno;

test("every number of this system has the kernel's name", () => {
  const aliases = ["EWOULDBLOCK", "EOPNOTSUPP"];
  for (const [name, number] of Object.entries(constants.errno)) {
    if (!aliases.includes(name)) assert.equal(errnoName(number), name);
  }
  assert.equal(errnoName(constants.errno.EWOULDBLOCK), "EAGAIN");
  assert.equal(errnoName(constants.errno.EOPNOTSUPP), "ENOTSUP");
});

test("so have those that Node leaves out", () => {
  assert.deepEqual([77, 80, 117, 132].map(errnoName), ["EBADFD", "ELIBBAD", "EUCLEAN", "ERFKILL"]);
});

test("the numbers that the code asks about are right", () => {
  const asked = Object.entries(errno).filter(([name]) => /^E[A-Z]+$/.test(name));
  assert.ok(asked.length >= 8);
  for (const [name, number] of asked) assert.equal(number, constants.errno[name as keyof typeof constants.errno], name);
});

test("words say what is wrong", () => {
  assert.equal(errnoWords(2), "no such file or directory");
  assert.equal(errnoWords(8), "not an executable format, and no #! line");
  assert.equal(errnoWords(13), "permission denied");
  assert.equal(errnoWords(constants.errno.EMFILE), "too many open files");
});

test("an unknown number is shown as it is", () => {
  assert.equal(errnoName(999), "E999");
  assert.equal(errnoWords(999), "error 999");
});

test("a system error has the fields of Node's own", () => {
  const ours = systemError(constants.errno.ENOENT, "open");
  assert.throws(
    () => openSync("/nonexistent/file", "r"),
    (nodes: NodeJS.ErrnoException) => {
      assert.equal(ours.errno, nodes.errno);
      assert.equal(ours.code, nodes.code);
      assert.equal(ours.syscall, nodes.syscall);
      return true;
    },
  );
  assert.equal(ours.message, "open ENOENT: no such file or directory");
});
