/**
 * What a protocol is told, in which order and context: rows U7 to U9, U12, U14, U15 and U20 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { spawnProcess, subprocessExec, subprocessShell } from "brood/protocol";
import { returnCode } from "#dist/protocol/return-code.js";
import { inFaultyNode } from "../../fault/faulty-node.js";
import { act } from "../../helpers/act.js";
import { childPath } from "../../helpers/children.js";
import { inNode } from "../../helpers/in-node.js";
import { ended, stateOf } from "../../helpers/processes.js";
import { Recorder } from "../../helpers/recorder.js";
import { test } from "../../helpers/test.js";

const protocolModule = JSON.stringify(import.meta.resolve("brood/protocol"));
const recorderModule = JSON.stringify(import.meta.resolve("../../helpers/recorder.js"));
const IMPORTS = `
  import { spawnProcess, subprocessExec } from ${protocolModule};
  import { Recorder } from ${recorderModule};
  const turn = () => new Promise(setImmediate);
`;

/** Of each pair the first comes before the second. */
function inOrder(log: string[], ...pairs: [string, string][]): void {
  for (const [a, b] of pairs) {
    assert.ok(log.includes(a) && log.includes(b) && log.lastIndexOf(a) < log.indexOf(b), `${a} before ${b} in ${log.join(", ")}`);
  }
}

test("U7: the return code is the exit code, or minus the number of the signal; null while it lives", async () => {
  for (const [args, expected] of [
    [["exit", "0"], 0],
    [["exit", "7"], 7],
    [["exit", "255"], 255],
    [["raise", "9"], -9],
    [["raise", "15"], -15],
    [["raise", "33"], -33],
    [["raise", "40"], -40],
  ] as const) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["read", ...args]);
    assert.equal(transport.getReturnCode(), null);
    transport.closeStdin();
    await recorder.ended;
    assert.equal(transport.getReturnCode(), expected);
    assert.equal(recorder.transport, transport);
  }
});

test("U7: a status that someone stole is told where the kernel can tell it, and NaN where it can't", async () => {
  const [code, kind] = await inNode<[string, string]>(`${IMPORTS}
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, "sh", ["-c", "cat; exit 5"]);
    await recorder.noted("made");
    transport.closeStdin();
    process.dlopen({ exports: {} }, ${JSON.stringify(childPath("thief"))});
    await recorder.ended;
    done([String(transport.getReturnCode()), recorder.state.kind]);
  `);
  assert.equal(code, kind === "unknown" ? "NaN" : "5");
  assert.ok(Number.isNaN(returnCode({ kind: "unknown", cause: "stolen", pid: 2, uid: null, usage: null })));
});

test("U8: connectionMade comes first, even without pipes, and the end comes once, last", async () => {
  for (const options of [{ stdio: "ignore" }, { childFDs: {} }] as const) {
    const recorder = new Recorder();
    spawnProcess(recorder, act, ["exit", "3"], options);
    assert.deepEqual(recorder.log, []);
    await recorder.ended;
    assert.deepEqual(recorder.log, ["made", "exited", "connectionLost", "ended"]);
  }
});

test("U8: of each fd its data, then its loss; the end after the exit and all losses", async () => {
  for (let i = 0; i < 20; i++) {
    const recorder = new Recorder();
    spawnProcess(recorder, act, ["say", "1", "out", "say", "2", "err", "say", "3", "more", "fill", "1", "70000"], {
      fds: { 3: "pipe" },
    });
    await recorder.ended;
    const { log } = recorder;
    assert.equal(log[0], "made");
    inOrder(log, ["data 1", "lost 1"], ["data 2", "lost 2"], ["data 3", "lost 3"]);
    for (const entry of ["lost 0", "lost 1", "lost 2", "lost 3", "exited"]) {
      inOrder(log, [entry, "connectionLost"]);
      assert.equal(log.filter((one) => one === entry).length, 1);
    }
    assert.deepEqual(log.slice(-2), ["connectionLost", "ended"]);
    assert.equal(recorder.bytes(1).length, 70_004);
  }
});

test("U8: the exit may come first: pipes that a grandchild holds are read on, and the end waits for them", async () => {
  const recorder = new Recorder();
  // The grandchild goes on when it is told to, which nobody does before the exit.
  const transport = spawnProcess(recorder, "sh", ["-c", "(read line <&3; echo $line; exec 1>&- 2>&-; read line <&3) & exit 4"], {
    childFDs: { 0: "w", 1: "r", 2: "r", 3: "rw" },
  });
  await recorder.noted("exited");
  assert.equal(transport.getReturnCode(), 4);
  assert.ok(!recorder.log.includes("lost 1") && !recorder.log.includes("connectionLost"));
  recorder.transport?.closeChildFD(3);
  await recorder.ended;
  inOrder(recorder.log, ["exited", "lost 1"], ["exited", "lost 2"], ["lost 1", "connectionLost"]);
});

