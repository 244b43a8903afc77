/**
 * Wrong calls of spawn and run: for every option the class, the code and the words of its error, and that
 * nothing was created. What each check does in detail is tested beside it, under program/ and kernel/.
 */

import assert from "node:assert/strict";
import { PassThrough } from "node:stream";
import { AbortError, BroodError, run, runSync, SpawnError, spawn } from "brood";
import { FOREIGN_OPTIONS } from "#dist/process/foreign-options.js";
import { RUN_OPTION_NAMES, SPAWN_OPTION_NAMES } from "#dist/process/options.js";
import { RUN_SYNC_OPTION_NAMES } from "#dist/process/run-sync.js";
import { test } from "../helpers/test.js";
import { CONFLICT, LONE, RANGE, SIGNAL, TYPE, UNKNOWN, VALUE } from "../helpers/wrong-calls.js";

const NOT_OPEN = { name: "SpawnError", code: "EBADF" };

function nothing(): never {
  throw new Error("not to be looked at");
}

/** Above every limit on fds. */
const FD = 0x7ffffffe;

type Row = [options: object, expected: { name: string; code: string }, says: string];

/** By option; run's own are at the end. */
const rows: Record<string, Row[]> = {
  argv0: [
    [{ argv0: 5 }, TYPE, "options.argv0 must be a string or a Uint8Array, not 5"],
    [{ argv0: "a\0" }, VALUE, "options.argv0 must not contain a NUL"],
    [{ argv0: LONE }, VALUE, "options.argv0 must not contain a lone surrogate"],
    [{ argv0: null }, TYPE, "options.argv0 must be"],
  ],
  cwd: [
    [{ cwd: "" }, VALUE, "options.cwd must not be empty"],
    [{ cwd: "a\0" }, VALUE, "options.cwd must not contain a NUL"],
    [{ cwd: LONE }, VALUE, "options.cwd must not contain a lone surrogate"],
    [{ cwd: {} }, TYPE, "options.cwd must be"],
    [{ cwd: Object.create(null) }, TYPE, "not an instance of Object"],
    [{ cwd: { constructor: { name: Symbol("name") } } }, TYPE, "not an instance of Object"],
    [{ cwd: new Proxy({}, { get: nothing }) }, TYPE, "not an instance of Object"],
    [
      { cwd: new URL("file:///a%ff") },
      VALUE,
      'options.cwd must be a file: URL of UTF-8: give the path as bytes (got "file:///a%ff")',
    ],
    [{ cwd: -1 }, RANGE, "options.cwd must be an integer from 0"],
    [{ cwd: 1.5 }, RANGE, "options.cwd must be an integer from 0"],
    [{ cwd: FD }, VALUE, "options.cwd must be an open fd"],
    [{ cwd: new URL("https://example.org/") }, VALUE, "options.cwd must be a file: URL"],
  ],
  env: [
    [{ env: "A=1" }, TYPE, "options.env must be an object"],
    [{ env: ["A=1"] }, TYPE, "an entry of options.env must be a pair"],
    [{ env: { "A=B": "1" } }, VALUE, 'must not contain "="'],
    [{ env: { "": "1" } }, VALUE, "must not be empty"],
    [{ env: { "A\0": "1" } }, VALUE, "must not contain a NUL"],
    [{ env: { A: "1\0" } }, VALUE, "options.env.A must not contain a NUL"],
    [{ env: { A: LONE } }, VALUE, "options.env.A must not contain a lone surrogate"],
    [{ env: { [LONE]: "1" } }, VALUE, "must not contain a lone surrogate"],
    [{ env: { A: 1 } }, TYPE, "options.env.A must be a string"],
    [{ env: Promise.resolve({}) }, TYPE, "options.env must be an object or name and value pairs, not an instance of Promise"],
  ],
  extendEnv: [[{ extendEnv: "no" }, TYPE, 'options.extendEnv must be a boolean, not "no"']],
  path: [
    [{ path: 5 }, TYPE, "options.path must be an array"],
    [{ path: "/a\0" }, VALUE, "options.path must not contain a NUL"],
    [{ path: ["/a", LONE] }, VALUE, "options.path[1] must not contain a lone surrogate"],
    [{ path: [""] }, VALUE, "options.path[0] must not be empty"],
    [{ path: [] }, VALUE, "options.path must name at least one directory"],
  ],
  stdin: [
    [{ stdin: true }, TYPE, "options.stdin must be a word, an fd, a stream or an object"],
    [{ stdin: "pip" }, VALUE, 'did you mean "pipe"?'],
    [{ stdin: LONE }, VALUE, "options.stdin must not contain a lone surrogate"],
    [{ stdin: -1 }, RANGE, "options.stdin must be an integer from 0"],
    [{ stdin: FD }, NOT_OPEN, `options.stdin names fd ${FD}, which is not open`],
    [{ stdin: { file: "a\0" } }, VALUE, "options.stdin.file must not contain a NUL"],
    [{ stdin: new PassThrough() }, VALUE, "options.stdin is a stream without an fd of its own"],
  ],
  stdout: [
    [{ stdout: "text" }, VALUE, "options.stdout must be one of pipe, ignore, inherit, close, socket"],
    [{ stdout: {} }, TYPE, "options.stdout must be a word"],
    [{ stdout: "out.txt" }, VALUE, "an fd, a stream or an object: a file is { file }"],
    [{ stdout: "ipc" }, VALUE, "there is no channel for messages"],
    [{ stdout: { file: "x", mode: "rw" } }, VALUE, "options.stdout.mode must be one of r, r+"],
    [{ stdout: { file: "x", mode: null } }, VALUE, "options.stdout.mode must be one of r, r+"],
    [{ stdout: { pipe: "r", size: 0 } }, RANGE, "options.stdout.size must be an integer from 1 to 2147483647"],
    [{ stdout: { dup: 1 } }, VALUE, "options.stdout is a duplicate of itself"],
    [{ stdout: { fd: FD } }, NOT_OPEN, `options.stdout names fd ${FD}`],
  ],
  stderr: [
    [{ stderr: "inhert" }, VALUE, 'did you mean "inherit"?'],
    [{ stderr: { dup: 9 } }, VALUE, "options.stderr.dup must be an fd that the child has"],
    [{ stderr: null }, TYPE, "options.stderr must be a word"],
  ],
  fds: [
    [{ fds: 5 }, TYPE, "options.fds must be an object"],
    [{ fds: new Map([[3, "pipe"]]) }, TYPE, "options.fds must be an object, not an instance of Map"],
    [{ fds: { "-1": "pipe" } }, RANGE, "an fd in options.fds must be an integer from 0"],
    [{ fds: { x: "pipe" } }, RANGE, "an fd in options.fds must be an integer from 0"],
    [
      { fds: { 3: "pip" } },
      VALUE,
      "options.fds[3] must be one of pipe, ignore, inherit, close, socket, an fd, a stream or an object, did",
    ],
    [{ fds: { 1: "pipe" }, stdout: "pipe" }, CONFLICT, "fd 1 of the child is given twice: options.stdout and options.fds[1]"],
    [{ fds: { [FD]: "inherit" } }, NOT_OPEN, `fd ${FD}, which is not open`],
  ],
  stdio: [
    [{ stdio: 5 }, TYPE, "options.stdio must be an array"],
    [{ stdio: ["pipe", "pip"] }, VALUE, 'did you mean "pipe"?'],
    [
      { stdio: "pipe", stdout: "pipe" },
      CONFLICT,
      "options.stdio excludes stdin, stdout, stderr and fds: give all of them in stdio",
    ],
    [{ stdio: [], fds: {} }, CONFLICT, "options.stdio excludes"],
    [{ stdio: ["ignore", FD] }, NOT_OPEN, "options.stdio[1] names fd"],
  ],
  contain: [
    [{ contain: "cgroups" }, VALUE, "options.contain must be false or one of auto, cgroup, keeper, namespace, group"],
    [{ contain: true }, VALUE, "options.contain must be false or one of"],
    [{ contain: "auto", detached: true }, CONFLICT, "options.contain ends with us, and options.detached does not"],
    [{ contain: "auto", cleanup: false }, CONFLICT, "options.contain ends with us: cleanup can't be false"],
    [{ contain: "group", processGroup: 1 }, CONFLICT, "needs a group of the command's own"],
    [{ contain: "namespace", processGroup: 1 }, CONFLICT, "can't join a process group of ours"],
    [{ namespaces: ["pid"], processGroup: 1 }, CONFLICT, "can't join a process group of ours"],
    [{ contain: "keeper", namespaces: ["pid"] }, CONFLICT, 'needs options.contain to be "namespace"'],
    [{ contain: false, namespaces: ["pid"] }, CONFLICT, 'excludes "contain: false"'],
  ],
  descendants: [
    [{ contain: "auto", descendants: "end" }, VALUE, "options.descendants must be one of kill, wait, leave"],
    [{ descendants: "kill" }, CONFLICT, "options.descendants needs options.contain"],
    [{ contain: "namespace", descendants: "leave" }, CONFLICT, "nothing outlives a pid namespace"],
  ],
  memoryMax: [
    [{ contain: "auto", memoryMax: -1 }, RANGE, "options.memoryMax must be an integer from 0"],
    [{ contain: "auto", memoryMax: "1G" }, TYPE, "options.memoryMax must be a number"],
    [{ memoryMax: 1 }, CONFLICT, "options.memoryMax, pidsMax and cpuMax need options.contain"],
    [{ contain: "keeper", memoryMax: 1 }, CONFLICT, 'need a cgroup, not "keeper"'],
  ],
  pidsMax: [[{ contain: "auto", pidsMax: 0 }, RANGE, "options.pidsMax must be an integer from 1"]],
  cpuMax: [
    [{ contain: "auto", cpuMax: "1" }, TYPE, "options.cpuMax must be a number of CPUs"],
    [{ contain: "auto", cpuMax: Number.NaN }, RANGE, "options.cpuMax must be from 0.01 to 8192 CPUs, not NaN"],
    [{ contain: "auto", cpuMax: 0 }, RANGE, "options.cpuMax must be from 0.01 to 8192 CPUs"],
  ],
  namespaces: [
    [{ namespaces: "user" }, TYPE, "options.namespaces must be an array"],
    [{ namespaces: ["network"] }, VALUE, "options.namespaces[0] must be one of mount, cgroup, uts, ipc, user, pid, net"],
    [{ namespaces: [1] }, TYPE, "options.namespaces[0] must be a string"],
    // What every object has is no namespace.
    [{ namespaces: ["constructor"] }, VALUE, "options.namespaces[0] must be one of"],
    [{ namespaces: ["__proto__"] }, VALUE, "options.namespaces[0] must be one of"],
  ],
  uidMap: [
    [{ uidMap: [{ inside: 0, outside: 0 }] }, CONFLICT, 'options.uidMap needs "user" in options.namespaces'],
    [{ namespaces: ["user"], uidMap: {} }, TYPE, "options.uidMap must be an array"],
    [{ namespaces: ["user"], uidMap: [] }, VALUE, "options.uidMap must have 1 to 340 ranges"],
    [{ namespaces: ["user"], uidMap: [{ inside: 0 }] }, TYPE, "options.uidMap[0].outside must be a number"],
    [{ namespaces: ["user"], uidMap: [{ from: 0 }] }, UNKNOWN, "options.uidMap[0] has no such option"],
  ],
  gidMap: [
    [{ gidMap: [] }, CONFLICT, 'options.gidMap needs "user" in options.namespaces'],
    [
      { namespaces: ["user"], gidMap: [{ inside: 0, outside: 0, count: 0 }] },
      RANGE,
      "options.gidMap[0].count must be an integer",
    ],
  ],
  closeFds: [[{ closeFds: 0 }, TYPE, "options.closeFds must be a boolean"]],
  passFds: [
    [{ passFds: 5 }, TYPE, "options.passFds must be an array"],
    [{ passFds: ["5"] }, TYPE, "options.passFds[0] must be a number"],
    [{ passFds: [-1] }, RANGE, "options.passFds[0] must be an integer from 0"],
    [{ passFds: [2] }, VALUE, "options.passFds[0] must be 3 or more"],
    [{ passFds: [5, 5], fds: {} }, CONFLICT, "fd 5 of the child is given twice"],
    [{ passFds: [5], fds: { 5: "pipe" } }, CONFLICT, "fd 5 of the child is given twice"],
    [{ passFds: [FD] }, NOT_OPEN, "options.passFds[0] names fd"],
  ],
  session: [[{ session: 1 }, TYPE, "options.session must be a boolean"]],
  processGroup: [
    [{ processGroup: "mine" }, TYPE, 'options.processGroup must be "new" or the id of a process group'],
    [{ processGroup: 0 }, RANGE, "options.processGroup must be an integer from 1"],
    [{ processGroup: "new", session: true }, CONFLICT, "options.session and options.processGroup exclude each other"],
    [{ processGroup: "new", detached: true }, CONFLICT, "options.detached and options.processGroup exclude each other"],
  ],
  controllingTerminal: [
    [{ controllingTerminal: true }, CONFLICT, "options.controllingTerminal needs options.session"],
    [{ controllingTerminal: "tty", session: true }, TYPE, "options.controllingTerminal must be a number"],
    [{ controllingTerminal: -1, session: true }, RANGE, "options.controllingTerminal must be an integer from 0"],
  ],
  foreground: [
    [{ foreground: true }, CONFLICT, "options.foreground needs options.processGroup"],
    [{ foreground: true, session: true }, CONFLICT, "options.foreground needs options.processGroup"],
    [{ foreground: "tty", processGroup: "new" }, TYPE, "options.foreground must be a number"],
    [{ foreground: -1, processGroup: "new" }, RANGE, "options.foreground must be an integer from 0"],
    [{ foreground: 7, processGroup: "new" }, VALUE, "options.foreground must be an fd that the child has"],
    [{ foreground: true, processGroup: "new", stdin: "close" }, VALUE, "options.foreground must be an fd that the child has"],
  ],
  uid: [
    [{ uid: "0" }, TYPE, "options.uid must be a number"],
    [{ uid: -1 }, RANGE, "options.uid must be an integer from 0 to 4294967294"],
    [{ uid: 0xffffffff }, RANGE, "options.uid must be an integer from 0 to 4294967294"],
    [{ uid: 0xfffffff0 }, VALUE, "options.gid is needed: uid 4294967280 has no account"],
  ],
  gid: [
    [{ gid: {} }, TYPE, "options.gid must be a number"],
    [{ gid: 1.5 }, RANGE, "options.gid must be an integer from 0"],
  ],
  groups: [
    [{ groups: 5 }, TYPE, "options.groups must be an array"],
    [{ groups: [0, "5"] }, TYPE, "options.groups[1] must be a number"],
    [{ groups: new Array(1) }, TYPE, "options.groups[0] must be a number"],
    [{ groups: [-1] }, RANGE, "options.groups[0] must be an integer from 0"],
  ],
  user: [
    [{ user: 0 }, TYPE, "options.user must be the name of an account"],
    [{ user: "no such account" }, VALUE, "options.user must be an account of this system"],
    [{ user: "" }, VALUE, "options.user must be an account of this system"],
    [{ user: "ro\0ot" }, VALUE, "options.user must not contain a NUL"],
    [{ user: "root", uid: 0 }, CONFLICT, "options.user and options.uid exclude each other"],
  ],
  umask: [
    [{ umask: "022" }, TYPE, "options.umask must be a number"],
    [{ umask: 0o1000 }, RANGE, "options.umask must be an integer from 0 to 0o777"],
  ],
  nice: [
    [{ nice: 20 }, RANGE, "options.nice must be an integer from -20 to 19"],
    [{ nice: 0.5 }, RANGE, "options.nice must be an integer from -20 to 19"],
    [{ nice: 1n }, TYPE, "options.nice must be a number"],
  ],
  rlimits: [
    [{ rlimits: [] }, TYPE, "options.rlimits must be an object"],
    [{ rlimits: new Map([["nofile", 5]]) }, TYPE, "options.rlimits must be an object, not an instance of Map"],
    [{ rlimits: { as: 2 ** 63 } }, RANGE, "options.rlimits.as must be a bigint where it is above 2^53-1, not 92233720"],
    [{ rlimits: { nofiles: 5 } }, UNKNOWN, 'did you mean "nofile"?'],
    [{ rlimits: { RLIMIT_NOFILE: 5 } }, UNKNOWN, "options.rlimits has no such limit: it is called nofile"],
    [{ rlimits: { memory: 5 } }, UNKNOWN, "options.rlimits has no such limit: data bounds what each process allocates"],
    [{ rlimits: { nofile: -5 } }, RANGE, "options.rlimits.nofile must be an integer, 0 or more"],
    [{ rlimits: { nofile: "lots" } }, TYPE, "options.rlimits.nofile must be a number"],
    [{ rlimits: { nofile: { soft: 2, hard: 1 } } }, RANGE, "options.rlimits.nofile.soft must be at most the hard limit"],
  ],
  cpuAffinity: [
    [{ cpuAffinity: 0 }, TYPE, "options.cpuAffinity must be an array"],
    [{ cpuAffinity: [] }, VALUE, "options.cpuAffinity must name at least one CPU"],
    [{ cpuAffinity: [8192] }, RANGE, "options.cpuAffinity[0] must be an integer from 0 to 8191"],
    [{ cpuAffinity: new Array(2) }, TYPE, "options.cpuAffinity[0] must be a number"],
  ],
  oomScoreAdj: [[{ oomScoreAdj: -1001 }, RANGE, "options.oomScoreAdj must be an integer from -1000 to 1000"]],
  noNewPrivs: [[{ noNewPrivs: "yes" }, TYPE, "options.noNewPrivs must be a boolean"]],
  parentDeathSignal: [
    [{ parentDeathSignal: "SIGFOO" }, SIGNAL, "options.parentDeathSignal must be a signal of this system"],
    [{ parentDeathSignal: 0 }, SIGNAL, "options.parentDeathSignal must be a signal number from 1 to 64"],
    [{ parentDeathSignal: true }, TYPE, "options.parentDeathSignal must be the name or number of a signal"],
  ],
  chroot: [
    [{ chroot: "" }, VALUE, "options.chroot must not be empty"],
    [{ chroot: 5 }, TYPE, "options.chroot must be a string"],
    [{ chroot: "/a\0" }, VALUE, "options.chroot must not contain a NUL"],
  ],
  restoreSignals: [
    [{ restoreSignals: true }, VALUE, 'options.restoreSignals must be "runtime", "all" or false'],
    [{ restoreSignals: "none" }, VALUE, 'options.restoreSignals must be "runtime", "all" or false'],
    [{ restoreSignals: null }, VALUE, 'options.restoreSignals must be "runtime", "all" or false'],
    [{ restoreSignals: "false" }, VALUE, 'options.restoreSignals must be "runtime", "all" or false'],
    [{ restoreSignals: ["all"] }, VALUE, 'options.restoreSignals must be "runtime", "all" or false'],
  ],
  ignoreSignals: [
    [{ ignoreSignals: "SIGINT" }, TYPE, "options.ignoreSignals must be an array"],
    [
      { ignoreSignals: ["SIGINT", "int"] },
      SIGNAL,
      'options.ignoreSignals[1] must be a signal of this system, did you mean "SIGINT"?',
    ],
    [{ ignoreSignals: new Array(1) }, TYPE, "options.ignoreSignals[0] must be the name or number"],
  ],
  blockSignals: [[{ blockSignals: [65] }, SIGNAL, "options.blockSignals[0] must be a signal number from 1 to 64"]],
  signal: [
    [{ signal: new AbortController() }, TYPE, "options.signal must be an AbortSignal, not an instance of AbortController"],
    [{ signal: "SIGTERM" }, TYPE, "options.signal must be an AbortSignal"],
  ],
  timeout: [
    [{ timeout: "5s" }, TYPE, "options.timeout must be a number of milliseconds"],
    [{ timeout: -1 }, RANGE, "options.timeout must be from 0 to 2147483647 milliseconds"],
    [{ timeout: Number.NaN }, RANGE, "options.timeout must be from 0"],
    [{ timeout: Number.POSITIVE_INFINITY }, RANGE, "options.timeout must be from 0"],
    [{ timeout: 2 ** 31 }, RANGE, "options.timeout must be from 0"],
  ],
  idleTimeout: [
    [{ idleTimeout: "5s" }, TYPE, "options.idleTimeout must be a number of milliseconds"],
    [{ idleTimeout: -1 }, RANGE, "options.idleTimeout must be from 0 to 2147483647 milliseconds"],
    [{ idleTimeout: Number.NaN }, RANGE, "options.idleTimeout must be from 0"],
  ],
  drain: [
    [{ drain: 5 }, TYPE, "options.drain must be an object"],
    [{ drain: null }, TYPE, "options.drain must be an object"],
    [{ drain: { idle: -1 } }, RANGE, "options.drain.idle must be from 0"],
    [{ drain: { timeout: "1" } }, TYPE, "options.drain.timeout must be a number of milliseconds"],
    [{ drain: { then: "stop" } }, VALUE, 'options.drain.then must be "wait", "close" or "error"'],
    [{ drain: { timeOut: 1 } }, UNKNOWN, 'did you mean "timeout"?'],
  ],
  maxOutput: [
    [{ maxOutput: "1k" }, TYPE, "options.maxOutput must be a number"],
    [{ maxOutput: -1 }, RANGE, "options.maxOutput must be an integer from 0"],
    [{ maxOutput: 1.5 }, RANGE, "options.maxOutput must be an integer from 0"],
    [{ maxOutput: null }, TYPE, "options.maxOutput must be"],
    [{ maxOutput: {} }, TYPE, "options.maxOutput.bytes must be a number"],
    [{ maxOutput: { bytes: 1, keep: "middle" } }, VALUE, "options.maxOutput.keep must be one of head, tail, both"],
    [{ maxOutput: { bytes: 1, spill: "" } }, VALUE, "options.maxOutput.spill must not be empty"],
    [{ maxOutput: { bytes: 1, spill: "a\0" } }, VALUE, "options.maxOutput.spill must not contain a NUL"],
    [{ maxOutput: { byts: 1 } }, UNKNOWN, 'did you mean "bytes"?'],
  ],
  killSignal: [
    [{ killSignal: "TERM" }, SIGNAL, 'options.killSignal must be a signal of this system, did you mean "SIGTERM"?'],
    [{ killSignal: 0 }, SIGNAL, "options.killSignal must be a signal number from 1 to 64"],
    [{ killSignal: {} }, TYPE, "options.killSignal must be the name or number of a signal"],
  ],
  forceKillAfterDelay: [
    [{ forceKillAfterDelay: true }, TYPE, "options.forceKillAfterDelay must be a number of milliseconds"],
    [{ forceKillAfterDelay: -1 }, RANGE, "options.forceKillAfterDelay must be from 0"],
  ],
  cleanup: [
    [{ cleanup: 1 }, TYPE, "options.cleanup must be a boolean"],
    [{ cleanup: true, detached: true }, CONFLICT, "options.detached is not cleaned up: cleanup can't be true"],
  ],
  detached: [
    [{ detached: "yes" }, TYPE, "options.detached must be a boolean"],
    [{ detached: true, session: false }, CONFLICT, "options.detached is a session of its own: session can't be false"],
  ],
};

