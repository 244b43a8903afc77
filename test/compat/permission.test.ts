/**
 * Under Node's permission model: children are refused as by Node, or get what Node hands on to them.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ENGINES, type Engine, importOf } from "../helpers/engines.js";
import { test } from "../helpers/test.js";

/** Its name until Node 22.13. */
const MODEL = process.allowedNodeEnvironmentFlags.has("--permission") ? "--permission" : "--experimental-permission";
const READ = "--allow-fs-read=*";

/** Runs a module on an engine, under the model; gives what it says as JSON. */
function under(permissions: string[], engine: Engine, code: string): unknown {
  return inNode([MODEL, READ, ...permissions], engine, code);
}

function inNode(flags: string[], engine: Engine, code: string, options = "--title=mine"): unknown {
  const source = `${importOf(engine)}\nimport { once } from "node:events";\nimport { text } from "node:stream/consumers";\n${code}`;
  const { stdout, stderr } = spawnSync(process.execPath, ["--no-warnings", ...flags, "--input-type=module", "--eval", source], {
    encoding: "utf8",
    env: { ...process.env, NODE_OPTIONS: options, OWN: "own" },
  });
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

const url = (entry: string): string => JSON.stringify(import.meta.resolve(entry));

test("brood's own functions are refused likewise", () => {
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

/** What brood itself is read from. */
const FOLDERS = ["prebuilds", "dist"].map(
  (name) => `--allow-fs-read=${fileURLToPath(new URL(`../../../${name}/`, import.meta.url))}`,
);

test("where /proc is kept from us, what is to be found there is refused, and a spawn is not", () => {
  const told = inNode(
    [MODEL, ...FOLDERS, "--allow-child-process", "--allow-addons"],
    "node",
    `import * as brood from ${url("brood")};
    const told = {};
    const child = brood.spawn("sleep", ["100"]);
    const uses = { descendants: () => child.descendants(), killTree: () => child.killTree() };
    for (const contain of ["auto", "cgroup", "keeper", "namespace", "group"]) {
      uses[contain] = () => brood.spawn("true", { contain });
      uses["through a host: " + contain] = () => brood.spawnAsync("true", { contain });
    }
    for (const [name, use] of Object.entries(uses)) {
      try { await use(); told[name] = "none"; } catch ({ code, permission }) { told[name] = code + " " + permission; }
    }
    const missing = await brood.run("/nope/nothing").catch(({ message }) => message);
    console.log(JSON.stringify([told, (await child.terminate()).signal, missing]));`,
  ) as [Record<string, string>, string, string];
  const [refusals, ended, missing] = told;
  assert.equal(Object.keys(refusals).length, 12);
  for (const [name, refused] of Object.entries(refusals)) assert.equal(refused, "ERR_ACCESS_DENIED FileSystemRead", name);
  assert.equal(ended, "SIGTERM");
  assert.match(missing, /no such file "\/nope\/nothing", or no interpreter that it names/);
});

test("without --allow-addons the error names that flag", () => {
  const told = under(
    ["--allow-child-process"],
    "node",
    `import { spawn } from ${url("brood")};
    try { spawn("true"); } catch ({ feature, message }) { console.log(JSON.stringify([feature, message])); }`,
  ) as [string, string];
  assert.equal(told[0], "addon");
  assert.match(told[1], /^cannot load brood's native part: .+ \(--allow-addons allows it\)$/);
});

/** The model as a process shows it that audits, on a Node that may not know it yet. */
const SHOWN = `data:text/javascript,${encodeURIComponent("process.permission = { has: () => false };")}`;

for (const [words, options, refused] of [
  [[], "", true],
  [["--permission-audit"], "", false],
  [[], "--permission-audit", false],
  [[], '--title=a "--permission_audit"', false],
  [["--no-permission-audit"], "--permission-audit", true],
  [["--permission-audit", "--permission"], "", true],
] as const) {
  test(`a child is ${refused ? "refused" : "only told of"} by a model started with ${[options, ...words].join(" ") || "neither"}`, () => {
    const told = inNode(
      ["--import", SHOWN],
      "node",
      `process.execArgv = ${JSON.stringify(words)}; process.env.NODE_OPTIONS = ${JSON.stringify(options)};
      const { run } = await import(${url("brood")});
      console.log(JSON.stringify(await run("echo", ["done"]).then(({ stdout }) => stdout, ({ code }) => code)));`,
    );
    assert.equal(told, refused ? "ERR_ACCESS_DENIED" : "done\n");
  });
}

if (process.allowedNodeEnvironmentFlags.has("--permission-audit")) {
  for (const engine of Object.keys(ENGINES) as Engine[]) {
    test(`under --permission-audit nothing is refused, and Node's channel is told (${engine})`, () => {
      const told = inNode(
        ["--permission-audit", "--allow-addons"],
        engine,
        `import { subscribe } from "node:diagnostics_channel"; import * as brood from ${url("brood")};
        let noted = 0;
        subscribe("node:permission-model:child", () => noted++);
        ${TELL.replace("console.log(", "const outcome = (")}
        const before = noted;
        const { stdout } = await brood.run("echo", ["x"], { contain: "auto" });
        console.log(JSON.stringify([outcome, before >= 4, noted > before, stdout]));`,
      ) as [string, boolean, boolean, string];
      const [outcome, theirs, ours, stdout] = told;
      const [own, given, sync, isOurs] = JSON.parse(outcome) as [string, string, string, boolean];
      assert.match(own, /^--title=mine\b.*, own\n$/);
      assert.match(given, /, other\n$/);
      assert.deepEqual([sync, isOurs, theirs, ours, stdout], ["own\n", engine !== "node", true, true, "x\n"]);
    });
  }
}