test("U8: the exit may come last: all pipes are lost, and the child lives", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "exec 0<&- 1>&- 2>&-; exec sleep 60"]);
  await Promise.all([0, 1, 2].map((fd) => recorder.noted(`lost ${fd}`)));
  assert.equal(transport.getReturnCode(), null);
  assert.deepEqual(
    recorder.log.filter((entry) => entry === "exited" || entry === "connectionLost"),
    [],
  );
  transport.kill();
  await recorder.ended;
  assert.deepEqual(recorder.log.slice(-3), ["exited", "connectionLost", "ended"]);
});

for (const stdin of ["pipe", "ignore"] as const) {
  test(`U8: what happens before connectionMade is kept and replayed in order: the thread is held up after the clone, stdin ${stdin}`, async () => {
    const storage = new AsyncLocalStorage<string>();
    const contexts: (string | undefined)[] = [];
    const note = (): void => void contexts.push(storage.getStore());
    const recorder = new Recorder({
      connectionMade: note,
      childDataReceived: note,
      childConnectionLost: note,
      processExited: note,
      connectionLost: note,
      processEnded: note,
    });
    const transport = storage.run("the user's", () => spawnProcess(recorder, act, ["say", "1", "1"], { stdin }));
    endedWithoutTurn(transport.getPid());
    assert.deepEqual(recorder.log, []);
    // The child is gone: this is lost before anything could be told.
    if (stdin === "pipe") assert.equal(transport.write("too late"), false);
    await recorder.ended;
    assert.equal(recorder.log[0], "made");
    inOrder(recorder.log, ["data 1", "lost 1"], ["exited", "connectionLost"]);
    assert.equal(recorder.text(), "1\n");
    if (stdin === "pipe") assert.equal((recorder.errors.get(0) as NodeJS.ErrnoException).code, "EPIPE");
    assert.equal(transport.getReturnCode(), 0);
    assert.ok(contexts.length >= 6 && contexts.every((context) => context === "the user's"), contexts.join());
  });
}

/** Waits in this very turn of the event loop. */
function endedWithoutTurn(pid: number): void {
  const wait = new Int32Array(new SharedArrayBuffer(4));
  while (stateOf(pid) !== "Z") Atomics.wait(wait, 0, 0, 1);
}

test("U9: any number of waiters, settled after processExited was called; late ones at once; one that gives up disturbs none", async () => {
  const order: string[] = [];
  const recorder = new Recorder({ processExited: () => order.push("processExited") });
  const transport = spawnProcess(recorder, act, ["read", "exit", "5"]);
  const gone = new AbortController();
  const given = transport.wait({ signal: gone.signal });
  const waits = Array.from({ length: 20 }, async (_, i) => {
    const state = await transport.wait(i % 2 === 0 ? {} : { signal: new AbortController().signal });
    order.push("waiter");
    return state;
  });
  gone.abort("enough");
  await assert.rejects(given, { name: "AbortError", cause: "enough" });
  transport.closeStdin();
  const states = await Promise.all(waits);
  assert.ok(states.every((state) => state.kind === "exited" && state.code === 5));
  assert.deepEqual(order, ["processExited", ...Array<string>(20).fill("waiter")]);
  const late = await transport.wait();
  assert.equal(late.kind, "exited");
  await assert.rejects(transport.wait({ signal: AbortSignal.abort() }), { name: "AbortError" });
  await recorder.ended;
});

test("U9: the same when the exit precedes connectionMade", async () => {
  const order: string[] = [];
  const recorder = new Recorder({
    connectionMade: () => order.push("connectionMade"),
    processExited: () => order.push("processExited"),
  });
  const transport = spawnProcess(recorder, "true");
  endedWithoutTurn(transport.getPid());
  const waiting = transport.wait().then(() => order.push("waiter"));
  await waiting;
  assert.deepEqual(order, ["connectionMade", "processExited", "waiter"]);
  await recorder.ended;
});

