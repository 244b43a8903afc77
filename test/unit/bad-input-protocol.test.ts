/**
 * Wrong calls of everything that brood/protocol exports: for each the class and code of its error, and that nothing was
 * created and nobody told.
 */

import assert from "node:assert/strict";
import * as entry from "brood/protocol";
import { PipeTransport, ProcessTransport, spawnProcess, subprocessExec, subprocessShell } from "brood/protocol";
import { SPAWN_OPTION_NAMES } from "#dist/process/options.js";
import { PROTOCOL_OPTION_NAMES } from "#dist/protocol/options.js";
import { Recorder } from "../helpers/recorder.js";
import { test } from "../helpers/test.js";
import { CONFLICT, LONE, RANGE, SIGNAL, TYPE, UNKNOWN, VALUE } from "../helpers/wrong-calls.js";

const STATE = { name: "Error", code: "ERR_INVALID_STATE" };

interface Expected {
  name: string;
  code: string;
}
type Row = [args: unknown[], expected: Expected, says: string];
type Anything = (...args: unknown[]) => unknown;

const make = (): Recorder => new Recorder();

/** By function; of those that start a child: what is in front of the options is the same for all. */
const starting: Record<"spawnProcess" | "subprocessExec" | "subprocessShell", Row[]> = {
  spawnProcess: [
    [[undefined, "true"], TYPE, "protocol must be an object, not undefined"],
    [["protocol", "true"], TYPE, "protocol must be an object"],
    [[{ processExited: 5 }, "true"], TYPE, "protocol.processExited must be a function, not 5"],
    [[{ connectionMade: null }, "true"], TYPE, "protocol.connectionMade must be a function"],
    [[null, "true"], CONFLICT, "a pipe to the child needs a protocol"],
    [[make(), undefined], TYPE, "file must be"],
    [[make(), ""], VALUE, "file must not be empty"],
    [[make(), "a\0"], VALUE, "file must not contain a NUL"],
    [[make(), "true", "args"], TYPE, "args must be an array"],
    [[make(), "true", [5]], TYPE, "args[0] must be a string"],
    [[make(), "true", [LONE]], VALUE, "args[0] must not contain a lone surrogate"],
    [[make(), "true", [], null], TYPE, "options must be an object"],
    [[make(), "true", [], { stdIn: "pipe" }], UNKNOWN, 'did you mean "stdin"?'],
    [[make(), "true", [], { maxOutput: 5 }], UNKNOWN, "options has no such option"],
    [[make(), "true", [], { input: "x" }], UNKNOWN, "options has no such option"],
    [[make(), "true", [], { childFDs: 5 }], TYPE, "options.childFDs must be an object"],
    [[make(), "true", [], { childFDs: null }], TYPE, "options.childFDs must be an object"],
    [[make(), "true", [], { childFDs: new Map([[1, "r"]]) }], TYPE, "options.childFDs must be an object, not an instance of Map"],
    [[make(), "true", [], { childFDs: { 1: "rx" } }], VALUE, 'options.childFDs[1] must be "r", "w", "rw" or an fd (got "rx")'],
    [[make(), "true", [], { childFDs: { 1: "toString" } }], VALUE, "options.childFDs[1] must be"],
    [[make(), "true", [], { childFDs: { 1: -2 } }], RANGE, "options.childFDs[1] must be an integer from 0"],
    [[make(), "true", [], { childFDs: { x: "r" } }], RANGE, "an fd in options.childFDs (x) must be an integer"],
    [[make(), "true", [], { childFDs: {}, fds: {} }], CONFLICT, "options.childFDs and options.fds exclude each other"],
    [[make(), "true", [], { childFDs: { 3: "r" }, passFds: [3] }], CONFLICT, "fd 3 of the child is given twice"],
    [[make(), "true", [], { signal: {} }], TYPE, "options.signal must be an AbortSignal"],
    [[make(), "true", [], { timeout: "1" }], TYPE, "options.timeout must be a number"],
  ],
  subprocessExec: [
    [[make(), "true"], TYPE, "protocolFactory must be a function"],
    [[undefined, "true"], TYPE, "protocolFactory must be a function"],
    [[() => null, "true"], TYPE, "the protocol that protocolFactory made must be an object, not null"],
    [
      [async () => make(), "true"],
      TYPE,
      "the protocol that protocolFactory made must be the protocol itself, not an instance of Pr",
    ],
    [[() => ({ connectionLost: 1 }), "true"], TYPE, "connectionLost must be a function"],
    [[make, 5], TYPE, "file must be"],
    [[make, "true", [null]], TYPE, "args[0] must be a string"],
    [[make, "true", [], { cwd: "" }], VALUE, "options.cwd must not be empty"],
    [[make, "true", [], { nope: 1 }], UNKNOWN, "options has no such option"],
    [[make, "true", [], { signal: 5 }], TYPE, "options.signal must be an AbortSignal"],
  ],
  subprocessShell: [
    [[make(), "true"], TYPE, "protocolFactory must be a function"],
    [[make, undefined], TYPE, "command must be a string or a Uint8Array"],
    [[make, "a\0b"], VALUE, "command must not contain a NUL"],
    [[make, LONE], VALUE, "command must not contain a lone surrogate"],
    [[make, "true", { shell: true }], UNKNOWN, "options has no such option"],
  ],
};

