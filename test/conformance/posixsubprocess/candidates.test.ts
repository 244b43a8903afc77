/**
 * Which of the candidates is executed, and which error is told where none can be.
 */

import assert from "node:assert/strict";
import { SpawnError } from "brood";
import { TemporaryFiles } from "../../helpers/files.js";
import { forkToEnd, posix } from "../../helpers/fork.js";
import { test } from "../../helpers/test.js";

function failureOf(executables: readonly string[], options?: posix.ForkExecOptions): SpawnError {
  try {
    forkToEnd(["x"], executables, options);
  } catch (error) {
    assert.ok(error instanceof SpawnError, String(error));
    return error;
  }
  assert.fail("it was started");
}

test("P7: candidates are tried in order past any error", () => {
  using files = new TemporaryFiles();
  const bad = [
    "/nonexistent/file", // ENOENT
    "/etc/passwd/file", // ENOTDIR
    files.write("secret", "#!/bin/sh\n", 0o644), // EACCES
    files.write("format", "neither", 0o755), // ENOEXEC
    files.directory, // EACCES
    files.write("loop", "#!/nonexistent/interpreter\n", 0o755), // ENOENT
  ];
  const first = files.write("first", "#!/bin/sh\necho first\n", 0o755);
  const second = files.write("second", "#!/bin/sh\necho second\n", 0o755);
  assert.deepEqual(forkToEnd(["x"], [...bad, first, second]), { said: "first\n", end: "exited 0" });
});

test("P7: told is the first error that is neither ENOENT nor ENOTDIR, else the last", () => {
  using files = new TemporaryFiles();
  const missing = "/nonexistent/file";
  const within = "/etc/passwd/file";
  const secret = files.write("secret", "#!/bin/sh\n", 0o644);
  const format = files.write("format", "neither", 0o755);
  const rows: [executables: string[], code: string, path: string | undefined][] = [
    [[missing], "ENOENT", missing],
    [[missing, within], "ENOTDIR", within],
    [[within, missing], "ENOENT", undefined],
    [[missing, secret, format], "EACCES", secret],
    [[missing, format, secret, within], "ENOEXEC", format],
    [[format, missing], "ENOEXEC", format],
  ];
  for (const [executables, code, path] of rows) {
    const error = failureOf(executables);
    assert.deepEqual([error.stage, error.code, error.path, error.file], ["exec", code, path, executables[0]]);
  }
});

test("P7: each candidate is told with an errno of its own", () => {
  using files = new TemporaryFiles();
  const secret = files.write("secret", "#!/bin/sh\n", 0o644);
  const error = failureOf(["/nonexistent/file", "/etc/passwd/file", secret]);
  assert.deepEqual(error.candidates, [
    { path: "/nonexistent/file", code: "ENOENT" },
    { path: "/etc/passwd/file", code: "ENOTDIR" },
    { path: secret, code: "EACCES" },
  ]);
  assert.match(failureOf(["/nonexistent/a", "/nonexistent/b"]).message, /: none of 2 files is there \(ENOENT at exec\)$/);
});

test("P7: of more candidates than can be told of, only what is known is told", () => {
  using files = new TemporaryFiles();
  const secret = files.write("secret", "#!/bin/sh\n", 0o644);
  const many = Array.from({ length: 300 }, (_, i) => `/nonexistent/${i}`);
  const { code, path, candidates } = failureOf([...many, secret]);
  assert.deepEqual([code, path], ["EACCES", secret]);
  assert.deepEqual(
    candidates,
    many.slice(0, 240).map((path) => ({ path, code: "ENOENT" })),
  );
});

test("P7: an empty list of candidates is refused", () => {
  assert.throws(() => posix.forkExec(["x"], []), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE", message: /^executables/ });
});

test("P7: nothing is sought: a candidate without a slash is a file of the child's directory", () => {
  const error = failureOf(["true"], { cwd: "/", env: { PATH: "/usr/bin:/bin" } });
  assert.deepEqual([error.code, error.path], ["ENOENT", "true"]);
});

test("P18: a relative candidate is taken in the child's own directory, not in ours", () => {
  using files = new TemporaryFiles();
  files.write("tool", "#!/bin/sh\npwd\n", 0o755);
  for (const file of ["tool", "./tool"]) {
    assert.equal(failureOf([file]).code, "ENOENT");
    assert.deepEqual(forkToEnd(["x"], [file], { cwd: files.directory }), { said: `${files.directory}\n`, end: "exited 0" });
  }
});