test("U12: close() kills what lives and closes all pipes; processExited and connectionLost come, once; in any state", async () => {
  const all = ["connectionLost", "ended", "exited", "lost 0", "lost 1", "lost 2", "made"];
  for (const moment of ["at once", "made", "twice", "stubborn", "exited", "ended"] as const) {
    const recorder = new Recorder();
    const args = moment === "exited" || moment === "ended" ? ["exit", "0"] : ["ignore", "15", "say", "1", "up", "pause"];
    const transport = spawnProcess(recorder, act, args);
    if (moment === "made" || moment === "twice") await recorder.noted("made");
    if (moment === "stubborn") await recorder.said("up");
    if (moment === "exited") await transport.wait();
    if (moment === "ended") await recorder.ended;
    transport.close();
    if (moment === "twice") transport.close();
    assert.equal(transport.isClosing(), true);
    await recorder.ended;
    transport.close();
    assert.deepEqual([...new Set(recorder.log.filter((entry) => !entry.startsWith("data")))].sort(), all, moment);
    assert.equal(recorder.log.filter((entry) => !entry.startsWith("data")).length, all.length);
    assert.equal(transport.getReturnCode(), args[0] === "exit" ? 0 : -9);
  }
});

test("U12: close() after the exit gives up what a grandchild holds", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["fork", "say", "1", "up", "pause", ";"]);
  await transport.wait();
  await recorder.said("up");
  assert.ok(!recorder.log.includes("connectionLost"));
  transport.close();
  await recorder.ended;
  const [grandchild] = await holders(transport.child.heldBy);
  assert.equal(grandchild, undefined);
});

/** The grandchild pauses for ever: it is in our session, and found by its command line. */
async function holders(known: readonly { pid: number }[]): Promise<number[]> {
  const { readdirSync, readFileSync } = await import("node:fs");
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readFileSync(`/proc/${name}/cmdline`, "latin1").includes("say\x001\0up\0pause") && Number(name) !== process.pid) {
        process.kill(Number(name), "SIGKILL");
        await ended(Number(name));
      }
    } catch {
      // It has gone.
    }
  }
  return known.map(({ pid }) => pid);
}

test("U14: every callback runs in the context in which the transport was made, whoever caused it", async () => {
  const storage = new AsyncLocalStorage<number>();
  const seen = new Map<string, Set<number | undefined>>();
  const note = (name: string) => (): void => {
    seen.set(name, (seen.get(name) ?? new Set()).add(storage.getStore()));
  };
  let goOn = (): void => {};
  const resumed = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const resumeProducing = (): void => {
    note("resume")();
    goOn();
  };
  const producer = { resumeProducing, pauseProducing: note("pauseProducer"), stopProducing: note("stop") };
  const recorder = new Recorder({
    connectionMade: note("made"),
    childDataReceived: note("data"),
    childConnectionLost: note("lost"),
    pauseWriting: note("pause"),
    resumeWriting: note("resumed"),
    processExited: note("exited"),
    connectionLost: note("connectionLost"),
    processEnded: note("ended"),
  });
  const transport = await storage.run(1, async () => (await subprocessExec(() => recorder, "cat"))[0]);
  storage.run(2, () => {
    transport.registerProducer(producer, true);
    // More than cat and the pipes can hold.
    transport.write(Buffer.alloc(1_000_000));
  });
  await recorder.noted("resume 0");
  await resumed;
  storage.run(3, () => {
    transport.pauseProducing();
    transport.resumeProducing();
    transport.unregisterProducer();
    transport.registerProducer(producer, false);
  });
  storage.run(4, () => transport.close());
  await recorder.ended;
  assert.deepEqual(
    [...seen.keys()].sort(),
    "connectionLost,data,ended,exited,lost,made,pause,pauseProducer,resume,resumed,stop".split(","),
  );
  for (const [name, contexts] of seen) assert.deepEqual([...contexts], [1], name);
});

test("U15: a callback that throws is an uncaughtException, once; every other one still runs", async () => {
  const { uncaught, log } = await inNode<{ uncaught: string[]; log: string[] }>(`${IMPORTS}
    const uncaught = [];
    process.on("uncaughtException", (error) => uncaught.push(error.message));
    const fail = (name) => () => { throw new Error(name); };
    const recorder = new Recorder({
      childDataReceived: fail("data"), childConnectionLost: (fd) => fail("lost " + fd)(), processExited: fail("exited"),
      connectionLost: fail("connectionLost"), processEnded: fail("ended"),
    });
    const transport = spawnProcess(recorder, "echo", ["1"]);
    await recorder.ended;
    await turn();
    done({ uncaught: uncaught.sort(), log: recorder.log.slice().sort() });
  `);
  assert.deepEqual(uncaught, ["connectionLost", "data", "ended", "exited", "lost 0", "lost 1", "lost 2"]);
  assert.deepEqual(log, ["connectionLost", "data 1", "ended", "exited", "lost 0", "lost 1", "lost 2", "made"]);
});