const functions: Record<keyof typeof starting, Anything> = {
  spawnProcess: spawnProcess as Anything,
  subprocessExec: subprocessExec as Anything,
  subprocessShell: subprocessShell as Anything,
};

const NO_DATA = "must be a string or a Uint8Array";
const producer = { resumeProducing: (): void => {}, stopProducing: (): void => {} };

/** Methods of a transport whose child has pipes on 0 to 2, fd 3 that is none, and has not closed any. */
const methods: Partial<Record<keyof ProcessTransport, Row[]>> = {
  write: [
    [[5], TYPE, NO_DATA],
    [[undefined], TYPE, NO_DATA],
    [[[]], TYPE, NO_DATA],
    [[new Uint16Array(1)], TYPE, NO_DATA],
  ],
  writeSequence: [
    [["text"], TYPE, "sequence must be an array"],
    [[Buffer.from("x")], TYPE, "sequence must be an array"],
    [[5], TYPE, "sequence must be an array"],
    [[(async function* () {})()], TYPE, "sequence must be an array"],
    [[["x", 5]], TYPE, "sequence[1] must be a string"],
  ],
  writeToChild: [
    [["0", "x"], TYPE, "fd must be a number"],
    [[-1, "x"], RANGE, "fd must be an integer from 0"],
    [[0.5, "x"], RANGE, "fd must be an integer from 0"],
    [[1, "x"], VALUE, "fd must be an fd of the child that we write"],
    [[3, "x"], VALUE, "fd must be an fd of the child that we write"],
    [[0, 5], TYPE, NO_DATA],
  ],
  closeChildFD: [
    [["0"], TYPE, "fd must be a number"],
    [[-1], RANGE, "fd must be an integer from 0"],
  ],
  pauseProducing: [
    [["1"], TYPE, "fd must be a number"],
    [[0], VALUE, "fd must be an fd of the child that we read"],
    [[3], VALUE, "fd must be an fd of the child that we read"],
  ],
  resumeProducing: [
    [[null], TYPE, "fd must be a number"],
    [[0], VALUE, "fd must be an fd of the child that we read"],
  ],
  registerProducer: [
    [[undefined], TYPE, "producer must be a producer, an iterable or a stream"],
    [["text"], TYPE, "producer must be a producer"],
    [[{}], TYPE, "streaming must be a boolean"],
    [[producer], TYPE, "streaming must be a boolean"],
    [[producer, 1], TYPE, "streaming must be a boolean"],
    [[producer, true], TYPE, "producer.pauseProducing must be a function"],
    [[{ resumeProducing: 5, stopProducing: 5 }, false], TYPE, "producer.resumeProducing must be a function"],
    [[{ resumeProducing: (): void => {} }, false], TYPE, "producer.stopProducing must be a function"],
    [[["x"], true], VALUE, "streaming is for a producer object"],
  ],
  getPipeTransport: [
    [[undefined], TYPE, "fd must be a number"],
    [[-1], RANGE, "fd must be an integer from 0"],
  ],
  setProtocol: [
    [[null], TYPE, "protocol must be an object"],
    [[() => {}], TYPE, "protocol must be an object"],
    [[{ childDataReceived: "x" }], TYPE, "protocol.childDataReceived must be a function"],
  ],
  getExtraInfo: [[[5], TYPE, "name must be a string"]],
  wait: [
    [[5], TYPE, "options must be an object"],
    [[{ timeout: 5 }], UNKNOWN, "options has no such option"],
    [[{ signal: 5 }], TYPE, "options.signal must be an AbortSignal"],
  ],
  sendSignal: [
    [[undefined], TYPE, "signal must be the name or number of a signal"],
    [["SIGNOPE"], SIGNAL, "signal must be a signal of this system"],
    [["hup"], SIGNAL, 'did you mean "SIGHUP"?'],
    [[65], SIGNAL, "signal must be a signal number from 0 to 64"],
  ],
  signalProcess: [
    [[{}], TYPE, "signal must be the name or number of a signal"],
    [["NOPE"], SIGNAL, "signal must be a signal of this system"],
  ],
};

