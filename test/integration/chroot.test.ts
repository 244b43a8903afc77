/**
 * Another root directory: chroot(2), and what is then taken in it.
 */

import assert from "node:assert/strict";
import { closeSync, constants, copyFileSync, mkdirSync, openSync, readlinkSync, statSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

/** A root with nothing in it but /bin/rooted and /inside. */
function makeRoot(files: TemporaryFiles): string {
  const root = files.path("root");
  mkdirSync(`${root}/bin`, { recursive: true });
  mkdirSync(`${root}/inside`);
  copyFileSync(childPath("rooted"), `${root}/bin/rooted`);
  return root;
}

/** What a child in that root says: its directory, and what it finds in "/". */
async function seen(file: string, options: Parameters<typeof launch>[2]): Promise<string[]> {
  const child = await launch(file, [], { env: { LD_PRELOAD: undefined }, ...options });
  const { stdout } = await child.output();
  const [cwd, ...names] = (stdout as string).trimEnd().split("\n");
  return [cwd as string, ...names.sort()];
}

test("the file is a path in the new root, and the directory is its root, not ours of before", async () => {
  using files = new TemporaryFiles();
  const root = makeRoot(files);
  for (const chroot of [root, Buffer.from(root), pathToFileURL(root)]) {
    assert.deepEqual(await seen("/bin/rooted", { chroot }), ["/", "bin", "inside"]);
  }
  assert.deepEqual(await seen("bin/rooted", { chroot: root }), ["/", "bin", "inside"]);
});

test("cwd is taken in the new root", async () => {
  using files = new TemporaryFiles();
  const root = makeRoot(files);
  assert.deepEqual(await seen("/bin/rooted", { chroot: root, cwd: "/inside" }), ["/inside", "bin", "inside"]);
  assert.deepEqual(await seen("/bin/rooted", { chroot: root, cwd: "inside" }), ["/inside", "bin", "inside"]);
  assert.deepEqual(await seen("../bin/rooted", { chroot: root, cwd: "/inside" }), ["/inside", "bin", "inside"]);
  const fd = openSync(`${root}/inside`, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    assert.deepEqual(await seen("/bin/rooted", { chroot: root, cwd: fd }), ["/inside", "bin", "inside"]);
  } finally {
    closeSync(fd);
  }
});

test("the search path is one of the new root", async () => {
  using files = new TemporaryFiles();
  const root = makeRoot(files);
  assert.deepEqual(await seen("rooted", { chroot: root }), ["/", "bin", "inside"]);
  assert.deepEqual(await seen("rooted", { chroot: root, path: ["bin"] }), ["/", "bin", "inside"]);
});

test("files of stdio are opened outside of it", async () => {
  using files = new TemporaryFiles();
  const root = makeRoot(files);
  const output = files.path("output");
  const child = await launch("/bin/rooted", [], { chroot: root, stdout: { file: output }, env: { LD_PRELOAD: undefined } });
  await child.closed;
  assert.equal(statSync(output).size, "/\nbin\ninside\n".length);
});

test("we stay where we are", async () => {
  using files = new TemporaryFiles();
  const before = [process.cwd(), readlinkSync("/proc/self/root"), statSync("/").ino];
  await seen("/bin/rooted", { chroot: makeRoot(files) });
  assert.deepEqual([process.cwd(), readlinkSync("/proc/self/root"), statSync("/").ino], before);
  const { dev, ino } = statSync("/", { bigint: true });
  assert.equal((await reportOf({ chroot: "/" })).root, `${dev}:${ino}`);
  assert.equal((await reportOf({ chroot: "/" })).cwd, "/");
});

test("what is missing in the new root, and a root that is none, are told apart", async () => {
  using files = new TemporaryFiles();
  const root = makeRoot(files);
  const plain = files.write("plain", "");
  const failure = (stage: string, path: string, code: string): object => ({ name: "SpawnError", stage, path, code });
  await assert.rejects(launch("/bin/sh", [], { chroot: root }), failure("exec", "/bin/sh", "ENOENT"));
  await assert.rejects(launch("/bin/rooted", [], { chroot: root, cwd: root }), failure("chdir", root, "ENOENT"));
  await assert.rejects(launch("/bin/rooted", [], { chroot: "/nonexistent" }), failure("chroot", "/nonexistent", "ENOENT"));
  await assert.rejects(launch("/bin/rooted", [], { chroot: plain }), failure("chroot", plain, "ENOTDIR"));
});
