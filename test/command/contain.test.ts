/**
 * `brood run --contain`: nothing of the command is left, however brood ends.
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { brood, startBrood } from "../helpers/command.js";
import { withMark } from "../helpers/contained.js";
import { test } from "../helpers/test.js";

const torture = childPath("torture");
const env = (mark: { env: Record<string, string> }): string[] =>
  Object.entries(mark.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);

test("--contain ends what outlives the command, and the report tells of it", () =>
  withMark(async (mark) => {
    const flags = ["--contain", "--force-kill-after", "20", "--report=json"];
    const result = await brood(["run", ...flags, ...env(mark), "--", torture, "leave"]);
    assert.equal(result.status, 5);
    assert.deepEqual(mark.living(), []);
    const { containment } = JSON.parse(result.stderr);
    assert.ok(["cgroup", "keeper"].includes(containment.by));
    assert.equal(containment.ended.length, 9);
    assert.deepEqual(containment.survivors, []);
  }));

test("--report says it in words", () =>
  withMark(async (mark) => {
    const flags = ["--contain=keeper", "--force-kill-after", "20", "--report"];
    const result = await brood(["run", ...flags, ...env(mark), "--", torture, "leave"]);
    assert.match(result.stderr, /brood: contained by keeper\nbrood: left behind {2}9 ended, 0 live on/);
  }));

test("--descendants wait stays until all of it has ended", async () => {
  const script = "(setsid sh -c 'while kill -0 $1 2>/dev/null; do :; done; echo late' sh $$) & echo early";
  const result = await brood(["run", "--contain=keeper", "--descendants", "wait", "--", "sh", "-c", script]);
  assert.deepEqual([result.status, result.stdout], [0, "early\nlate\n"]);
});

test("a brood that is killed takes everything along", () =>
  withMark(async (mark) => {
    const running = startBrood(["run", "--contain", ...env(mark), "--", torture, "stay"]);
    await running.said("away");
    running.process.kill("SIGKILL");
    assert.deepEqual(await mark.settle(), []);
    await running.result;
  }));

test("what can't be is said in the words of the flags", async () => {
  const rows: [string[], RegExp][] = [
    [["--contain=cage"], /--contain takes auto, cgroup, keeper, namespace, group, not "cage"/],
    [["--descendants", "wait"], /--descendants needs --contain/],
    [["--memory-max", "lots"], /--memory-max takes a size such as 512M, not "lots"/],
    [["--cpu-max", "-1"], /--cpu-max takes a number, not "-1"/],
    [["--uid-map", "0"], /--uid-map takes INSIDE:OUTSIDE\[:COUNT\], such as 0:1000, not "0"/],
    [["--namespaces", "users"], /--namespaces must be one of mount, cgroup, uts/],
  ];
  for (const [flags, says] of rows) {
    const result = await brood(["run", ...flags, "--", "true"]);
    assert.equal(result.status, 125, flags.join(" "));
    assert.match(result.stderr, says);
  }
});
