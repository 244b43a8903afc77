/**
 * Wrong calls of every function of brood/posix: the class and code of the error, its words, and that nothing was
 * created. What the options of a spawn are is checked where `spawn` checks them: here each has one row.
 */

import assert from "node:assert/strict";
import * as posix from "brood/posix";
import { PROGRAM_OPTION_NAMES } from "#dist/program/options.js";
import { test } from "../helpers/test.js";
import { CONFLICT, LONE, RANGE, SIGNAL, TYPE, UNKNOWN, VALUE } from "../helpers/wrong-calls.js";

const EBADF = { name: "Error", code: "EBADF", errno: -9 };

type Expected = { name: string; code: string };
type Row = [args: unknown[], expected: Expected, says: string];

const MOST = 0x7fffffff;
/** No fd of this process. */
const FD = 0x7ffffffe;

/** By function. */
const rows: Record<Exclude<keyof typeof posix, "SpawnError" | "UnsupportedError">, Row[]> = {
  forkExec: [
    [[], TYPE, "args must be an array, not undefined"],
    [["ls", ["/bin/ls"]], TYPE, 'args must be an array, not "ls"'],
    [[[], ["/bin/ls"]], VALUE, "args must have args[0]"],
    [[[5], ["/bin/ls"]], TYPE, "args[0] must be a string or a Uint8Array, not 5"],
    [[["a\0"], ["/bin/ls"]], VALUE, "args[0] must not contain a NUL"],
    [[["a", LONE], ["/bin/ls"]], VALUE, "args[1] must not contain a lone surrogate"],
    [[["a"]], TYPE, "executables must be an array, not undefined"],
    [[["a"], "/bin/ls"], TYPE, 'executables must be an array, not "/bin/ls"'],
    [[["a"], []], VALUE, "executables must name at least one file"],
    [[["a"], ["/bin/ls", ""]], VALUE, "executables[1] must not be empty"],
    [[["a"], ["/bin/ls\0"]], VALUE, "executables[0] must not contain a NUL"],
    [[["a"], [new URL("https://example.org/")]], VALUE, "executables[0] must be a file: URL"],
    [[["a"], ["/bin/ls"], 5], TYPE, "options must be an object, not 5"],
    [[["a"], ["/bin/ls"], null], TYPE, "options must be an object, not null"],
    [[["a"], ["/bin/ls"], { fdsToKep: [] }], UNKNOWN, 'did you mean "fdsToKeep"?'],
    // What spawn says so is said otherwise here.
    [[["a"], ["/bin/ls"], { argv0: "b" }], UNKNOWN, 'options has no such option (got "argv0")'],
    [[["a"], ["/bin/ls"], { path: "/bin" }], UNKNOWN, 'options has no such option (got "path")'],
    [[["a"], ["/bin/ls"], { extendEnv: false }], UNKNOWN, 'options has no such option (got "extendEnv")'],
    [[["a"], ["/bin/ls"], { stdio: "ignore" }], UNKNOWN, "options has no such option"],
    [[["a"], ["/bin/ls"], { passFds: [5] }], UNKNOWN, "options has no such option"],
    [[["a"], ["/bin/ls"], { timeout: 5 }], UNKNOWN, "options has no such option"],
  ],
  cloexecPipe: [],
  socketpair: [
    [["raw"], VALUE, "type must be one of stream, dgram, seqpacket"],
    [[1], VALUE, "type must be one of"],
    [["toString"], VALUE, "type must be one of"],
    [[["stream"]], VALUE, "type must be one of"],
    [[null], VALUE, "type must be one of"],
  ],
  close: [
    [[], TYPE, "fd must be a number, not undefined"],
    [["3"], TYPE, "fd must be a number"],
    [[-1], RANGE, `fd must be an integer from 0 to ${MOST}, not -1`],
    [[1.5], RANGE, "fd must be an integer"],
    [[FD], EBADF, "close EBADF: bad file descriptor"],
  ],
  openpty: [
    [[5], TYPE, "size must be an object, not 5"],
    [[null], TYPE, "size must be an object, not null"],
    [[{ cols: 80 }], UNKNOWN, "size has no such option"],
    [[{ columns: "80" }], TYPE, 'size.columns must be a number, not "80"'],
    [[{ columns: -1 }], RANGE, "size.columns must be an integer from 0 to 65535, not -1"],
    [[{ rows: 65536 }], RANGE, "size.rows must be an integer from 0 to 65535, not 65536"],
    [[{ rows: 1.5 }], RANGE, "size.rows must be an integer"],
  ],
  tcsetwinsize: [
    [["3", {}], TYPE, "fd must be a number"],
    [[-1, {}], RANGE, "fd must be an integer from 0"],
    [[3], TYPE, "size must be an object, not undefined"],
    [[3, { rows: null }], TYPE, "size.rows must be a number"],
    [[FD, {}], EBADF, "ioctl EBADF: bad file descriptor"],
  ],
  waitid: [
    [["P_ALL", 0], VALUE, "idType is refused: it would take the statuses of children that others wait for"],
    [["P_PGID", 5], VALUE, "idType is refused: it would take the statuses of children that others wait for"],
    [["P_PIG", 5], VALUE, 'idType must be "P_PID" or "P_PIDFD"'],
    [[], VALUE, 'idType must be "P_PID" or "P_PIDFD"'],
    [["toString", 5], VALUE, "idType must be"],
    [[["P_PID"], 5], VALUE, "idType must be"],
    [["P_PID"], TYPE, "id must be a number, not undefined"],
    [["P_PID", 0], RANGE, `id must be an integer from 1 to ${MOST}, not 0`],
    [["P_PID", -1], RANGE, "id must be an integer from 1"],
    [["P_PIDFD", -1], RANGE, "id must be an integer from 0"],
    [["P_PIDFD", FD, { noHang: true }], EBADF, "waitid EBADF: bad file descriptor"],
    [["P_PID", process.pid], { name: "Error", code: "ECHILD" }, "waitid ECHILD: "],
    [["P_PID", 5, 5], TYPE, "options must be an object"],
    [["P_PID", 5, { nohang: true }], UNKNOWN, 'did you mean "noHang"?'],
    [["P_PID", 5, { noHang: 1 }], TYPE, "options.noHang must be a boolean"],
    [["P_PID", 5, { noWait: "yes" }], TYPE, "options.noWait must be a boolean"],
    [["P_PID", 5, { exited: 0 }], TYPE, "options.exited must be a boolean"],
    [["P_PID", 5, { stopped: null }], TYPE, "options.stopped must be a boolean"],
    [["P_PID", 5, { continued: {} }], TYPE, "options.continued must be a boolean"],
    [["P_PID", 5, { exited: false }], VALUE, "options must ask for exited, stopped or continued"],
  ],
  pidfdOpen: [
    [[], TYPE, "pid must be a number, not undefined"],
    [[0], RANGE, `pid must be an integer from 1 to ${MOST}, not 0`],
    [[-5], RANGE, "pid must be an integer from 1"],
    [[MOST + 1], RANGE, "pid must be an integer from 1"],
    [[MOST], { name: "Error", code: "ESRCH" }, "pidfd_open ESRCH: no such process"],
  ],
  pidfdSendSignal: [
    [[], TYPE, "pidfd must be a number, not undefined"],
    [[-1, 0], RANGE, "pidfd must be an integer from 0"],
    [[5], TYPE, "signal must be the name or number of a signal, not undefined"],
    [[5, "TERM"], SIGNAL, 'did you mean "SIGTERM"?'],
    [[5, 65], SIGNAL, "signal must be a signal number from 0 to 64"],
    [[5, 0, 5], TYPE, "options must be an object"],
    [[5, 0, { group: true }], UNKNOWN, "options has no such option"],
    [[5, 0, { scope: "session" }], VALUE, "options.scope must be one of thread, process, processGroup"],
    [[5, 0, { scope: "toString" }], VALUE, "options.scope must be one of"],
    [[5, 0, { scope: ["process"] }], VALUE, "options.scope must be one of"],
    [[FD, 0], EBADF, "pidfd_send_signal EBADF: bad file descriptor"],
  ],
  kill: [
    [[], TYPE, "pid must be a number, not undefined"],
    [[0, "SIGTERM"], RANGE, `pid must be an integer from 1 to ${MOST}, not 0`],
    [[-1, "SIGKILL"], RANGE, "pid must be an integer from 1"],
    [[Number.NaN, 0], RANGE, "pid must be an integer from 1"],
    [[5], TYPE, "signal must be the name or number of a signal"],
    [[5, "SIGNOPE"], SIGNAL, "signal must be a signal of this system"],
    [[5, -1], SIGNAL, "signal must be a signal number from 0 to 64"],
    [[MOST, 0], { name: "Error", code: "ESRCH" }, "kill ESRCH: no such process"],
  ],
  killpg: [
    [[], TYPE, "pgid must be a number, not undefined"],
    [[0, "SIGTERM"], RANGE, `pgid must be an integer from 2 to ${MOST}, not 0`],
    // kill(-1) is everybody.
    [[1, "SIGTERM"], RANGE, "pgid must be an integer from 2"],
    [[-5, "SIGTERM"], RANGE, "pgid must be an integer from 2"],
    [[5, "TERM"], SIGNAL, 'did you mean "SIGTERM"?'],
    [[MOST, 0], { name: "Error", code: "ESRCH" }, "kill ESRCH: no such process"],
  ],
};

