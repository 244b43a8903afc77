/**
 * Where brood can't work: every entry can be imported all the same, the first use says what is missing, and
 * registration leaves Node its own engine.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "../helpers/test.js";

const define = (name: string, value: string): string =>
  `Object.defineProperty(process, ${JSON.stringify(name)}, { value: ${value} });`;

/** What is done to a Node before it runs, its environment, and what an error then says. */
const ELSEWHERE: Record<string, { before?: string; env?: Record<string, string>; feature: string; message: string }> = {
  "another platform": {
    before: define("platform", '"darwin"'),
    feature: "platform",
    message: "brood works on Linux, this is darwin",
  },
  "another architecture": {
    before: define("arch", '"riscv64"'),
    feature: "platform",
    message: "brood has no native part for riscv64",
  },
  "another runtime": {
    before: define("versions", '{ ...process.versions, bun: "1.4.5" }'),
    feature: "runtime",
    message: "brood works on Node.js; Bun and Deno are not supported yet",
  },
  "no native part": {
    env: { BROOD_NATIVE_PATH: "/nowhere/brood.node" },
    feature: "addon",
    message: "cannot load brood's native part: Cannot find module '/nowhere/brood.node'",
  },
};

const LOOK = `import { once } from "node:events";
  import cp from "node:child_process";
  const [brood, posix, host, protocol, own, { register }] = await Promise.all(process.argv.slice(1).map((entry) => import(entry)));
  const uses = {
    spawn: () => brood.spawn("true"),
    run: () => brood.run("true"),
    runSync: () => brood.runSync("true"),
    spawnAsync: () => brood.spawnAsync("true"),
    forkExec: () => posix.forkExec(["true"], ["/bin/true"]),
    pidfdOpen: () => posix.pidfdOpen(process.pid),
    SpawnHost: () => host.SpawnHost.start(),
    spawnProcess: () => protocol.spawnProcess({}, "true"),
  };
  const errors = {};
  for (const [name, use] of Object.entries(uses)) {
    try { await use(); errors[name] = "none"; }
    catch (error) { errors[name] = [error.code, error.feature, error.message.split("\\n")[0]].join("|"); }
  }
  const registered = register();
  const child = cp.spawn("sh", ["-c", "exit 3"]);
  const childOfModule = own.spawn("sh", ["-c", "exit 4"]);
  const exits = (await Promise.all([once(child, "close"), once(childOfModule, "close")])).map(([code]) => code);
  const sync = [cp.spawnSync("sh", ["-c", "exit 5"]).status, own.spawnSync("sh", ["-c", "exit 6"]).status];
  console.log(JSON.stringify({ errors, registered, exits, sync, brood: child.brood === undefined && childOfModule.brood === undefined }));`;

interface Look {
  errors: Record<string, string>;
  registered: boolean;
  exits: number[];
  sync: number[];
  brood: boolean;
}

const ENTRIES = ["brood", "brood/posix", "brood/host", "brood/protocol", "brood/child_process", "brood/register"];

for (const [where, { before = "", env = {}, feature, message }] of Object.entries(ELSEWHERE)) {
  test(`${where}: importing works, each use is an UnsupportedError, and Node keeps its engine`, () => {
    const preload = `data:text/javascript,${encodeURIComponent(before)}`;
    const args = [
      "--import",
      preload,
      "--input-type=module",
      "--eval",
      LOOK,
      ...ENTRIES.map((entry) => import.meta.resolve(entry)),
    ];
    const { stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      env: { ...process.env, ...env, NODE_DEBUG: "brood" },
    });
    assert.match(stdout, /^\{/, stderr);
    const { errors, ...rest } = JSON.parse(stdout) as Look;
    for (const [name, said] of Object.entries(errors)) assert.equal(said, `ERR_UNSUPPORTED|${feature}|${message}`, name);
    assert.deepEqual(rest, { registered: false, exits: [3, 4], sync: [5, 6], brood: true });
    const notices = stderr.split("\n").filter((line) => line.startsWith("BROOD "));
    assert.ok(notices.length > 0 && notices.every((line) => line.includes(`Node's own child_process stays: ${message}`)), stderr);
  });
}
