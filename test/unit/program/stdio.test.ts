/**
 * The child's fds: every word, every form of entry, where they come from and what they become.
 */

import assert from "node:assert/strict";
import { constants } from "node:fs";
import { PassThrough } from "node:stream";
import { test } from "node:test";
import type { ProgramOptions, StdioEntry } from "#dist/program/options.js";
import type { FdMap } from "#dist/program/plan.js";
import { planStdio, type Stdio, type StdioDefaults } from "#dist/program/stdio.js";
import { compileCall, PIPES } from "../../helpers/decode-program.js";

const WE_READ = 0;
const WE_WRITE = 1;
const SOCKET = 2;
const { O_APPEND, O_CREAT, O_EXCL, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

const stdio = (options: ProgramOptions, defaults: StdioDefaults = PIPES): Stdio => planStdio(options, defaults, (fd) => fd < 10);
const plan = (options: ProgramOptions, defaults?: StdioDefaults): FdMap => stdio(options, defaults).map;

/** The map in short: { target: "parent 5" | "pipe: we read" | "open /path" | "closed" }. */
function shown({ inputs, opens, entries, closes }: FdMap): Record<number, string> {
  const kinds = ["we read", "we write", "socket"];
  const result: Record<number, string> = {};
  for (const { target, source } of entries) {
    if (source.from === "parent") result[target] = `parent ${source.fd}`;
    else if (source.from === "open") result[target] = `open ${opens[source.open]?.path}`;
    else if (source.from === "child") result[target] = `its own ${source.fd}`;
    else result[target] = `${kinds[inputs[source.input]?.kind as number]} #${source.input}`;
  }
  for (const target of closes) result[target] = "closed";
  return result;
}

test("every word, for an fd that we write by default and one that we read", () => {
  const words: [word: StdioEntry, at0: string, at1: string][] = [
    ["pipe", "we write #0", "we read #0"],
    ["socket", "socket #0", "socket #0"],
    ["ignore", "open /dev/null", "open /dev/null"],
    ["inherit", "parent 0", "parent 1"],
    ["close", "closed", "closed"],
  ];
  for (const [word, at0, at1] of words) {
    const others = { stderr: "close" } as const;
    assert.equal(shown(plan({ stdin: word, stdout: "close", ...others }))[0], at0);
    assert.equal(shown(plan({ stdin: "close", stdout: word as StdioEntry, ...others }))[1], at1);
  }
  assert.equal(shown(plan({ fds: { 7: "inherit" } }))[7], "parent 7");
});

test("fds 0, 1 and 2 have defaults, the others are not there", () => {
  assert.deepEqual(shown(plan({})), { 0: "we write #0", 1: "we read #1", 2: "we read #2" });
  assert.deepEqual(shown(plan({}, ["ignore", "inherit", "close"])), { 0: "open /dev/null", 1: "parent 1", 2: "closed" });
  assert.deepEqual(plan({}).inputs, [
    { kind: WE_WRITE, target: 0 },
    { kind: WE_READ, target: 1 },
    { kind: WE_READ, target: 2 },
  ]);
});

test("entries are ascending by target, whatever the order of the options", () => {
  const { entries } = plan({ fds: { 9: "pipe", 3: "ignore", 6: 5 }, passFds: [8, 4] });
  assert.deepEqual(
    entries.map((entry) => entry.target),
    [0, 1, 2, 3, 4, 6, 8, 9],
  );
});

test("an fd of ours, also one that is a target itself", () => {
  assert.deepEqual(shown(plan({ stdin: 4, stdout: 3, stderr: 1 })), { 0: "parent 4", 1: "parent 3", 2: "parent 1" });
  assert.deepEqual(shown(plan({ stdin: { fd: 5 }, stdout: 0, stderr: 0 })), { 0: "parent 5", 1: "parent 0", 2: "parent 0" });
});

test("a pipe of a given direction, at any fd", () => {
  const { inputs } = plan({ stdin: { pipe: "r" }, stdout: { pipe: "w" }, stderr: "close", fds: { 3: "pipe", 4: "socket" } });
  assert.deepEqual(inputs, [
    { kind: WE_READ, target: 0 },
    { kind: WE_WRITE, target: 1 },
    { kind: WE_READ, target: 3 },
    { kind: SOCKET, target: 4 },
  ]);
});

test("a pipe's size is handed on, in units of 4 KiB above its kind", () => {
  const stdio: ProgramOptions["stdio"] = ["pipe", { pipe: "r", size: 1 << 20 }, { pipe: "w", size: 5000 }];
  const { plan: planned, program } = compileCall("/bin/x", [], { stdio });
  assert.deepEqual(planned.setup.fds.inputs[1], { kind: WE_READ, target: 1, size: 1 << 20 });
  assert.deepEqual([...program.inputs], [WE_WRITE, WE_READ | (256 << 3), WE_WRITE | (2 << 3)]);
});

test("a file is opened in the mode that is asked for", () => {
  const modes: [mode: string, flags: number][] = [
    ["r", O_RDONLY],
    ["r+", O_RDWR],
    ["w", O_WRONLY | O_CREAT | O_TRUNC],
    ["w+", O_RDWR | O_CREAT | O_TRUNC],
    ["wx", O_WRONLY | O_CREAT | O_EXCL],
    ["a", O_WRONLY | O_CREAT | O_APPEND],
    ["a+", O_RDWR | O_CREAT | O_APPEND],
    ["ax", O_WRONLY | O_CREAT | O_APPEND | O_EXCL],
  ];
  for (const [mode, flags] of modes) {
    const { opens } = plan({ stdout: { file: "/f", mode } as StdioEntry });
    assert.deepEqual(opens, [{ path: "/f", flags, mode: 0o666, trusted: false }]);
  }
  // By default only an output is written: to open another file so would empty it.
  const by: StdioEntry = { file: "/three" };
  const { opens } = plan({
    stdin: { file: "/in" },
    stdout: { file: new URL("file:///out") },
    stderr: { file: "/err" },
    fds: { 3: by },
  });
  assert.deepEqual(
    opens.map(({ path, flags }) => [path, flags]),
    [
      ["/in", O_RDONLY],
      ["/out", O_WRONLY | O_CREAT | O_TRUNC],
      ["/err", O_WRONLY | O_CREAT | O_TRUNC],
      ["/three", O_RDONLY],
    ],
  );
});

test("the null device is opened once for all", () => {
  const map = plan({ stdin: "ignore", stdout: "ignore", fds: { 5: "ignore" } });
  assert.deepEqual(map.opens, [{ path: "/dev/null", flags: O_RDWR, mode: 0, trusted: true }]);
});

test("text and bytes for fd 0 become a pipe that we write", () => {
  const text = stdio({ stdin: "some\0thing\n" });
  assert.equal(text.data, "some\0thing\n");
  assert.equal(shown(text.map)[0], "we write #0");
  const bytes = Buffer.from([0, 255]);
  const given = stdio({ stdin: bytes });
  bytes[0] = 9;
  assert.deepEqual([...(given.data as Uint8Array)], [0, 255], "a copy");
  assert.deepEqual(stdio({ stdin: "" }).data, "");
  assert.equal(stdio({}).data, undefined);
});

test("dup gives the child's own fd, through any chain, in any order", () => {
  assert.deepEqual(shown(plan({ stderr: { dup: 1 } })), { 0: "we write #0", 1: "we read #1", 2: "we read #1" });
  const chain = plan({ stdin: { dup: 2 }, stdout: { file: "/f" }, stderr: { dup: 5 }, fds: { 5: { dup: 1 }, 7: { dup: 0 } } });
  assert.deepEqual(shown(chain), { 0: "open /f", 1: "open /f", 2: "open /f", 5: "open /f", 7: "open /f" });
  assert.equal(chain.opens.length, 1);
  assert.equal(shown(plan({ stderr: { dup: 6 }, passFds: [6] }))[2], "parent 6");
});

test("dup is of the final map, not of ours: swapping takes fds of ours", () => {
  assert.deepEqual(shown(plan({ stdout: 2, stderr: { dup: 1 } })), { 0: "we write #0", 1: "parent 2", 2: "parent 2" });
  assert.deepEqual(shown(plan({ stdout: 2, stderr: 1 })), { 0: "we write #0", 1: "parent 2", 2: "parent 1" });
});

test("stdio is an array by fd, or one word for 0 to 2", () => {
  assert.deepEqual(shown(plan({ stdio: ["ignore", undefined, null, 5, undefined, "pipe"] })), {
    0: "open /dev/null",
    1: "we read #1",
    2: "we read #2",
    3: "parent 5",
    5: "we read #0",
  });
  assert.deepEqual(shown(plan({ stdio: "inherit" })), { 0: "parent 0", 1: "parent 1", 2: "parent 2" });
  assert.deepEqual(shown(plan({ stdio: [] })), shown(plan({})));
  assert.deepEqual(shown(plan({ stdio: ["close"], passFds: [4] })), {
    0: "closed",
    1: "we read #0",
    2: "we read #1",
    4: "parent 4",
  });
});

test("what is closed needs a step only where nothing else closes it", () => {
  const options: ProgramOptions = { stdin: "close", fds: { 5: "close" } };
  assert.deepEqual(plan(options).closes, [0]);
  assert.deepEqual(plan({ ...options, closeFds: false }).closes, [0, 5]);
});

test("an entry of fds that is undefined says nothing", () => {
  assert.deepEqual(shown(plan({ fds: { 1: undefined, 6: undefined } })), shown(plan({})));
});

test("a stream or handle gives its fd, if it is paused and empty", () => {
  const quiet = new PassThrough();
  assert.equal(shown(plan({ stdout: Object.assign(quiet, { fd: 6 }) }))[1], "parent 6");
  const socket = { _handle: { fd: 7 }, readableFlowing: false, readableLength: 0, writableLength: 0 };
  assert.equal(shown(plan({ stdout: socket as unknown as StdioEntry }))[1], "parent 7");
  const closed = { fd: -1 };
  const opening = { fd: null };
  const waiting = { _handle: null, fd: undefined };
  const flowing = Object.assign(new PassThrough(), { fd: 6 }).resume();
  const holding = Object.assign(new PassThrough({ writableHighWaterMark: 1 }), { fd: 6 });
  holding.write("x");
  const bad: [holder: unknown, says: RegExp][] = [
    [closed, /options\.stdout has been closed/],
    [opening, /options\.stdout has no open fd \(yet\)/],
    [waiting, /options\.stdout has no open fd \(yet\)/],
    [flowing, /options\.stdout must be a stream that is paused and empty/],
    [holding, /options\.stdout must be a stream that is paused and empty/],
    [{ fd: 6, writableLength: 1 }, /options\.stdout must be a stream that is paused and empty/],
  ];
  for (const [holder, message] of bad) {
    assert.throws(() => plan({ stdout: holder as StdioEntry }), { code: "ERR_INVALID_ARG_VALUE", message });
  }
});

test("a source that isn't open is told from a wrong call", () => {
  const notOpen = (options: ProgramOptions, fd: number, option: string): void =>
    assert.throws(() => plan(options), { fd, option, message: `fd ${fd} (${option}) is not open` });
  notOpen({ stdin: 77 }, 77, "options.stdin");
  notOpen({ stdout: { fd: 78 } }, 78, "options.stdout");
  notOpen({ fds: { 11: "inherit" } }, 11, "options.fds[11]");
  notOpen({ passFds: [3, 12] }, 12, "options.passFds[1]");
  notOpen({ stdio: ["pipe", 13] }, 13, "options.stdio[1]");
});
