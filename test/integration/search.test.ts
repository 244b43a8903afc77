/**
 * Where the executable is sought, and what is said where it isn't found or can't be executed.
 */

import assert from "node:assert/strict";
import { chmodSync, closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { SpawnError, type SpawnOptions } from "brood";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

/** A directory for each name, with an executable "tool" in it that prints that name. */
function tools(files: TemporaryFiles, ...names: string[]): string[] {
  return names.map((name) => {
    mkdirSync(files.path(name));
    files.write(`${name}/tool`, `#!/bin/sh\necho ${name}\n`, 0o755);
    return files.path(name);
  });
}

async function outputOf(file: string, options: SpawnOptions): Promise<string> {
  return (await (await launch(file, [], options)).output()).stdout as string;
}

async function failureOf(file: string, options: SpawnOptions): Promise<SpawnError> {
  try {
    const child = await launch(file, [], options);
    await child[Symbol.asyncDispose]();
  } catch (error) {
    assert.ok(error instanceof SpawnError, String(error));
    assert.equal(error.stage, "exec");
    assert.equal(error.file, file);
    return error;
  }
  assert.fail(`${file} was started`);
}

test("PATH of the child's environment is searched, in order", async () => {
  using files = new TemporaryFiles();
  const [one, two] = tools(files, "one", "two") as [string, string];
  assert.equal(await outputOf("tool", { env: { PATH: `${one}:${two}` } }), "one\n");
  assert.equal(await outputOf("tool", { env: { PATH: `/nonexistent:${two}/:${one}` } }), "two\n");
  assert.equal(await outputOf("tool", { env: { PATH: Buffer.from(two) } }), "two\n");
});

test("the path option comes before it, as a list or an array of paths and URLs", async () => {
  using files = new TemporaryFiles();
  const [one, two] = tools(files, "one", "two") as [string, string];
  const env = { PATH: one };
  assert.equal(await outputOf("tool", { env, path: `/nonexistent:${two}` }), "two\n");
  assert.equal(await outputOf("tool", { env, path: ["/nonexistent", pathToFileURL(two), one] }), "two\n");
  assert.equal(await outputOf("tool", { env, path: [Buffer.from(two)] }), "two\n");
  // It is for the search alone.
  assert.ok((await reportOf({ env, path: dirname(childPath("report")) }, { file: "report" })).environ.includes(`PATH=${one}`));
});

test("relative and empty entries of PATH are skipped; in the path option they count, in the child's directory", async () => {
  using files = new TemporaryFiles();
  const [one] = tools(files, "one") as [string];
  for (const PATH of [":", ".", "one", "", "::.:"]) {
    const error = await failureOf("tool", { cwd: one, env: { PATH } });
    assert.equal(error.code, "ENOENT");
    assert.match(error.message, /no absolute entry/);
  }
  assert.equal(await outputOf("tool", { cwd: one, path: "" }), "one\n");
  assert.equal(await outputOf("tool", { cwd: one, path: "/nonexistent:" }), "one\n");
  assert.equal(await outputOf("tool", { cwd: files.directory, path: ["one"] }), "one\n");
});

test("without any PATH the default is searched", async () => {
  assert.equal(await outputOf("pwd", { cwd: "/", env: { PATH: undefined } }), "/\n");
  assert.equal(await outputOf("pwd", { cwd: "/", extendEnv: false }), "/\n");
});

test("a file with a slash is a path in the child's directory, and not sought", async () => {
  using files = new TemporaryFiles();
  const [one] = tools(files, "one") as [string];
  assert.equal(await outputOf("./tool", { cwd: one }), "one\n");
  assert.equal(await outputOf("one/tool", { cwd: files.directory }), "one\n");
  const error = await failureOf("one/tool", { path: files.directory });
  assert.deepEqual([error.code, error.path], ["ENOENT", "one/tool"]);
});

test("not found: each place with its own errno", async () => {
  using files = new TemporaryFiles();
  const plain = files.write("plain", "");
  const error = await failureOf("tool", { path: ["/nonexistent", plain, files.directory] });
  assert.deepEqual([error.code, error.errno, error.path], ["ENOENT", 2, undefined]);
  assert.deepEqual(error.candidates, [
    { path: "/nonexistent/tool", code: "ENOENT" },
    { path: `${plain}/tool`, code: "ENOTDIR" },
    { path: `${files.directory}/tool`, code: "ENOENT" },
  ]);
  assert.match(error.message, /^cannot spawn "tool": not found in 3 directories of the search path \(ENOENT at exec\)$/);
});

test("found but not executable says more than not found, and does not end the search", async () => {
  using files = new TemporaryFiles();
  const [bad, good] = tools(files, "bad", "good") as [string, string];
  chmodSync(`${bad}/tool`, 0o644);
  const error = await failureOf("tool", { path: ["/nonexistent", bad, "/nonexistent"] });
  assert.deepEqual([error.code, error.path], ["EACCES", `${bad}/tool`]);
  assert.match(error.message, /: permission denied, nobody may execute it \(chmod \+x\) \(EACCES at exec\)$/);
  assert.deepEqual(
    error.candidates?.map(({ code }) => code),
    ["ENOENT", "EACCES", "ENOENT"],
  );
  assert.equal(await outputOf("tool", { path: [bad, good] }), "good\n");
});

test("the first errno that is neither ENOENT nor ENOTDIR is told", async () => {
  using files = new TemporaryFiles();
  const [text, denied] = tools(files, "text", "denied") as [string, string];
  writeFileSync(`${text}/tool`, "no format\n");
  chmodSync(`${denied}/tool`, 0);
  assert.equal((await failureOf("tool", { path: [text, denied] })).code, "ENOEXEC");
  assert.equal((await failureOf("tool", { path: [denied, text] })).code, "EACCES");
  assert.equal((await failureOf("tool", { path: [files.write("plain", ""), "/nonexistent"] })).code, "ENOENT");
});

test("PITFALL 31: a file without #! is an error, no shell steps in", async () => {
  using files = new TemporaryFiles();
  const script = files.write("script", "echo no\n", 0o755);
  const empty = files.write("empty", "", 0o755);
  for (const file of [script, empty]) {
    const error = await failureOf(file, {});
    assert.deepEqual([error.code, error.path], ["ENOEXEC", file]);
  }
});

test("a missing interpreter is told from a missing file", async () => {
  using files = new TemporaryFiles();
  const script = files.write("script", "#!/nonexistent/interpreter\n", 0o755);
  const error = await failureOf(script, {});
  assert.deepEqual([error.code, error.path], ["ENOENT", script]);
  assert.match(error.message, /exists, but the interpreter or loader that it names does not/);
  assert.match((await failureOf(`${script}-not`, {})).message, /no such file "[^"]*" \(ENOENT/);
  // Also where it was found by a search.
  const searched = await failureOf("script", { path: ["/nonexistent", files.directory] });
  assert.deepEqual([searched.code, searched.path, searched.candidates?.length], ["ENOENT", script, 2]);
  assert.match(searched.message, /\/script" exists, but the interpreter or loader/);
  // And where its path starts at the child's directory.
  assert.match((await failureOf("./script", { cwd: files.directory })).message, /"\.\/script" exists, but the interpreter/);
  const cwd = openSync(files.directory, "r");
  try {
    assert.match((await failureOf("./script", { cwd })).message, /"\.\/script" exists, but/);
    assert.match((await failureOf("./script-not", { cwd })).message, /no such file "[^"]*" \(ENOENT/);
  } finally {
    closeSync(cwd);
  }
});

test("a whole command line in place of the file is told apart from a file that is missing", async () => {
  assert.match(
    (await failureOf("tool --quiet", {})).message,
    /; arguments are given apart, no shell takes a command line to pieces/,
  );
  assert.match((await failureOf("/nonexistent/tool -q", {})).message, /; arguments are given apart/);
  assert.doesNotMatch((await failureOf("tool", {})).message, /arguments/);
});

test("directories, trailing slashes and paths that are too long", async () => {
  const error = await failureOf("/", {});
  assert.equal(error.code, "EACCES");
  assert.match(error.message, /: permission denied, it is a directory \(EACCES at exec\)$/);
  assert.equal((await failureOf("/bin/sh/", {})).code, "ENOTDIR");
  assert.equal((await failureOf(`/${"x".repeat(5000)}`, {})).code, "ENAMETOOLONG");
});

test("the file may be a URL, or bytes that are not UTF-8", async () => {
  using files = new TemporaryFiles();
  const path = Buffer.concat([Buffer.from(`${files.directory}/`), Buffer.from([0xe4])]);
  writeFileSync(path, "#!/bin/sh\necho bytes\n", { mode: 0o755 });
  assert.equal(await outputOf(path as unknown as string, {}), "bytes\n");
  const [one] = tools(files, "one") as [string];
  assert.equal(await outputOf(pathToFileURL(`${one}/tool`) as unknown as string, {}), "one\n");
});

test("argv[0] is the file as it was given, or argv0; arguments pass byte for byte", async () => {
  const directory = dirname(childPath("report"));
  assert.deepEqual((await reportOf({ path: directory }, { file: "report" })).argv, ["report", "1"]);
  assert.deepEqual((await reportOf({ argv0: "" })).argv, ["", "1"]);
  const args = ["", " ", "*", '"', "ä", Buffer.from([0xff, 0x80]), "--", "x".repeat(100_000)];
  const report = await reportOf({ argv0: Buffer.from([0xff]) }, { args });
  assert.deepEqual(report.argv, ["\xff", "1", ...args.map((arg) => Buffer.from(arg as string).toString("latin1"))]);
});

test("PITFALL 32: a missing directory is not blamed on the executable", async () => {
  await assert.rejects(launch("true", [], { cwd: "/nonexistent/directory" }), {
    name: "SpawnError",
    code: "ENOENT",
    stage: "chdir",
    path: "/nonexistent/directory",
    file: "true",
    message: 'cannot spawn "true": no such directory "/nonexistent/directory" (ENOENT at chdir)',
  });
});