const runRows: Record<string, Row[]> = {
  input: [
    [{ input: 5 }, TYPE, "options.input must be a string"],
    [{ input: {} }, TYPE, "options.input must be a string"],
    [{ input: LONE }, VALUE, "options.input must not contain a lone surrogate"],
    [{ input: "x", stdin: "pipe" }, CONFLICT, "options.input excludes"],
    [{ input: "x", stdio: "pipe" }, CONFLICT, "options.input excludes"],
    [{ input: "x", fds: { 0: "ignore" } }, CONFLICT, "options.input excludes"],
  ],
  encoding: [
    [{ encoding: "latin1" }, VALUE, 'options.encoding must be "utf8" or "buffer"'],
    [{ encoding: 5 }, VALUE, 'options.encoding must be "utf8" or "buffer"'],
    [{ encoding: null }, VALUE, 'options.encoding must be "utf8" or "buffer"'],
  ],
  reject: [[{ reject: 0 }, TYPE, "options.reject must be a boolean"]],
};

type Spawn = (...args: unknown[]) => unknown;

/** Calls spawn and run wrongly: both must fail alike, spawn at once. */
async function refused(args: unknown[], expected: { name: string; code: string }, says: string, runOnly = false): Promise<void> {
  const check = (error: NodeJS.ErrnoException): true => {
    assert.equal(error.name, expected.name, error.message);
    assert.equal(error.code, expected.code, error.message);
    assert.ok(error.message.includes(says), `${JSON.stringify(error.message)} does not say ${JSON.stringify(says)}`);
    assert.equal(error instanceof BroodError, expected === NOT_OPEN);
    return true;
  };
  if (!runOnly) assert.throws(() => (spawn as Spawn)(...args), check);
  await assert.rejects(async () => (run as Spawn)(...args), check);
  const names = Object.keys(args.find((arg) => typeof arg === "object" && !Array.isArray(arg)) ?? {});
  const refusedThere = names.some((name) => RUN_OPTION_NAMES.includes(name) && !RUN_SYNC_OPTION_NAMES.includes(name));
  assert.throws(() => (runSync as Spawn)(...args), refusedThere ? UNKNOWN : check);
}