test("U15: of children that end in one batch, one's exception doesn't keep the others from being told", async () => {
  const ends = await inNode<[number, number]>(`${IMPORTS}
    let uncaught = 0;
    process.on("uncaughtException", () => uncaught++);
    const all = Array.from({ length: 20 }, (_, i) => {
      const recorder = new Recorder(i % 2 === 0 ? { processExited() { throw new Error("no"); } } : {});
      spawnProcess(recorder, "true");
      return recorder.ended;
    });
    const until = Date.now() + 300;
    while (Date.now() < until) {}
    const ended = await Promise.all(all);
    await turn();
    done([uncaught, ended.length]);
  `);
  assert.deepEqual(ends, [10, 20]);
});

test("U20: connectionMade throwing rejects the creation; the child is killed and reaped, and the protocol told", async () => {
  const error = new Error("not like this");
  const recorder = new Recorder({
    connectionMade() {
      throw error;
    },
  });
  await assert.rejects(
    subprocessExec(() => recorder, act, ["ignore", "15", "pause"]),
    (thrown) => thrown === error,
  );
  assert.deepEqual(recorder.log.slice(-2), ["connectionLost", "ended"]);
  assert.equal(recorder.transport?.getReturnCode(), -9);
  // Nothing is left: `test` looks for it.
});

test("U20: undefined, thrown, is thrown", async () => {
  const recorder = new Recorder({
    connectionMade() {
      throw undefined;
    },
  });
  await assert.rejects(
    subprocessExec(() => recorder, act, ["pause"]),
    (thrown) => thrown === undefined,
  );
});

test("U20: the same without a promise is an uncaughtException, and the child is killed", async () => {
  const { uncaught, log, code } = await inNode<{ uncaught: string[]; log: string[]; code: number }>(`${IMPORTS}
    const uncaught = [];
    process.on("uncaughtException", (error) => uncaught.push(error.message));
    const recorder = new Recorder({ connectionMade() { throw new Error("no"); } });
    const transport = spawnProcess(recorder, "sleep", ["60"]);
    await recorder.ended;
    await turn();
    done({ uncaught, log: recorder.log, code: transport.getReturnCode() });
  `);
  assert.deepEqual(uncaught, ["no"]);
  assert.deepEqual([log.at(-1), code], ["ended", -9]);
});

test("U20: a factory that throws creates nothing; so does one that makes no protocol", async () => {
  const error = new Error("no protocol");
  await assert.rejects(
    subprocessExec(
      () => {
        throw error;
      },
      act,
      ["pause"],
    ),
    (thrown) => thrown === error,
  );
  await assert.rejects(subprocessShell((() => 5) as never, "exit 3"), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
});

test("U20: a pipe, a clone or the watch that fails rejects the creation; nothing is left", async () => {
  const failures = await inFaultyNode<{ name: string; code: string; stage: string; told: string[] }[]>(
    `${IMPORTS}
    import { takeStock as stock } from ${JSON.stringify(import.meta.resolve("../../helpers/leaks.js"))};
    await subprocessExec(() => new Recorder(), "true").then(([transport]) => transport.wait());
    await turn();
    const failures = [];
    for (const [call, code, skip] of [["pipe2", "EMFILE", 0], ["pipe2", "EMFILE", 1], ["clone", "EAGAIN", 0], ["epoll_ctl", "ENOMEM", 0]]) {
      const compare = stock();
      const recorder = new Recorder();
      fail(call, code, skip);
      const error = await subprocessExec(() => recorder, "true", [], { stdout: 1 }).then(() => ({}), (error) => error);
      clear(call);
      await compare();
      failures.push({ name: error.name, code: error.code, stage: error.stage, told: recorder.log });
    }
    done(failures);`,
    "clone3",
  );
  assert.deepEqual(failures, [
    { name: "SpawnError", code: "EMFILE", stage: "pipe", told: [] },
    { name: "SpawnError", code: "EMFILE", stage: "pipe", told: [] },
    { name: "SpawnError", code: "EAGAIN", stage: "clone", told: [] },
    { name: "SpawnError", code: "ENOMEM", stage: "watch", told: [] },
  ]);
});
