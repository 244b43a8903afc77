/**
 * Seccomp filters, as containers and sandboxes install them: which rung of the clone ladder is found to work, and that
 * finding it disturbs nobody.
 *
 * Where Node can start under the filter, it is put there by test/children/filter.c. Node's threads come from clone3
 * (libc falls back to clone for ENOSYS only), and Node itself from execve: filters that answer otherwise are installed
 * from inside, for the main thread alone, by test/children/filter_addon.c.
 */

import assert from "node:assert/strict";
import { childPath } from "../helpers/children.js";
import { inNode } from "../helpers/in-node.js";
import type { NodeOptions } from "../helpers/node.js";
import { test } from "../helpers/test.js";

interface Found {
  rung: string;
  said: string;
  exit: string;
  /** How many came before the first child was started. */
  sigchld: number;
  missing: string;
  killed: [boolean, string];
}

const PROBE = `
import { addon } from ${JSON.stringify(import.meta.resolve("#dist/native/addon.js"))};
import { takeStock } from ${JSON.stringify(import.meta.resolve("../helpers/leaks.js"))};
async function find() {
  let sigchld = 0;
  process.on("SIGCHLD", () => sigchld++);
  // A signal's way to its handler leads through the loop.
  const settled = async () => { for (let i = 0; i < 5; i++) await new Promise(setImmediate); };
  const rung = addon().probe();
  await settled();
  const stray = sigchld;
  const compare = takeStock();
  const child = spawn("cat");
  child.stdin.end("hello");
  const said = await child.stdout.text();
  const exit = await child.closed;
  let missing = "";
  try { spawn("/nowhere/at/all"); } catch (error) { missing = error.code + " " + error.stage; }
  const victim = spawn("cat");
  const killed = [victim.kill("SIGTERM"), (await victim.closed).signal];
  await settled();
  return { rung, said, exit: exit.kind + " " + exit.code, sigchld: stray, missing, killed };
}
const filter = { exports: {} };
process.dlopen(filter, childPath("filter_addon"));
function install(rules) {
  if (filter.exports.install(rules) !== 0) throw new Error("no filter: " + rules);
}
`;

const good = (rung: string): Found => ({
  rung,
  said: "hello",
  exit: "exited 0",
  sigchld: 0,
  missing: "ENOENT exec",
  killed: [true, "SIGTERM"],
});

const NO_RUNG = { env: { BROOD_CLONE: "" } };

function under(rules: string): NodeOptions {
  return { ...NO_RUNG, wrapper: [childPath("filter"), ...rules.split(" "), "--"] };
}

const CLONE_PIDFD = 0x1000;

for (const [rules, rung] of [
  ["setsid=EPERM", "clone3"],
  ["clone3=ENOSYS", "clone"],
  ["clone3=ENOSYS pidfd_open=EPERM", "clone"],
  ["clone3=ENOSYS pidfd_send_signal=ENOSYS", "clone"],
  ["pidfd_open=EPERM pidfd_send_signal=EPERM", "clone3"],
  [`clone3=ENOSYS clone:${CLONE_PIDFD}=EPERM`, "vfork"],
  [`clone3=ENOSYS clone:${CLONE_PIDFD}=EPERM vfork=EPERM`, process.arch === "x64" ? "fork" : "vfork"],
  ["close_range=ENOSYS", "clone3"],
  ["close_range=EPERM clone3=ENOSYS", "clone"],
] as [string, string][]) {
  test(`PITFALLS 10, 12: under the filter ${rules} spawns work, on rung ${rung}`, async () => {
    assert.deepEqual(await inNode<Found>(`${PROBE} done(await find());`, under(rules)), good(rung));
  });
}

for (const [rules, rung] of [
  ["clone3=EPERM", "clone"],
  ["clone3=KILL", "clone"],
  [`clone3=KILL clone:${CLONE_PIDFD}=KILL`, "vfork"],
  ["clone3=EPERM pidfd_open=EPERM", "clone"],
] as [string, string][]) {
  test(`PITFALLS 10, 12: the probe survives ${rules}, nobody gets its SIGCHLD, and rung ${rung} is used`, async () => {
    const found = await inNode<Found>(`${PROBE} install(${JSON.stringify(rules)}); done(await find());`, NO_RUNG);
    assert.deepEqual(found, good(rung));
  });
}

test("PITFALL 12: where nothing gives a pidfd, one error tells so before the child runs", async () => {
  const rules = `clone3=ENOSYS clone:${CLONE_PIDFD}=EPERM pidfd_open=EPERM`;
  const outcome = await inNode<object>(
    `try { spawn("true"); } catch ({ name, code, stage }) { done({ name, code, stage }); }`,
    under(rules),
  );
  assert.deepEqual(outcome, { name: "SpawnError", code: "EPERM", stage: "pidfd" });
});

test("with close_range filtered the parent's fds are still closed in the child", async () => {
  const inherited = await inNode<string>(
    `${PROBE}
     const fd = self.duplicate(0, 50);
     done((await run("ls", ["/proc/self/fd"])).stdout.split("\\n").includes(String(fd)) ? "inherited" : "closed");`,
    under("close_range=ENOSYS"),
  );
  assert.equal(inherited, "closed");
});
