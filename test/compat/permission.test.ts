/**
 * Under Node's permission model: children are refused as by Node, or get what Node hands on to them.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { ENGINES, type Engine, importOf } from "../helpers/engines.js";
import { test } from "../helpers/test.js";

/** Its name until Node 22.13. */
const MODEL = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
const READ = "--allow-fs-read=*";

/** Runs a module on an engine, under the model; gives what it says as JSON. */
function under(permissions: string[], engine: Engine, code: string): unknown {
  const source = `${importOf(engine)}\nimport { once } from "node:events";\nimport { text } from "node:stream/consumers";\n${code}`;
  const { stdout, stderr } = spawnSync(
    process.execPath,
    ["--no-warnings", MODEL, READ, ...permissions, "--input-type=module", "--eval", source],
    { encoding: "utf8", env: { ...process.env, NODE_OPTIONS: "--title=mine", OWN: "own" } },
  );
  assert.match(stdout, /^[[{"]/, stderr);
  return JSON.parse(stdout);
}

const TELL = `const said = (env) => text(cp.spawn("sh", ["-c", 'echo "$NODE_OPTIONS, $OWN"'], { env }).stdout);
  const child = cp.spawn("true");
  const sync = cp.spawnSync("sh", ["-c", "echo $OWN"], { encoding: "utf8" }).stdout;
  console.log(JSON.stringify([await said(), await said({ OWN: "other" }), sync, child.brood !== undefined]));`;

for (const engine of Object.keys(ENGINES) as Engine[]) {
  test(`a child has NODE_OPTIONS as Node hands them on, and the rest of our environment (${engine})`, () => {
    const permissions = ["--allow-child-process", "--allow-addons"];
    const [own, given, sync, ours] = under(permissions, engine, TELL) as [string, string, string, boolean];
    const [nodesOwn, nodesGiven] = under(permissions, "node", TELL) as [string, string];
    assert.match(own, /^--title=mine\b.*, own\n$/);
    assert.deepEqual([own, given, sync, ours], [nodesOwn, nodesGiven, "own\n", engine !== "node"]);
  });

  test(`where addons are not allowed Node's engine stays (${engine})`, () => {
    const [own, given, sync, ours] = under(["--allow-child-process"], engine, TELL) as [string, string, string, boolean];
    assert.match(own, /^--title=mine\b.*, own\n$/);
    assert.match(given, /, other\n$/);
    assert.deepEqual([sync, ours], ["own\n", false]);
  });

  for (const permissions of [[], ["--allow-addons"]]) {
    test(`children that are not allowed are refused as by Node (${engine}${permissions.length > 0 ? ", with addons" : ""})`, () => {
      const refused = under(
        permissions,
        engine,
        `const told = {};
        for (const [name, ...args] of [["spawn", "true"], ["exec", "true"], ["execFile", "true"], ["fork", "/x"], ["spawnSync", "true"], ["execSync", "true"], ["execFileSync", "true"]]) {
          try { cp[name](...args); told[name] = "none"; } catch ({ code, permission }) { told[name] = code + " " + permission; }
        }
        console.log(JSON.stringify(told));`,
      );
      const names = ["spawn", "exec", "execFile", "fork", "spawnSync", "execSync", "execFileSync"];
      assert.deepEqual(refused, Object.fromEntries(names.map((name) => [name, "ERR_ACCESS_DENIED ChildProcess"])));
    });
  }
}

test("brood's own functions are refused likewise", () => {
  const url = (entry: string): string => JSON.stringify(import.meta.resolve(entry));
  const refused = under(
    ["--allow-addons"],
    "node",
    `import * as brood from ${url("brood")}; import { forkExec } from ${url("brood/posix")};
    import { SpawnHost } from ${url("brood/host")}; import { spawnProcess } from ${url("brood/protocol")};
    const told = {};
    const uses = {
      spawn: () => brood.spawn("true"), run: () => brood.run("true"), runSync: () => brood.runSync("true"),
      spawnAsync: () => brood.spawnAsync("true"), contained: () => brood.spawn("true", { contain: "group" }),
      forkExec: () => forkExec(["true"], ["/bin/true"]), host: () => SpawnHost.start(), spawnProcess: () => spawnProcess({}, "true"),
    };
    for (const [name, use] of Object.entries(uses)) {
      try { await use(); told[name] = "none"; } catch ({ code, permission }) { told[name] = code + " " + permission; }
    }
    console.log(JSON.stringify(told));`,
  ) as Record<string, string>;
  for (const [name, told] of Object.entries(refused)) assert.equal(told, "ERR_ACCESS_DENIED ChildProcess", name);
  assert.equal(Object.keys(refused).length, 8);
});
