/**
 * A child killed before it has become what was asked for is a SpawnError, never a success. The killer is a seccomp filter
 * that Node installed for itself when it needed the call no more: the child inherits it.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";
import { RUNGS } from "./faulty-node.js";

const SETUP = `
import { takeStock } from ${JSON.stringify(import.meta.resolve("../helpers/leaks.js"))};
const filter = { exports: {} };
process.dlopen(filter, childPath("filter_addon"));
await run("true");
let sigchld = 0;
process.on("SIGCHLD", () => sigchld++);
async function trial(file, options) {
  const compare = takeStock();
  let outcome;
  try {
    const child = spawn(file, [], options);
    outcome = { exit: await child.exited };
    await child.closed;
  } catch ({ name, code, stage, message }) {
    outcome = { name, code, stage, message };
  }
  await compare();
  for (let i = 0; i < 5; i++) await new Promise(setImmediate);
  return { outcome, sigchld };
}
`;

interface Trial {
  outcome: object;
  sigchld: number;
}

const killed = {
  name: "SpawnError",
  code: "ERR_SPAWN_KILLED",
  stage: "setup",
  message: 'cannot spawn "cat": the child was killed by SIGSYS during its set-up (ERR_SPAWN_KILLED at setup)',
};

for (const rung of RUNGS) {
  test(`PARITY P15: on rung ${rung} a child killed in a step of its set-up is ERR_SPAWN_KILLED, and leaves nothing`, async () => {
    const { outcome, sigchld } = await inNode<Trial>(
      `${SETUP}
       filter.exports.install("setsid=KILL");
       done(await trial("cat", { session: true }));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual(outcome, killed);
    // vfork(2) knows no other exit signal.
    assert.equal(sigchld, rung === "vfork" ? 1 : 0);
  });
}

for (const rung of ["clone3", "clone", "fork"] as const) {
  test(`PARITY P15: on rung ${rung} a child killed by the call of exec itself is ERR_SPAWN_KILLED, and leaves nothing`, async () => {
    const { outcome, sigchld } = await inNode<Trial>(
      `${SETUP}
       filter.exports.install("execve=KILL");
       done(await trial("cat", {}));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual(outcome, killed);
    assert.equal(sigchld, 0);
  });
}

test("a child killed after its exec is no failed spawn: it ended by that signal", async () => {
  for (const rung of RUNGS) {
    const { outcome } = await inNode<{ outcome: { exit: { kind: string; signal: string } } }>(
      `${SETUP}
       done(await trial("sh", { stdin: Buffer.from("kill -9 $$") }));`,
      { env: { BROOD_CLONE: rung } },
    );
    assert.deepEqual([outcome.exit.kind, outcome.exit.signal], ["killed", "SIGKILL"], rung);
  }
});