/** The options of forkExec. */
const options: Record<string, [value: unknown, expected: Expected, says: string][]> = {
  cwd: [["", VALUE, "options.cwd must not be empty"]],
  env: [
    ["A=1", TYPE, "options.env must be an object"],
    [{ "A=B": "1" }, VALUE, 'must not contain "="'],
    [null, TYPE, "options.env must be an object"],
  ],
  stdin: [
    [-2, RANGE, "options.stdin must be an integer from 0"],
    ["pipe", VALUE, "options.stdin can't be made here"],
    ["text", VALUE, "options.stdin can't be made here"],
    [FD, { name: "SpawnError", code: "EBADF" }, `options.stdin names fd ${FD}`],
  ],
  stdout: [
    ["socket", VALUE, "options.stdout can't be made here, where nobody would hold its other end: use cloexecPipe()"],
    [null, TYPE, "options.stdout must be a word"],
    [{ dup: 9 }, VALUE, "options.stdout.dup must be an fd that the child has"],
  ],
  stderr: [[{ pipe: "r" }, VALUE, "options.stderr can't be made here"]],
  fds: [
    [5, TYPE, "options.fds must be an object"],
    [new Map([[3, 0]]), TYPE, "options.fds must be an object, not an instance of Map"],
    [{ 3: "pipe" }, VALUE, "options.fds[3] can't be made here"],
    [{ 3: -1 }, RANGE, "options.fds[3] must be an integer from 0"],
    [{ x: 1 }, RANGE, "an fd in options.fds must be an integer from 0"],
  ],
  fdsToKeep: [
    ["3", TYPE, "options.fdsToKeep must be an array"],
    [[3, -1], RANGE, "options.fdsToKeep[1] must be an integer from 0"],
    [[FD], { name: "SpawnError", code: "EBADF" }, `options.fdsToKeep[0] names fd ${FD}`],
  ],
  closeFds: [[0, TYPE, "options.closeFds must be a boolean"]],
  session: [["yes", TYPE, "options.session must be a boolean"]],
  processGroup: [[0, RANGE, "options.processGroup must be an integer from 1"]],
  controllingTerminal: [[true, CONFLICT, "options.controllingTerminal needs options.session"]],
  foreground: [[true, CONFLICT, "options.foreground needs options.processGroup"]],
  uid: [[-1, RANGE, "options.uid must be an integer from 0"]],
  gid: [[2 ** 64, RANGE, "options.gid must be an integer from 0"]],
  groups: [[[-1], RANGE, "options.groups[0] must be an integer from 0"]],
  user: [["no such account", VALUE, "options.user must be an account of this system"]],
  umask: [[0o1000, RANGE, "options.umask must be an integer from 0 to 0o777"]],
  nice: [[20, RANGE, "options.nice must be an integer from -20 to 19"]],
  rlimits: [[5, TYPE, "options.rlimits must be an object"]],
  cpuAffinity: [[[], VALUE, "options.cpuAffinity must name at least one CPU"]],
  oomScoreAdj: [[1001, RANGE, "options.oomScoreAdj must be an integer from -1000 to 1000"]],
  noNewPrivs: [[1, TYPE, "options.noNewPrivs must be a boolean"]],
  parentDeathSignal: [["TERM", SIGNAL, 'did you mean "SIGTERM"?']],
  namespaces: [
    [5, TYPE, "options.namespaces must be an array"],
    [["network"], VALUE, "options.namespaces[0] must be one of mount"],
  ],
  uidMap: [[[], CONFLICT, 'options.uidMap needs "user" in options.namespaces']],
  gidMap: [[[], CONFLICT, 'options.gidMap needs "user" in options.namespaces']],
  chroot: [["", VALUE, "options.chroot must not be empty"]],
  restoreSignals: [[true, VALUE, 'options.restoreSignals must be "runtime", "all" or false']],
  ignoreSignals: [[["SIGKILL"], VALUE, "options.ignoreSignals[0] can't be ignored or blocked"]],
  blockSignals: [["SIGINT", TYPE, "options.blockSignals must be an array"]],
};

