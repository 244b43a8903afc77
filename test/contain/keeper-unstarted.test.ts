/**
 * A keeper's program that can't be executed when the command runs already, and has started others: nothing of it is left, whether
 * or not we are still there. The keeper's exec is held up by a lease on its file (test/children/lease.c), until the command
 * has said that all of its own are away; the file is no program.
 */

import assert from "node:assert/strict";
import { chmodSync, writeFileSync } from "node:fs";
import { spawn } from "brood";
import { childPath } from "../helpers/children.js";
import { AWAY, withMark } from "../helpers/contained.js";
import { TemporaryFiles } from "../helpers/files.js";
import { test } from "../helpers/test.js";

for (const gone of [false, true]) {
  test(`a keeper that can't be executed: nothing is left of what its command has started, ${gone ? "by us, who are killed" : "and we are told"}`, () =>
    withMark(async (mark) => {
      using files = new TemporaryFiles();
      const program = files.path("keeper");
      writeFileSync(program, "not a program");
      chmodSync(program, 0o755);
      const holder = spawn(childPath("lease"), [program], { stderr: "ignore" });
      const lines = holder.stdout.lines();
      holder.stdin.write("t");
      assert.equal((await lines.next()).value, "held");
      const code = `
        import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
        const env = ${JSON.stringify(mark.env)};
        try {
          spawn(${JSON.stringify(childPath("torture"))}, ["stay"], { contain: "keeper", env, stdio: ["ignore", "inherit", "ignore"] });
        } catch ({ name, code, stage }) {
          console.log(JSON.stringify([name, code, stage]));
        }`;
      const client = spawn(process.execPath, ["--input-type=module", "-e", code], {
        env: { BROOD_KEEPER_PATH: program },
        stdin: "ignore",
        stderr: "ignore",
      });
      const said = client.stdout.lines();
      assert.equal((await said.next()).value, `${AWAY} away`);
      assert.equal(mark.living().length, AWAY + 1);
      assert.equal((await lines.next()).value, "asked");
      if (gone) client.kill("SIGKILL");
      if (gone) await client.exited;
      holder.stdin.write("r");
      if (!gone) assert.deepEqual(JSON.parse((await said.next()).value ?? ""), ["SpawnError", "ENOEXEC", "keeper"]);
      assert.deepEqual(await mark.settle(), []);
      await client.exited;
      client[Symbol.dispose]();
      holder.stdin.end();
      await holder.closed;
    }));
}
