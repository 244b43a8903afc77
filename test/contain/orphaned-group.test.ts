/**
 * The kernel sends SIGHUP to a process group that becomes an orphaned one while a process of it is stopped: _exit(2). A keeper is in
 * another group than its command, and must not be what connects that one, which is ours, with the session.
 */

import assert from "node:assert/strict";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

for (const contain of ["keeper", "namespace", "group"] as const) {
  test(`${contain}: the end of a command sends no SIGHUP to our group, where that is an orphaned one and has a stopped process`, async () => {
    const { stdout, stderr, signal } = await runNode(
      `const stopped = spawn("sleep", ["100"], { stdio: "ignore" });
       const stop = stopped.wait({ stopped: true });
       stopped.kill("SIGSTOP");
       await stop;
       const { containment } = await run("true", { contain: ${JSON.stringify(contain)} });
       console.log(containment.by);
       stopped.kill("SIGKILL");
       await stopped.closed;`,
      { wrapper: ["setsid", "-w"] },
    );
    assert.deepEqual([stdout, stderr, signal], [`${contain}\n`, "", null]);
  });
}
