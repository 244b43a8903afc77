/**
 * A keeper on each rung of the clone ladder: what it keeps, and that a failure leaves nothing behind.
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { withMark } from "../helpers/contained.js";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

for (const rung of ["clone3", "clone", "vfork", "fork"]) {
  for (const contain of ["keeper", "namespace", "cgroup"]) {
    const options = { env: { BROOD_CLONE: rung } };

    test(`${rung}: ${contain} holds everything`, () =>
      withMark(async (mark) => {
        const code = `
          const result = await run(${JSON.stringify(childPath("torture"))}, ["leave"],
            { contain: ${JSON.stringify(contain)}, env: ${JSON.stringify(mark.env)}, forceKillAfterDelay: 20, reject: false });
          done([result.exit.code, result.stdout, result.containment.by, result.containment.ended.length]);`;
        assert.deepEqual(await inNode(code, options), [5, "9 away\n", contain, 9]);
        assert.deepEqual(mark.living(), []);
      }));

    test(`${rung}: ${contain}: a spawn that fails says why, and leaves no process and no fd`, async () => {
      const code = `
        const count = () => fs.readdirSync("/proc/self/fd").length;
        const children = () => fs.readFileSync("/proc/self/task/" + process.pid + "/children", "utf8").split(" ").length;
        await run("true", { contain: ${JSON.stringify(contain)} });
        const before = [count(), children()];
        const failures = [];
        for (const [file, options] of [["/nope", {}], ["true", { cwd: "/nope" }], ["/etc/passwd", {}]]) {
          try { spawn(file, { contain: ${JSON.stringify(contain)}, ...options }); }
          catch ({ code, stage }) { failures.push(code + " " + stage); }
        }
        done([failures, [count(), children()], before]);`;
      const [failures, after, before] = await inNode<[string[], number[], number[]]>(code, options);
      assert.deepEqual(failures, ["ENOENT exec", "ENOENT chdir", "EACCES exec"]);
      assert.deepEqual(after, before);
    });
  }
}
