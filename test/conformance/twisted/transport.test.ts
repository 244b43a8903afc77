/**
 * What a transport does: rows T2 to T5, T8, T9, T12 and T14 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { spawn as nodeSpawn } from "node:child_process";
import { once } from "node:events";
import { inspect } from "node:util";
import { MessageChannel } from "node:worker_threads";
import { type ProcessTransport, spawnProcess } from "brood/protocol";
import { act } from "../../helpers/act.js";
import { stateOf } from "../../helpers/processes.js";
import { Recorder } from "../../helpers/recorder.js";
import { test } from "../../helpers/test.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const epipe = { name: "Error", code: "EPIPE", errno: -32, syscall: "write" };

test("T2: write, writeSequence and writeToChild write to stdin, in order; strings are UTF-8", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "cat");
  transport.write("hello, ");
  transport.writeSequence(["world", Buffer.from("!"), "", "ä"]);
  transport.writeToChild(0, new Uint8Array([33, 10]));
  transport.writeSequence(new Set(["x", "y"]));
  transport.closeStdin();
  await recorder.ended;
  assert.equal(recorder.text(), "hello, world!ä!\nxy");
});

test("T2: echo of many writes, ten times 7007 bytes, as they come back", async () => {
  const piece = Buffer.from("1234567".repeat(1001));
  const recorder = new Recorder({
    connectionMade: (transport) => {
      for (let i = 0; i < 8; i++) transport.write(piece);
      transport.writeSequence([piece, piece]);
    },
    childDataReceived: () => {
      if (recorder.bytes(1).length === 10 * piece.length) recorder.transport?.closeStdin();
    },
  });
  const transport = spawnProcess(recorder, "cat");
  await recorder.ended;
  assert.ok(recorder.bytes(1).equals(Buffer.concat(Array<Buffer>(10).fill(piece))));
  assert.equal(transport.getReturnCode(), 0);
});

test("T2: any fd that we write; one that is no such pipe is an error", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "cat <&7; cat"], { childFDs: { 0: "w", 1: "r", 7: "w" } });
  transport.write("second");
  transport.writeToChild(7, "first ");
  for (const fd of [1, 2, 13, 3]) {
    assert.throws(() => transport.writeToChild(fd, "lost"), {
      name: "TypeError",
      code: "ERR_INVALID_ARG_VALUE",
      message: /fd.*write/,
    });
  }
  transport.closeChildFD(7);
  transport.closeStdin();
  await recorder.ended;
  assert.equal(recorder.text(), "first second");
});

test("T2: without stdin a write is an error, never silent loss", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["exit", "0"], { stdin: "ignore" });
  assert.throws(() => transport.write("lost"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => transport.writeSequence(["lost"]), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  await recorder.ended;
});

test("T2: a write after our close is an error; after the loss was told EPIPE; in between the loss tells it", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["close", "0", "say", "1", "closed", "pause"]);
  await recorder.noted("lost 0");
  assert.equal(recorder.errors.get(0), undefined);
  assert.throws(() => transport.write("late"), epipe);
  transport.kill();
  await recorder.ended;

  const closing = new Recorder();
  const second = spawnProcess(closing, "cat");
  second.closeStdin();
  assert.throws(() => second.write("late"), { name: "Error", code: "ERR_INVALID_STATE" });
  await closing.ended;
  assert.throws(() => second.write("later"), epipe);

  for (const close of [
    (transport: ProcessTransport) => transport.close(),
    (transport: ProcessTransport) => transport.getPipeTransport(0)?.abort(),
  ]) {
    const aborting = new Recorder();
    const transport = spawnProcess(aborting, "cat");
    await aborting.noted("made");
    close(transport);
    assert.throws(() => transport.write("late"), { name: "Error", code: "ERR_INVALID_STATE" });
    await aborting.ended;
    assert.equal(aborting.errors.get(0), undefined);
  }

  const between = new Recorder();
  const third = spawnProcess(between, act, ["exit", "0"]);
  while (stateOf(third.getPid()) !== "Z") {}
  third.write("into the void");
  await between.ended;
  assert.equal((between.errors.get(0) as NodeJS.ErrnoException).code, "EPIPE");
});

test("T2: what a child that exits has not read is told as EPIPE", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read", "exit", "0"]);
  transport.write(Buffer.alloc(1_000_000));
  await recorder.ended;
  assert.equal((recorder.errors.get(0) as NodeJS.ErrnoException).code, "EPIPE");
  assert.equal(transport.getReturnCode(), 0);
});

test("T3: closeStdin writes first what is pending; closing what is closed, or never was, is harmless", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "head -c1 >/dev/null; wc -c"]);
  transport.write(Buffer.alloc(1_000_000, "x"));
  for (let i = 0; i < 3; i++) transport.closeStdin();
  transport.closeChildFD(0);
  transport.closeChildFD(99);
  await recorder.ended;
  transport.closeStdin();
  transport.closeStdout();
  assert.equal(recorder.text().trim(), "999999");
  assert.equal(recorder.errors.get(0), undefined);
  assert.equal(recorder.log.filter((entry) => entry === "lost 0").length, 1);
});

for (const [fd, close] of [
  [1, (transport: ProcessTransport) => transport.closeStdout()],
  [2, (transport: ProcessTransport) => transport.closeStderr()],
] as const) {
  test(`T3: closing fd ${fd} really closes the pipe: the child's write to it fails`, async () => {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["read", "say", String(fd), "lost", "exit", "42"]);
    await recorder.noted("made");
    close(transport);
    await recorder.noted(`lost ${fd}`);
    assert.deepEqual(recorder.log, ["made", `lost ${fd}`]);
    transport.write("go");
    await recorder.ended;
    // SIGPIPE is default in the child.
    assert.equal(transport.getReturnCode(), -13);
    assert.equal(recorder.bytes(fd).length, 0);
  });
}

test("T3: closing one from within a callback interrupts nothing: its loss is told after that", async () => {
  const log: string[] = [];
  const recorder = new Recorder({
    childDataReceived: () => {
      log.push("data begins");
      recorder.transport?.closeStdin();
      recorder.transport?.closeStdout();
      log.push("data ends");
    },
    childConnectionLost: (fd) => log.push(`lost ${fd}`),
  });
  spawnProcess(recorder, "sh", ["-c", "echo; cat"]);
  await recorder.ended;
  assert.deepEqual(log.slice(0, 4).toSorted(), ["data begins", "data ends", "lost 0", "lost 1"]);
  assert.deepEqual(log.slice(0, 2), ["data begins", "data ends"]);
});

test("T3: nor does what a disposal of the child gives in one go", async () => {
  let depth = 0;
  let nested = 0;
  const recorder = new Recorder({
    childDataReceived: () => {
      const transport = recorder.transport as ProcessTransport;
      if (++depth > 1) nested++;
      if (recorder.text() === "first\n") {
        transport.write("x");
        // It stops when all is written.
        while (stateOf(transport.getPid()) !== "T") {}
        transport.child[Symbol.dispose]();
        transport.child.ref();
      }
      depth--;
    },
  });
  spawnProcess(recorder, act, ["say", "1", "first", "read", "fill", "1", "60000", "raise", "19"]);
  await recorder.ended;
  assert.equal(nested, 0);
  // What had arrived is told, then the loss.
  assert.equal(recorder.bytes(1).length, 60_006);
  assert.ok(recorder.log.lastIndexOf("data 1") < recorder.log.indexOf("lost 1"));
});

test("T4: loseConnection closes all three, and the process goes on", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["drain", "say", "3", "alive", "read", "drain", "exit", "6"], {
    fds: { 3: "pipe" },
  });
  await recorder.noted("made");
  transport.loseConnection();
  await Promise.all([0, 1, 2].map((fd) => recorder.noted(`lost ${fd}`)));
  await recorder.noted("data 3");
  assert.equal(recorder.text(3), "alive\n");
  await recorder.ended;
  assert.equal(transport.getReturnCode(), 6);
});

test("T4: it ends each of two children that wait for the end of their input, by itself", async () => {
  const recorders = [new Recorder(), new Recorder()];
  const transports = recorders.map((recorder) => spawnProcess(recorder, act, ["drain"]));
  transports[0]?.loseConnection();
  await recorders[0]?.ended;
  assert.equal(transports[1]?.getReturnCode(), null);
  transports[1]?.loseConnection();
  await recorders[1]?.ended;
});

test("T5: pauseProducing and resumeProducing stop and restart all readers", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["say", "1", "a", "say", "2", "b", "say", "3", "c"], { fds: { 3: "pipe" } });
  transport.pauseProducing();
  transport.pauseProducing();
  await transport.wait();
  for (let i = 0; i < 20; i++) await turn();
  assert.deepEqual(
    recorder.log.filter((entry) => entry !== "lost 0"),
    ["made", "exited"],
  );
  transport.resumeProducing();
  await recorder.ended;
  assert.deepEqual(
    [1, 2, 3].map((fd) => recorder.text(fd)),
    ["a\n", "b\n", "c\n"],
  );
});

test("T5: per fd too", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["fill", "2", "300000", "say", "1", "out", "fill", "1", "200000"]);
  transport.pauseProducing(1);
  while (recorder.bytes(2).length < 300_000) await turn();
  for (let i = 0; i < 20; i++) await turn();
  assert.equal(recorder.bytes(1).length, 0);
  transport.resumeProducing(1);
  await recorder.ended;
  assert.equal(recorder.bytes(1).length, 200_004);
  assert.throws(() => transport.pauseProducing(0), { code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => transport.resumeProducing(5), { code: "ERR_INVALID_ARG_VALUE" });
});

test("T8: reaping doesn't block, and takes nobody else's child", async () => {
  // A child of Node's own that ends at the same time, and one that is left unreaped while ours come and go.
  const others = Array.from({ length: 10 }, (_, i) => nodeSpawn("sh", ["-c", `exit ${i}`], { stdio: "ignore" }));
  const codes = others.map(async (child) => (await once(child, "exit"))[0] as number);
  const recorders = Array.from({ length: 10 }, (_, i) => {
    const recorder = new Recorder();
    spawnProcess(recorder, "sh", ["-c", `exit ${i}`], { childFDs: {} });
    return recorder;
  });
  const stays = new Recorder();
  const transport = spawnProcess(stays, act, ["pause"], { childFDs: {} });
  const states = await Promise.all(recorders.map(({ ended }) => ended));
  assert.deepEqual(
    states.map(({ state }) => state?.kind === "exited" && state.code),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  );
  assert.deepEqual(await Promise.all(codes), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  // One that lives has held up nothing.
  assert.equal(transport.getReturnCode(), null);
  transport.close();
  await stays.ended;
});

test("T8: without a single pipe the exit is noticed, also one that came before the event loop ran", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "true", [], { childFDs: {} });
  while (stateOf(transport.getPid()) !== "Z") {}
  await recorder.ended;
  assert.deepEqual(recorder.log, ["made", "exited", "connectionLost", "ended"]);
  assert.equal(stateOf(transport.getPid()), undefined);
});

test("T9: signalProcess takes short names, full names and numbers", async () => {
  for (const [signal, code] of [
    ["HUP", -1],
    ["INT", -2],
    ["KILL", -9],
    ["TERM", -15],
    ["SIGUSR2", -12],
    ["RTMIN+1", -35],
    [10, -10],
  ] as const) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["say", "1", "up", "pause"]);
    await recorder.said("up");
    transport.signalProcess(signal);
    const { state } = await recorder.ended;
    assert.equal(transport.getReturnCode(), code);
    assert.equal(state?.kind, "killed");
  }
});

test("T9: STOP stops it, CONT lets it go on", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["pause"], { childFDs: {} });
  transport.signalProcess("STOP");
  assert.equal((await transport.child.wait({ stopped: true })).kind, "stopped");
  transport.signalProcess("CONT");
  assert.equal((await transport.child.wait({ continued: true })).kind, "continued");
  transport.signalProcess("KILL");
  await recorder.ended;
});

test("T9: after the exit: already exited; an unknown one is refused before", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read", "exit", "23"]);
  for (const signal of ["NOPE", "term", 65, -1, ""]) {
    assert.throws(() => transport.signalProcess(signal), { name: "TypeError", code: "ERR_UNKNOWN_SIGNAL" });
  }
  transport.write("x");
  await recorder.ended;
  assert.throws(() => transport.signalProcess("INT"), { code: "ESRCH", message: /SIGINT.*exited already/ });
  assert.equal(transport.getReturnCode(), 23);
});

test("T12: a readable description: class, command, pid, state, pipes; as JSON, too", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read", "exit", "5"], { stderr: "ignore" });
  const pid = transport.getPid();
  assert.equal(inspect(transport), `ProcessTransport { ${act} read exit 5, pid ${pid}, running, pipes: fd 0 fd 1 }`);
  assert.match(inspect(transport.getPipeTransport(0)), /^PipeTransport { fd 0, written }$/);
  assert.deepEqual(JSON.parse(JSON.stringify(transport)), {
    command: act,
    args: ["read", "exit", "5"],
    pid,
    exit: null,
    pipes: [0, 1],
    closing: false,
  });
  transport.closeStdin();
  assert.match(inspect(transport.getPipeTransport(0)), /^PipeTransport { fd 0, written, closing }$/);
  await recorder.ended;
  assert.equal(inspect(transport), `ProcessTransport { ${act} read exit 5, pid ${pid}, return code 5 }`);
  const json = JSON.parse(JSON.stringify(transport)) as { exit: { code: number }; closing: boolean };
  assert.deepEqual([json.exit.code, json.closing], [5, true]);
});

test("T14: postMessage and structuredClone of a transport throw a DataCloneError", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "true");
  const { port1, port2 } = new MessageChannel();
  for (const value of [transport, transport.child, { inside: transport }]) {
    assert.throws(() => structuredClone(value), { name: "DataCloneError" });
    assert.throws(() => port1.postMessage(value), { name: "DataCloneError" });
  }
  port1.close();
  port2.close();
  await recorder.ended;
});

test("T16: what spawnProcess gives can be used at once, before connectionMade: written to, closed, signalled", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "cat");
  transport.write("at ");
  transport.write("once");
  transport.closeStdin();
  assert.deepEqual(recorder.log, []);
  await recorder.ended;
  assert.deepEqual([recorder.text(), recorder.log[0]], ["at once", "made"]);

  const killed = new Recorder();
  spawnProcess(killed, act, ["pause"]).signalProcess("KILL");
  await killed.ended;
  assert.deepEqual([killed.log[0], killed.log.at(-1)], ["made", "ended"]);
});
