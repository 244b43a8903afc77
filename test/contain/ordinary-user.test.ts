/**
 * Without privileges: a keeper and a pid namespace hold everything all the same, a cgroup is refused in words.
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { inOtherProcess, withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

const NOBODY = { uid: 65534, gid: 65534 };

for (const contain of ["keeper", "namespace", "auto"]) {
  for (const end of ["process.exit(0)", "process.kill(process.pid, 'SIGKILL')", "process.kill(process.pid, 'SIGSEGV')"]) {
    test(`${contain}: everything ends with us, by ${end}`, () =>
      withMark(async (mark) => {
        const { stdout } = await inOtherProcess({ contain, mark, args: ["stay"], end, uid: NOBODY.uid });
        assert.match(stdout, /^9 away/);
        assert.deepEqual(await mark.settle(), []);
      }));
  }

  test(`${contain}: everything ends by terminate()`, () =>
    withMark(async (mark) => {
      const code = `
        const child = spawn(${JSON.stringify(childPath("torture"))}, ["stay"],
          { contain: ${JSON.stringify(contain)}, env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20 });
        await new Promise((resolve) => child.stdout.once("data", resolve));
        await child.terminate();
        await child.closed;
        done(child.containment);`;
      const verdict = await inNode<{ by: string; ended: unknown[]; survivors: unknown[] }>(code, NOBODY);
      assert.equal(verdict.by, contain === "auto" ? "keeper" : contain);
      assert.equal(verdict.ended.length, 9);
      assert.deepEqual(verdict.survivors, []);
      assert.deepEqual(mark.living(), []);
    }));
}

test("a cgroup that can't be had is an UnsupportedError that says why", async () => {
  const code = `
    try { spawn("true", { contain: "cgroup" }); }
    catch ({ name, code, feature, message }) { done({ name, code, feature, message }); }`;
  const error = await inNode<{ name: string; code: string; feature: string; message: string }>(code, NOBODY);
  assert.deepEqual([error.name, error.code, error.feature], ["UnsupportedError", "ERR_UNSUPPORTED", "cgroup"]);
  assert.match(error.message, /^cannot contain by a cgroup: \/.+: EACCES: permission denied/);
});

test("so is a keeper that can't be executed, and 'auto' takes what is left", async () => {
  const env = { BROOD_KEEPER_PATH: "/nowhere/brood-keeper" };
  const code = `
    const features = [];
    for (const contain of ["keeper", "namespace", "cgroup"]) {
      try { spawn("true", { contain }); } catch ({ feature }) { features.push(feature); }
    }
    const { containment } = await run("true", { contain: "auto" });
    done([...features, containment.by]);`;
  assert.deepEqual(await inNode(code, { env }), ["keeper", "keeper", "keeper", "group"]);
});