/** Methods of the pipe transport of fd 0, which we write. */
const ofWritten: Partial<Record<keyof PipeTransport, Row[]>> = {
  write: [[[5], TYPE, NO_DATA]],
  writeSequence: [
    [[{}], TYPE, "sequence must be an array"],
    [[[null]], TYPE, "sequence[0] must be a string"],
  ],
  pauseReading: [[[], VALUE, "fd must be an fd of the child that we read"]],
  resumeReading: [[[], VALUE, "fd must be an fd of the child that we read"]],
  setWriteBufferLimits: [
    [[5], TYPE, "limits must be an object"],
    [[{ hi: 5 }], UNKNOWN, "limits has no such option"],
    [[{ high: "5" }], TYPE, "limits.high must be a number"],
    [[{ high: -1 }], RANGE, "limits.high must be an integer from 0"],
    [[{ low: 1.5 }], RANGE, "limits.low must be an integer from 0"],
    [[{ high: 5, low: 6 }], RANGE, "limits.low must be at most limits.high, 5"],
  ],
  registerProducer: [
    [[5], TYPE, "producer must be a producer"],
    [[producer, undefined], TYPE, "streaming must be a boolean"],
  ],
  getExtraInfo: [[[undefined], TYPE, "name must be a string"]],
};

/** And of fd 1, which we read. */
const ofRead: Partial<Record<keyof PipeTransport, Row[]>> = Object.fromEntries(
  (
    [
      ["write", ["x"]],
      ["writeSequence", [["x"]]],
      ["writeEof", []],
      ["getWriteBufferSize", []],
      ["getWriteBufferLimits", []],
      ["setWriteBufferLimits", [{ high: 1 }]],
      ["registerProducer", [["x"]]],
      ["unregisterProducer", []],
    ] as [keyof PipeTransport, unknown[]][]
  ).map(([name, args]) => [name, [[args, VALUE, "fd must be an fd of the child that we write"]]]),
);

function check(error: unknown, { name, code }: Expected, says: string): true {
  assert.ok(error instanceof Error);
  assert.deepEqual([error.name, (error as NodeJS.ErrnoException).code], [name, code], error.message);
  assert.ok(error.message.includes(says), `${error.message} has not: ${says}`);
  return true;
}

for (const [name, rows] of Object.entries(starting)) {
  test(`${name} refuses what is wrong, and creates nothing`, async () => {
    for (const [args, expected, says] of rows) {
      const call = functions[name as keyof typeof starting];
      const attempt = async (): Promise<unknown> => call(...args);
      await assert.rejects(attempt, (error) => check(error, expected, says), says);
      // What throws, throws at once; what gives a promise rejects.
      if (name === "spawnProcess") assert.throws(() => call(...args));
      else assert.ok((call(...args) as Promise<unknown>).catch(() => {}) instanceof Promise);
    }
  });
}

test("the methods of a transport refuse what is wrong, and nothing comes of it", async () => {
  const recorder = make();
  const transport = spawnProcess(recorder, "cat");
  for (const [target, table] of [
    [transport, methods],
    [transport.getPipeTransport(0), ofWritten],
    [transport.getPipeTransport(1), ofRead],
  ] as const) {
    for (const [name, rows] of Object.entries(table)) {
      for (const [args, expected, says] of rows as Row[]) {
        const attempt = async (): Promise<unknown> => (target as unknown as Record<string, Anything>)[name]?.(...args);
        await assert.rejects(attempt, (error) => check(error, expected, says), `${name}: ${says}`);
      }
    }
  }
  transport.write("all that was written");
  transport.closeStdin();
  assert.throws(
    () => transport.write("late"),
    (error) => check(error, STATE, "fd 0 of the child has been closed"),
  );
  await recorder.ended;
  assert.equal(recorder.text(), "all that was written");
});

test("every method that takes an argument has a row, and every function", () => {
  const taking = (of: { prototype: object }): string[] =>
    Object.getOwnPropertyNames(of.prototype).filter((name) => {
      const { value } = Object.getOwnPropertyDescriptor(of.prototype, name) as PropertyDescriptor;
      return (
        name !== "constructor" && typeof value === "function" && /^(?:async )?\w+\(\w|^(?:async )?\w+\(\w+ =/.test(String(value))
      );
    });
  assert.deepEqual(taking(ProcessTransport).toSorted(), Object.keys(methods).toSorted());
  assert.deepEqual(
    taking(PipeTransport).filter((name) => !(name in ofWritten)),
    [],
  );
  const exported = Object.entries(entry).filter(([, value]) => !/^class/.test(String(value)));
  assert.deepEqual(exported.map(([name]) => name).toSorted(), Object.keys(starting).toSorted());
});

test("the options are those of spawn, without maxOutput, with childFDs", () => {
  const expected = [...SPAWN_OPTION_NAMES.filter((name) => name !== "maxOutput"), "childFDs"];
  assert.deepEqual(PROTOCOL_OPTION_NAMES.toSorted(), expected.toSorted());
});
