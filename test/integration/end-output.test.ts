/**
 * maxOutput: output that is too long ends nothing; the result says how much is missing, and where it is.
 */

import assert from "node:assert/strict";
import { chmodSync, readFileSync } from "node:fs";
import { ExitError, run } from "brood";
import { act, filling } from "../helpers/act.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { withLimit } from "../helpers/limits.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

const ALL = filling(1_000_000);

test("each fd has its own bound; the command ends as it would have", async () => {
  const { stdout, stderr, omitted, exit, reason } = await run(act, ["fill", "1", "1000000", "fill", "2", "500", "exit", "0"], {
    encoding: "buffer",
    maxOutput: 1000,
  });
  assert.ok(stdout.equals(ALL.subarray(0, 1000)));
  assert.ok(stderr.equals(ALL.subarray(0, 500)));
  assert.deepEqual(omitted, { 1: { bytes: 999_000, at: 1000 } });
  assert.deepEqual([exit.kind, reason], ["exited", "exit"]);
});

test("head, tail and both", async () => {
  for (const [keep, at, expected] of [
    ["head", 1001, ALL.subarray(0, 1001)],
    ["tail", 0, ALL.subarray(-1001)],
    ["both", 501, Buffer.concat([ALL.subarray(0, 501), ALL.subarray(-500)])],
  ] as const) {
    const { stdout, omitted } = await run(act, ["fill", "1", "1000000"], {
      encoding: "buffer",
      maxOutput: { bytes: 1001, keep },
    });
    assert.ok(stdout.equals(expected), keep);
    assert.deepEqual(omitted[1], { bytes: 998_999, at }, keep);
  }
});

test("spill: each fd's whole output in a file of its own", async () => {
  const files = new TemporaryFiles();
  const path = files.path("out");
  const { stdout, fds, omitted } = await run(act, ["fill", "1", "1000000", "fill", "5", "300000", "say", "2", "short"], {
    encoding: "buffer",
    fds: { 5: "pipe" },
    maxOutput: { bytes: 6, keep: "tail", spill: path },
  });
  assert.ok(readFileSync(path).equals(ALL));
  assert.ok(readFileSync(`${path}.5`).equals(ALL.subarray(0, 300_000)));
  assert.throws(() => readFileSync(`${path}.2`), { code: "ENOENT" });
  assert.ok(stdout.equals(ALL.subarray(-6)));
  assert.ok(fds?.[5]?.equals(ALL.subarray(300_000 - 6, 300_000)));
  assert.deepEqual(omitted, {
    1: { bytes: 999_994, at: 0, spill: path },
    5: { bytes: 299_994, at: 0, spill: `${path}.5` },
  });
  files[Symbol.dispose]();
});

test("a spill file that can't be written ends nothing", async () => {
  const result = await run(act, ["fill", "1", "1000000"], { maxOutput: { bytes: 10, spill: "/dev/full" }, encoding: "buffer" });
  assert.equal(result.omitted[1]?.bytes, 999_990);
  assert.equal((result.omitted[1]?.spillError as NodeJS.ErrnoException | undefined)?.code, "ENOSPC");
  assert.equal(result.reason, "exit");
});

test("a spill file in a directory that isn't ours ends nothing", async () => {
  const files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  const { stdout, stderr } = await runNode(
    `const { omitted } = await run("head", ["-c", "100000", "/dev/zero"], {
      maxOutput: { bytes: 10, spill: ${JSON.stringify(files.path("no"))} },
    });
    console.log(omitted[1].bytes, omitted[1].spillError.code);`,
    process.getuid?.() === 0 ? { uid: 65534, gid: 65534, cwd: "/" } : {},
  );
  assert.equal(stdout, process.getuid?.() === 0 ? "99990 EACCES\n" : stdout, stderr);
  files[Symbol.dispose]();
});

test("an error tells what is missing, too; output that was cut by a timeout is counted", async () => {
  await assert.rejects(run(act, ["fill", "1", "5000", "exit", "3"], { maxOutput: 100 }), (error) => {
    assert.ok(error instanceof ExitError);
    assert.equal(error.omitted[1]?.bytes, 4900);
    return true;
  });
  await withLimit(300, async (timeout) => {
    const cut = await run(act, ["fill", "1", "5000", "pause"], { maxOutput: 100, timeout, reject: false });
    assert.equal(cut.reason, "timeout");
    if (cut.stdout === "") return false;
    assert.equal(cut.omitted[1]?.bytes, 4900);
    return true;
  });
});

test("output() of streams that have been touched obeys the same bound, with a file", async () => {
  const files = new TemporaryFiles();
  const path = files.path("out");
  const child = await launch(act, ["fill", "1", "1000000"], { maxOutput: { bytes: 10, keep: "both", spill: path } });
  child.stdout.pause();
  const { stdout, omitted } = await child.output({ encoding: "buffer" });
  assert.ok(stdout.equals(Buffer.concat([ALL.subarray(0, 5), ALL.subarray(-5)])));
  assert.deepEqual(omitted[1], { bytes: 999_990, at: 5, spill: path });
  assert.ok(readFileSync(path).equals(ALL));
  files[Symbol.dispose]();
});

test("text: a character at the seam is left out", async () => {
  const { stdout, omitted } = await run("printf", ["aaé€bb"], { maxOutput: { bytes: 6, keep: "both" } });
  // 2 + 2 + 3 + 2 bytes: the head's three end within é, the tail's three within €.
  assert.equal(stdout, "aabb");
  assert.deepEqual(omitted[1], { bytes: 5, at: 2 });
});