test("every option has its rows", () => {
  assert.deepEqual(Object.keys(rows).sort(), [...SPAWN_OPTION_NAMES].sort());
  assert.deepEqual([...Object.keys(rows), ...Object.keys(runRows)].sort(), [...RUN_OPTION_NAMES].sort());
});

for (const [option, list] of Object.entries(rows)) {
  test(`options.${option}`, async () => {
    for (const [options, expected, says] of list) await refused(["true", [], options], expected, says);
  });
}

for (const [option, list] of Object.entries(runRows)) {
  test(`options.${option} of run`, async () => {
    for (const [options, expected, says] of list) await refused(["true", [], options], expected, says, true);
    for (const [options] of list) assert.throws(() => (spawn as Spawn)("true", [], options), UNKNOWN);
  });
}

test("file", async () => {
  await refused([""], VALUE, "file must not be empty");
  await refused(["a\0b"], VALUE, "file must not contain a NUL");
  await refused([LONE], VALUE, "file must not contain a lone surrogate");
  await refused([new Uint8Array([47, 0])], VALUE, "file must not contain a NUL");
  await refused([], TYPE, "file must be a string, a Uint8Array or a file: URL, not undefined");
  await refused([["ls"]], TYPE, "file must be");
  await refused([new URL("https://example.org/ls")], VALUE, "file must be a file: URL");
});

