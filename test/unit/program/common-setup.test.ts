/**
 * The set-ups that are planned and compiled once: which calls share one, and that no option is lost by it.
 */

import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "#dist/program/compile.js";
import { makePlan } from "#dist/program/make-plan.js";
import { PROGRAM_OPTION_NAMES, type ProgramOptions } from "#dist/program/options.js";
import { ProgramWriter } from "#dist/program/writer.js";
import { compileCall, decodeProgram, fakeFacts, PIPES } from "../../helpers/decode-program.js";

const plan = (options: ProgramOptions, defaults = PIPES) => makePlan("/bin/x", [], options, fakeFacts(), defaults).plan;

/** For each option a value that makes no common set-up, or none at all: then it says nothing of the set-up. */
const OPTIONS: { [Name in keyof ProgramOptions]-?: ProgramOptions | undefined } = {
  argv0: undefined,
  env: undefined,
  extendEnv: undefined,
  path: undefined,
  cwd: { cwd: "/" },
  stdin: { stdin: "inherit" },
  stdout: { stdout: { file: "/f" } },
  stderr: { stderr: { dup: 1 } },
  fds: { fds: {} },
  stdio: { stdio: ["pipe", "pipe", "pipe", "pipe"] },
  closeFds: { closeFds: false },
  passFds: { passFds: [] },
  session: { session: true },
  processGroup: { processGroup: "new" },
  controllingTerminal: { controllingTerminal: false },
  foreground: { foreground: false },
  uid: { uid: 0 },
  gid: { gid: 0 },
  groups: { groups: [] },
  user: { user: "root" },
  umask: { umask: 0 },
  nice: { nice: 0 },
  rlimits: { rlimits: {} },
  cpuAffinity: { cpuAffinity: [0] },
  oomScoreAdj: { oomScoreAdj: 0 },
  noNewPrivs: { noNewPrivs: false },
  parentDeathSignal: { parentDeathSignal: 9 },
  chroot: { chroot: "/" },
  namespaces: { namespaces: [] },
  uidMap: { namespaces: ["user"], uidMap: [{ inside: 0, outside: 0 }] },
  gidMap: { namespaces: ["user"], gidMap: [{ inside: 0, outside: 0 }] },
  restoreSignals: { restoreSignals: false },
  ignoreSignals: { ignoreSignals: [] },
  blockSignals: { blockSignals: [] },
};

test("every option that says something of the set-up makes one of its own", () => {
  for (const name of PROGRAM_OPTION_NAMES as (keyof ProgramOptions)[]) {
    const options = OPTIONS[name];
    if (options === undefined) continue;
    assert.equal(plan(options).setup.common, false, name);
    // Neither own nor enumerable, it counts all the same.
    assert.equal(plan(Object.create(options)).setup.common, false, `${name}, inherited`);
  }
});

test("what is executed says nothing of the set-up", () => {
  const options = { argv0: "a", env: { A: "1" }, extendEnv: false, path: ["/p"] };
  assert.equal(plan(options).setup, plan({}).setup);
});

test("the same words are the same set-up, however they are written", () => {
  const ignore = plan({ stdio: "ignore" }).setup;
  assert.equal(ignore.common, true);
  assert.equal(plan({ stdio: ["ignore", "ignore", "ignore"] }).setup, ignore);
  assert.equal(plan({ stdin: "ignore", stdout: "ignore", stderr: "ignore" }).setup, ignore);
  assert.equal(plan({}, ["ignore", "ignore", "ignore"]).setup, ignore);
  assert.notEqual(plan({ stdin: "ignore" }).setup, ignore);
  assert.equal(plan({ stdio: ["close"] }).setup, plan({ stdin: "close" }).setup);
  assert.equal(plan({ stdio: [null, undefined, "close"] }).setup, plan({ stderr: "close" }).setup);
});

test("a conflict is one, also between words", () => {
  assert.throws(() => plan({ stdio: "ignore", stdin: "ignore" }), { code: "ERR_OPTION_CONFLICT" });
});

test("a program with a common set-up is the same each time, and as if it had one of its own", () => {
  const writer = new ProgramWriter();
  for (const options of [
    {},
    { stdio: "ignore" },
    { stdin: "close" },
    { stdio: ["ignore", "pipe", "pipe"] },
  ] as ProgramOptions[]) {
    const shared = compileCall("/bin/x", ["a"], options);
    assert.equal(shared.plan.setup.common, true);
    const own = { ...shared.plan, setup: { ...shared.plan.setup, common: false } };
    const alone = compile(own, writer);
    assert.deepEqual(decodeProgram(new Uint8Array(alone.bytes)), decodeProgram(shared.bytes));
    assert.deepEqual(alone.subjects, shared.program.subjects);
    const again = compile(shared.plan, writer);
    assert.deepEqual(decodeProgram(new Uint8Array(again.bytes)), decodeProgram(shared.bytes));
  }
});
