/**
 * runSync without privileges: the same, but that another user is refused, and one who has become another can't be killed.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const NOBODY = { uid: 65534, gid: 65534 };

test("an ordinary user's runSync gives output, takes input, and bounds time", async () => {
  const code = `
    const { runSync } = brood;
    const who = runSync("id", ["-u"]).stdout;
    const copied = runSync("cat", [], { input: "in" }).stdout;
    const late = runSync("sleep", ["1000"], { timeout: 50, reject: false });
    done([process.getuid(), who, copied, late.reason, late.exit.signal]);`;
  assert.deepEqual(await inNode(code, NOBODY), [65534, "65534\n", "in", "timeout", "SIGTERM"]);
});

test("an ordinary user's runSync is held by a process that has left, and tells which", async () => {
  const code = `
    const { runSync } = brood;
    const { stdout, drained, heldBy } = runSync("sh", ["-c", "setsid sleep 1000 & echo $!"], { drain: { timeout: 50 }, reject: false });
    process.kill(Number(stdout));
    done([drained, heldBy.map(({ pid }) => pid === Number(stdout))]);`;
  assert.deepEqual(await inNode(code, NOBODY), [false, [true]]);
});

test("an ordinary user can't run as another, nor what may not be executed", async () => {
  const code = `
    const { runSync } = brood;
    const errors = [];
    for (const [file, options] of [["id", { uid: 0 }], ["id", { groups: [0] }], ["/etc/passwd", {}], ["true", { cwd: "/root" }]]) {
      try { runSync(file, [], options); errors.push("none"); }
      catch ({ name, code, stage }) { errors.push([name, code, stage]); }
    }
    done(errors);`;
  assert.deepEqual(await inNode(code, NOBODY), [
    ["SpawnError", "EPERM", "setgroups"],
    ["SpawnError", "EPERM", "setgroups"],
    ["SpawnError", "EACCES", "exec"],
    ["SpawnError", "EACCES", "chdir"],
  ]);
});