function refused(call: () => unknown, expected: Expected, says: string, what: string): void {
  assert.throws(call, (error: NodeJS.ErrnoException) => {
    assert.deepEqual({ name: error.name, code: error.code }, { name: expected.name, code: expected.code }, `${what}: ${error}`);
    assert.ok(error.message.includes(says), `${what}: ${error.message}`);
    return true;
  });
}

const functions: { readonly [name: string]: unknown } = { ...posix };

for (const [name, list] of Object.entries(rows)) {
  test(`${name}: each wrong call has its error`, () => {
    const call = functions[name] as (...args: unknown[]) => unknown;
    list.forEach(([args, expected, says], i) => {
      refused(() => call(...args), expected, says, `row ${i}`);
    });
  });
}

test("forkExec: each option has its errors, and no option is left out", () => {
  const elsewhere = ["argv0", "extendEnv", "path", "stdio", "passFds"];
  const names = [...PROGRAM_OPTION_NAMES.filter((name) => !elsewhere.includes(name)), "fdsToKeep"];
  assert.deepEqual(Object.keys(options).sort(), names.sort());
  for (const [name, list] of Object.entries(options)) {
    for (const [value, expected, says] of list) {
      refused(() => posix.forkExec(["a"], ["/bin/true"], { [name]: value }), expected, says, name);
    }
  }
});

test("every function of the entry is in the table", () => {
  const names = Object.keys(functions).filter((name) => !name.endsWith("Error"));
  assert.deepEqual(names.sort(), Object.keys(rows).sort());
});

test("an error of a system call has errno, code and syscall, as Node's own have", () => {
  const errors = [
    [() => posix.close(FD), "EBADF", -9, "close"],
    [() => posix.kill(MOST, 0), "ESRCH", -3, "kill"],
    [() => posix.killpg(MOST, 0), "ESRCH", -3, "kill"],
    [() => posix.pidfdOpen(MOST), "ESRCH", -3, "pidfd_open"],
    [() => posix.pidfdSendSignal(FD, 0), "EBADF", -9, "pidfd_send_signal"],
    [() => posix.waitid("P_PIDFD", FD), "EBADF", -9, "waitid"],
  ] as const;
  for (const [call, code, errno, syscall] of errors) assert.throws(call, { name: "Error", code, errno, syscall });
});
