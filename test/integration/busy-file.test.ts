/**
 * ETXTBSY: a file that someone holds open for writing can't be executed.
 */

import assert from "node:assert/strict";
import { closeSync, copyFileSync, openSync } from "node:fs";
import { SpawnError } from "brood";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

function program(files: TemporaryFiles): string {
  copyFileSync(childPath("report"), files.path("program"));
  return files.path("program");
}

test("PITFALL 22: a file that stays open for writing is an error, after a moment", async () => {
  using files = new TemporaryFiles();
  const file = program(files);
  const fd = openSync(file, "r+");
  try {
    await assert.rejects(launch(file, ["1"]), {
      name: "SpawnError",
      code: "ETXTBSY",
      errno: 26,
      stage: "exec",
      path: file,
      file,
    });
  } finally {
    closeSync(fd);
  }
  assert.ok((await reportOf({}, { file })).pid > 0);
});

test("PITFALL 22: a file that was just written, and is closed meanwhile by another process, is tried again", async () => {
  using files = new TemporaryFiles();
  const file = program(files);
  // On a crowded machine the other process may not get to run in time; without a second try it never would.
  for (let round = 1; ; round++) {
    await using holder = await launch(childPath("busy_file"), [file, String(process.pid)]);
    const lines = holder.stdout.lines();
    assert.deepEqual(await lines.next(), { done: false, value: "ready" });
    try {
      assert.ok((await reportOf({}, { file })).pid > 0);
      assert.deepEqual(await lines.next(), { done: false, value: "closed" });
      return;
    } catch (error) {
      assert.ok(error instanceof SpawnError && error.code === "ETXTBSY", String(error));
      assert.ok(round < 10, "ten times it was not tried again");
    }
  }
});