test("args", async () => {
  await refused(["true", "-l"], TYPE, 'args must be an array, not "-l"');
  await refused(["true", [1]], TYPE, "args[0] must be a string or a Uint8Array, not 1");
  await refused(["true", ["a", undefined]], TYPE, "args[1] must be");
  await refused(["true", new Array(1)], TYPE, "args[0] must be");
  await refused(["true", ["a", "b\0"]], VALUE, "args[1] must not contain a NUL");
  await refused(["true", [LONE]], VALUE, "args[0] must not contain a lone surrogate");
  await refused(["true", {}, {}], TYPE, "args must be an array");
});

test("what has no names and values is not taken for options without any", async () => {
  await refused(["true", new Set(["-l"])], TYPE, "args must be an array, not an instance of Set");
  await refused(["true", Promise.resolve(["-l"])], TYPE, "args must be an array, not an instance of Promise");
  await refused(["true", Buffer.alloc(0)], TYPE, "args must be an array, not an instance of Buffer");
  await refused(["true", [], new Map([["cwd", "/"]])], TYPE, "options must be an object, not an instance of Map");
  await refused(["true", [], Promise.resolve({ cwd: "/" })], TYPE, "options must be an object, not an instance of Promise");
});

test("a path is checked also where the file is not sought", async () => {
  await refused(["/bin/true", [], { path: 5 }], TYPE, "options.path must be an array");
  await refused(["/bin/true", [], { path: [] }], VALUE, "options.path must name at least one directory");
});

