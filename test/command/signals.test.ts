/**
 * `brood run`: signals are passed on, and brood outlives its command.
 */

import assert from "node:assert/strict";
import { brood, startBrood } from "../helpers/command.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const) {
  test(`${signal} is passed on, and brood's status is the command's`, async () => {
    const name = signal.slice(3);
    // The shell waits in a builtin, so that its trap runs at once.
    const command = startBrood([
      "run",
      "--",
      "sh",
      "-c",
      `trap 'echo got ${name}; exit 9' ${name}; echo ready; while :; do sleep 0.01; done`,
    ]);
    await command.said("ready");
    command.process.kill(signal);
    const result = await command.result;
    assert.equal(result.stdout, `ready\ngot ${name}\n`);
    assert.equal(result.status, 9);
  });
}

/** In the background: tells that whoever started it, sh's $0, has been reaped, and stays. */
const ALONE = 'while kill -0 $0 2>/dev/null; do sleep 0.01; done; echo "alone $$"; exec sleep 1000';

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) {
  for (const [what, flags] of [
    ["holds the output of", ["--idle-timeout", "1h", "--drain", "wait"]],
    ["is contained with", ["--contain=keeper", "--descendants", "wait"]],
  ] as const) {
    test(`${signal} ends brood's wait for what ${what} a command that has ended`, async () => {
      const command = startBrood(["run", ...flags, "--", "sh", "-c", `sh -c '${ALONE}' $$ & exit 7`]);
      await command.said("alone");
      command.process.kill(signal);
      const { status, stdout } = await command.result;
      const pid = Number(/^alone (\d+)$/m.exec(stdout)?.[1]);
      if (flags[0] === "--contain=keeper") await ended(pid);
      else process.kill(pid, "SIGKILL");
      assert.equal(status, 7);
    });
  }
}

test("a signal that ends the command gives 128+n", async () => {
  const command = startBrood(["run", "--", "sh", "-c", "echo ready; exec sleep 60"]);
  await command.said("ready");
  command.process.kill("SIGTERM");
  assert.equal((await command.result).status, 128 + 15);
});

test("--force-kill-after ends a command that ignores the polite signal", async () => {
  // It ignores it from its first moment on.
  const flags = ["--ignore-signal", "TERM", "--timeout", "200", "--force-kill-after", "100", "--report=json"];
  const result = await brood(["run", ...flags, "--", "sleep", "60"]);
  assert.equal(result.status, 124);
  const report = JSON.parse(result.stderr);
  assert.deepEqual([report.reason, report.exit.kind, report.exit.signal], ["timeout", "killed", "SIGKILL"]);
});
