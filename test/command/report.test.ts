/**
 * `brood run --report`.
 */

import assert from "node:assert/strict";
import { brood } from "../helpers/command.js";
import { test } from "../helpers/test.js";

test("--report tells how a real command went, on stderr", async () => {
  const result = await brood(["run", "--report", "--", "tar", "-C", "/", "-cf", "/dev/null", "usr/share/doc"]);
  assert.equal(result.status, 0);
  assert.equal(result.stdout, "");
  for (const row of [
    "command      tar -C / -cf /dev/null usr/share/doc",
    "state        exited with code 0",
    "reason       exit",
  ]) {
    assert.ok(result.stderr.includes(`brood: ${row}\n`), result.stderr);
  }
  assert.match(result.stderr, /brood: wall time {4}\d+\.\d{3} s\n/);
  assert.match(result.stderr, /brood: max RSS {6}(unknown|[\d.]+ MiB)/);
});

test("--report tells a command on one line, also one of several", async () => {
  const { stderr } = await brood(["run", "--report", "--", "sh", "-c", "true\n# \x1b[1m", "a b", ""]);
  assert.ok(stderr.startsWith('brood: command      sh -c "true\\n# \\u001b[1m" "a b" ""\n'), stderr);
});

test("--report=json has the documented fields", async () => {
  const result = await brood(["run", "--report=json", "--", "sh", "-c", "kill -SEGV $$"]);
  assert.equal(result.status, 128 + 11);
  const report = JSON.parse(result.stderr);
  assert.deepEqual(Object.keys(report), ["command", "args", "reason", "durationMs", "exit", "usage", "containment"]);
  assert.equal(report.command, "sh");
  assert.deepEqual(report.args, ["-c", "kill -SEGV $$"]);
  assert.equal(report.exit.kind, "killed");
  assert.equal(report.exit.signal, "SIGSEGV");
  assert.equal(report.exit.uid, process.getuid?.());
  assert.ok(report.durationMs > 0);
  assert.equal(report.containment, null);
  assert.deepEqual(Object.keys(report.usage).sort(), [
    "blockInput",
    "blockOutput",
    "involuntarySwitches",
    "majorFaults",
    "maxRSS",
    "minorFaults",
    "systemCPU",
    "userCPU",
    "voluntarySwitches",
  ]);
});