test("options as a whole, and unknown ones", async () => {
  await refused(["true", [], null], TYPE, "options must be an object, not null");
  await refused(["true", [], "quiet"], TYPE, "options must be an object");
  await refused(["true", [], []], TYPE, "options must be an object");
  await refused(["true", { timout: 5 }], UNKNOWN, 'options has no such option, did you mean "timeout"?');
  const meant: [typo: string, name: string][] = [
    ["killsignal", "killSignal"],
    ["forceKillAfterDealy", "forceKillAfterDelay"],
    ["stdErr", "stderr"],
    ["sesion", "session"],
    ["umaks", "umask"],
    ["passFDs", "passFds"],
  ];
  for (const [typo, name] of meant) await refused(["true", [], { [typo]: 1 }], UNKNOWN, `did you mean "${name}"?`);
  await refused(["true", [], { environment: undefined }], UNKNOWN, 'options has no such option (got "environment")');
  for (const [name, advice] of Object.entries(FOREIGN_OPTIONS)) {
    if (RUN_OPTION_NAMES.includes(name)) continue;
    await refused(["true", [], { [name]: undefined }], UNKNOWN, `options has no such option: ${advice} (got "${name}")`);
  }
});

test("what another function has is told where it is asked of one that doesn't", () => {
  for (const name of ["input", "encoding", "reject", "preexec"]) {
    const call = (): unknown => spawn("true", [], { [name]: undefined } as never);
    assert.throws(call, {
      code: "ERR_UNKNOWN_OPTION",
      message: `options has no such option: ${FOREIGN_OPTIONS[name]} (got "${name}")`,
    });
  }
});

