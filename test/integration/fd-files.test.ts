/**
 * Files that the child opens, `{file, mode}`: fopen(3)'s modes, failures that name the file, FIFOs refused.
 */

import assert from "node:assert/strict";
import { closeSync, constants, mkdirSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { pathToFileURL } from "node:url";
import { type FileMode, run, SpawnError } from "brood";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { type ReportedFd, reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

/** What each mode asks of an existing file, and whether it makes one. */
const MODES: Record<FileMode, { access: ReportedFd["access"]; append: boolean; creates: boolean; truncates: boolean }> = {
  r: { access: "r", append: false, creates: false, truncates: false },
  "r+": { access: "rw", append: false, creates: false, truncates: false },
  w: { access: "w", append: false, creates: true, truncates: true },
  "w+": { access: "rw", append: false, creates: true, truncates: true },
  wx: { access: "w", append: false, creates: true, truncates: false },
  a: { access: "w", append: true, creates: true, truncates: false },
  "a+": { access: "rw", append: true, creates: true, truncates: false },
  ax: { access: "w", append: true, creates: true, truncates: false },
};

for (const [mode, { access, append, creates, truncates }] of Object.entries(MODES) as [FileMode, (typeof MODES)[FileMode]][]) {
  test(`mode ${mode} opens, creates and truncates as fopen does`, async () => {
    using files = new TemporaryFiles();
    const exclusive = mode.endsWith("x");
    const old = files.write("old", "content");
    if (exclusive) {
      const failure = { name: "SpawnError", code: "EEXIST", stage: "open", path: old, file: "true" };
      await assert.rejects(launch("true", [], { fds: { 3: { file: old, mode } } }), failure);
      assert.equal(readFileSync(old, "utf8"), "content");
    } else {
      const report = await reportOf({ fds: { 3: { file: old, mode } } });
      const { link, access: got, append: appends, nonblock, cloexec } = report.fds[3] as ReportedFd;
      assert.deepEqual([link, got, appends, nonblock, cloexec], [old, access, append, false, false]);
      assert.equal(readFileSync(old, "utf8"), truncates ? "" : "content");
    }
    const fresh = files.path("fresh");
    if (creates) {
      const report = await reportOf({ fds: { 3: { file: fresh, mode } } });
      assert.deepEqual([report.fds[3]?.access, report.fds[3]?.append], [access, append]);
      assert.equal(statSync(fresh).mode & 0o777, 0o666 & ~process.umask());
    } else {
      const failure = { name: "SpawnError", code: "ENOENT", errno: 2, stage: "open", path: fresh, file: "true" };
      await assert.rejects(launch("true", [], { fds: { 3: { file: fresh, mode } } }), failure);
    }
  });
}

test("a file is read by default on fd 0 and written on any other, from a path, a URL or bytes", async () => {
  using files = new TemporaryFiles();
  const input = files.write("input", "text\n");
  const output = files.path("output");
  const child = await launch("cat", [], {
    stdin: { file: pathToFileURL(input) },
    stdout: { file: Buffer.from(output) },
  });
  await child.closed;
  assert.equal(readFileSync(output, "utf8"), "text\n");
});

test("a relative path is taken in our directory, not in the child's", async () => {
  using files = new TemporaryFiles();
  files.write("input", "here\n");
  const file = relative(process.cwd(), files.path("input"));
  const child = await launch("cat", [], { stdin: { file }, cwd: "/" });
  assert.equal((await child.output()).stdout, "here\n");
});

test("the file is opened as our user, before the child becomes another", async () => {
  using files = new TemporaryFiles();
  const secret = files.write("secret", "ours alone\n", 0o600);
  const child = await launch("cat", [], { stdin: { file: secret }, uid: 65534, gid: 65534, groups: [] });
  assert.equal((await child.output()).stdout, "ours alone\n");
});

test("a missing file, a missing directory and a directory are told from a missing executable", async () => {
  using files = new TemporaryFiles();
  mkdirSync(files.path("directory"));
  const cases = [
    { file: files.path("missing"), mode: "r", code: "ENOENT" },
    { file: files.path("no/such/file"), mode: "w", code: "ENOENT" },
    { file: files.path("directory"), mode: "w", code: "EISDIR" },
    { file: `${files.write("plain", "")}/below`, mode: "w", code: "ENOTDIR" },
  ] as const;
  for (const { file, mode, code } of cases) {
    await assert.rejects(launch("/bin/true", [], { stdin: { file, mode } }), (error: unknown) => {
      assert.ok(error instanceof SpawnError);
      assert.deepEqual([error.code, error.stage, error.path, error.file], [code, "open", file, "/bin/true"]);
      assert.ok(error.message.includes(JSON.stringify(file)), error.message);
      return true;
    });
  }
});

test("a FIFO is refused, and never waited for: without, with a reader, with a writer, behind a link", async () => {
  using files = new TemporaryFiles();
  const fifo = files.path("fifo");
  const link = files.path("link");
  await run("mkfifo", [fifo]);
  symlinkSync(fifo, link);
  const refused = async (): Promise<void> => {
    for (const file of [fifo, link]) {
      for (const mode of Object.keys(MODES) as FileMode[]) {
        if (mode.endsWith("x")) continue;
        await assert.rejects(launch("true", [], { fds: { 3: { file, mode } } }), {
          name: "SpawnError",
          stage: "open",
          path: file,
          message: /FIFO/,
        });
      }
    }
  };
  await refused();
  for (const others of [constants.O_RDONLY | constants.O_NONBLOCK, constants.O_RDWR]) {
    const fd = openSync(fifo, others);
    try {
      await refused();
    } finally {
      closeSync(fd);
    }
  }
});

test("two entries with one file are opened each by itself", async () => {
  using files = new TemporaryFiles();
  const file = files.write("twice", "12345\n");
  const child = await launch("sh", ["-c", "cat; cat <&3"], { stdin: { file }, fds: { 3: { file, mode: "r" } } });
  assert.equal((await child.output()).stdout, "12345\n12345\n");
  writeFileSync(file, "");
});

test("an entry that is no word, mode or key we know is refused before anything is created", async () => {
  using files = new TemporaryFiles();
  const file = files.path("never");
  const refused = [{ file, mode: "rw" }, { file, mod: "w" }, { file: "" }, { pipe: "x" }, {}] as unknown as { file: string }[];
  for (const entry of refused) await assert.rejects(launch("true", [], { stdin: entry }), TypeError);
  assert.throws(() => statSync(file), { code: "ENOENT" });
});