test("a source that isn't open is a SpawnError that names the fd", async () => {
  assert.throws(
    () => spawn("true", [], { stdin: FD }),
    (error) => {
      assert.ok(error instanceof SpawnError);
      assert.deepEqual([error.stage, error.errno, error.fd, error.file], ["dup", 9, FD, "true"]);
      assert.equal(error.message, `cannot spawn "true": options.stdin names fd ${FD}, which is not open (EBADF at dup)`);
      return true;
    },
  );
});

test("a signal that has aborted already: nothing is started", async () => {
  const why = new Error("changed my mind");
  const signal = AbortSignal.abort(why);
  const check = (error: unknown): true => {
    assert.ok(error instanceof AbortError);
    assert.equal(error.cause, why);
    assert.match(error.message, /^true -x was not started/);
    return true;
  };
  assert.throws(() => spawn("true", ["-x"], { signal }), check);
  await assert.rejects(run("true", ["-x"], { signal }), check);
  await refused(["true", [], { signal, nice: 50 }], RANGE, "options.nice");
});

test("runSync refuses what can't be where nothing else runs, and says why", () => {
  const rows: Row[] = [
    [{ signal: new AbortController().signal }, UNKNOWN, "options.signal is no option of runSync, nothing can abort it"],
    [{ cleanup: true }, UNKNOWN, "options.cleanup is no option of runSync, we can't end before the command"],
    [{ detached: false }, UNKNOWN, "options.detached is no option of runSync, the command does not outlive the call"],
    ...["contain", "descendants", "memoryMax", "pidsMax", "cpuMax"].map(
      (name): Row => [{ [name]: 1 }, UNKNOWN, `options.${name} is no option of runSync, what contains a command needs our event`],
    ),
    ...["namespaces", "uidMap", "gidMap"].map(
      (name): Row => [{ [name]: [] }, UNKNOWN, `options.${name} is no option of runSync, they come with what contains a command`],
    ),
    [{ input: ["a"] }, TYPE, "options.input must be a string or bytes"],
    [{ input: 5 }, TYPE, "options.input must be a string or bytes, not 5"],
  ];
  const named = rows.map(([options]) => Object.keys(options)[0] as string).filter((name) => name !== "input");
  assert.deepEqual(named.sort(), RUN_OPTION_NAMES.filter((name) => !RUN_SYNC_OPTION_NAMES.includes(name)).sort());
  for (const [options, expected, says] of rows) {
    const check = (error: Error): boolean => error.message.includes(says);
    assert.throws(() => (runSync as Spawn)("true", [], options), expected);
    assert.throws(() => (runSync as Spawn)("true", [], options), check);
  }
  runSync("true", [], { signal: undefined } as object);
});
