/**
 * What can be asked of a transport and done with it: rows U10, U11, U13, U16, U19 and U21 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { type ProcessTransport, spawnProcess, subprocessExec, subprocessShell } from "brood/protocol";
import { act, filling } from "../../helpers/act.js";
import { inNode } from "../../helpers/in-node.js";
import { stateOf } from "../../helpers/processes.js";
import { Recorder } from "../../helpers/recorder.js";
import { test } from "../../helpers/test.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Lets the event loop run until there has been nothing to do for a while: what could come has come. */
async function idle(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn();
}

test("U10: the pid is the child's, and stays after the end; the return code is null while it lives", async () => {
  const [transport, recorder] = await subprocessExec(() => new Recorder(), "sh", ["-c", "echo $$; read line"]);
  assert.equal(transport.getReturnCode(), null);
  await recorder.said("\n");
  assert.equal(Number(recorder.text()), transport.getPid());
  transport.closeStdin();
  await recorder.ended;
  assert.equal(Number(recorder.text()), transport.getPid());
  assert.notEqual(transport.getReturnCode(), null);
});

test("U10: the pipe transport of an fd without a pipe is null; the others stay, also after their loss", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read"], { stderr: "ignore", fds: { 4: "pipe" } });
  const shape = (): (number | undefined)[] => [0, 1, 2, 3, 4, 2147483647].map((fd) => transport.getPipeTransport(fd)?.fd);
  assert.deepEqual(shape(), [0, 1, undefined, undefined, 4, undefined]);
  assert.equal(transport.getPipeTransport(2), null);
  transport.closeStdin();
  await recorder.ended;
  assert.deepEqual(shape(), [0, 1, undefined, undefined, 4, undefined]);
  assert.equal(transport.getPipeTransport(0)?.isClosing(), true);
  assert.equal(transport.getPipeTransport(1)?.isClosing(), true);
});

test("U10: fd 0 can't be read from, nor fd 1 written to", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read"]);
  assert.throws(() => transport.getPipeTransport(0)?.pauseReading(), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  assert.throws(() => transport.getPipeTransport(1)?.write("what"), { name: "TypeError", code: "ERR_INVALID_ARG_VALUE" });
  transport.closeStdin();
  await recorder.ended;
});

test("U10: a new protocol gets what is undelivered, and only that", async () => {
  const first = new Recorder();
  const second = new Recorder();
  const transport = spawnProcess(first, "sh", ["-c", "echo one; read line; echo two; exit 3"]);
  assert.equal(transport.getProtocol(), first);
  await first.said("one");
  transport.pauseProducing();
  transport.write("go\n");
  await transport.wait();
  assert.ok(!first.text().includes("two"));
  transport.setProtocol(second);
  assert.equal(transport.getProtocol(), second);
  transport.resumeProducing();
  await second.ended;
  assert.deepEqual([first.text(), second.text()], ["one\n", "two\n"]);
  assert.ok(!second.log.includes("made") && second.log.includes("lost 1") && second.log.includes("connectionLost"));
  assert.ok(!first.log.includes("connectionLost"));
});

test("U10: one that is set before the first callback gets all", async () => {
  const first = new Recorder();
  const second = new Recorder();
  const transport = spawnProcess(first, "echo", ["all"]);
  transport.setProtocol(second);
  await second.ended;
  assert.deepEqual(first.log, []);
  assert.deepEqual([second.log[0], second.text()], ["made", "all\n"]);
});

test("U10: extra information: the child, and the default for what is unknown", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "true");
  assert.equal(transport.getExtraInfo("subprocess"), transport.child);
  assert.equal(transport.getExtraInfo("peername"), null);
  assert.equal(transport.getExtraInfo("peername", "nobody"), "nobody");
  assert.equal(transport.getPipeTransport(0)?.getExtraInfo("pipe", 5), 5);
  assert.equal(transport.getPipeTransport(0)?.getExtraInfo("pipe"), null);
  await recorder.ended;
});

test("U10: isClosing() is true from close() or the exit on, not from the loss of the pipes", async () => {
  const closed = new Recorder();
  const transport = spawnProcess(closed, act, ["pause"]);
  assert.equal(transport.isClosing(), false);
  transport.loseConnection();
  await closed.noted("lost 1");
  assert.equal(transport.isClosing(), false);
  transport.close();
  assert.equal(transport.isClosing(), true);
  await closed.ended;

  const seen: boolean[] = [];
  const exiting = new Recorder({ processExited: () => seen.push((exiting.transport as ProcessTransport).isClosing()) });
  const held = spawnProcess(exiting, act, ["read"]);
  assert.equal(held.isClosing(), false);
  held.closeStdin();
  await exiting.ended;
  assert.deepEqual([seen, held.isClosing()], [[true], true]);
});

test("U11: terminate() and kill() send their signals, sendSignal() any", async () => {
  for (const [send, code] of [
    [(transport: ProcessTransport) => transport.terminate(), -15],
    [(transport: ProcessTransport) => transport.kill(), -9],
    [(transport: ProcessTransport) => transport.sendSignal("SIGHUP"), -1],
    [(transport: ProcessTransport) => transport.sendSignal(10), -10],
    [(transport: ProcessTransport) => transport.sendSignal("SIGRTMIN+2"), -36],
  ] as const) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["say", "1", "up", "pause"]);
    await recorder.said("up");
    transport.sendSignal(0);
    send(transport);
    await recorder.ended;
    assert.equal(transport.getReturnCode(), code);
  }
});

test("U11: a handler of the child runs; terminate() doesn't escalate", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["on", "15", "handled", "say", "1", "up", "pause"], { forceKillAfterDelay: 1 });
  await recorder.said("up");
  transport.terminate();
  await recorder.ended;
  assert.equal(recorder.text(), "up\nhandled\n");
  assert.equal(transport.getReturnCode(), 7);
});

test("U11: after the exit each says that there is no such process: before it is reaped, before and after the last callback", async () => {
  const gone = { name: "Error", code: "ESRCH", errno: -3, syscall: "kill", message: /no such process.*exited already/ };
  const refused = (transport: ProcessTransport): void => {
    for (const send of ["terminate", "kill"] as const) assert.throws(() => transport[send](), gone);
    for (const signal of ["SIGINT", 15, 0] as const) assert.throws(() => transport.sendSignal(signal), gone);
    assert.throws(() => transport.signalProcess("KILL"), gone);
  };
  const seen: string[] = [];
  const recorder = new Recorder({
    processExited: () => {
      refused(recorder.transport as ProcessTransport);
      seen.push("exited");
    },
  });
  const transport = spawnProcess(recorder, "true");
  const wait = new Int32Array(new SharedArrayBuffer(4));
  while (stateOf(transport.getPid()) !== "Z") Atomics.wait(wait, 0, 0, 1);
  refused(transport);
  await recorder.ended;
  refused(transport);
  assert.deepEqual(seen, ["exited"]);
});

test("U13: backpressure of stdin reaches the protocol: pause from within the write, resume below the lower limit", async () => {
  const recorder = new Recorder();
  // It reads nothing before it is told to go on: or it might keep up with us.
  const [transport] = await subprocessExec(() => recorder, act, ["raise", "19", "drain", "say", "1", "done"]);
  const stdin = transport.getPipeTransport(0);
  assert.deepEqual(stdin?.getWriteBufferLimits(), { high: 65_536, low: 16_384 });
  let written = 0;
  // Written in one turn without end, were it not for pauseWriting.
  while (!recorder.log.includes("pause 0") && written < 10_000_000) {
    transport.write(Buffer.alloc(1000));
    written += 1000;
  }
  assert.ok(written > 65_536 && written < 1_000_000, String(written));
  assert.ok((stdin?.getWriteBufferSize() as number) > 65_536);
  transport.write("more");
  assert.equal(recorder.log.filter((entry) => entry === "pause 0").length, 1);
  await transport.child.wait({ stopped: true });
  transport.sendSignal("SIGCONT");
  await recorder.noted("resume 0");
  assert.ok((stdin?.getWriteBufferSize() as number) <= 16_384);
  transport.closeStdin();
  await recorder.ended;
  assert.equal(recorder.text(), "done\n");
  assert.equal(recorder.errors.get(0), undefined);
});

test("U13: the limits can be set, with 0 every write that is not taken at once pauses; a write's result says the same", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["say", "1", "up", "pause"]);
  const stdin = transport.getPipeTransport(0);
  await recorder.said("up");
  stdin?.setWriteBufferLimits({ high: 0 });
  assert.deepEqual(stdin?.getWriteBufferLimits(), { high: 0, low: 0 });
  assert.equal(transport.write("taken by the pipe"), true);
  assert.ok(!recorder.log.includes("pause 0"));
  assert.equal(transport.write(Buffer.alloc(65_536)), false);
  assert.ok(recorder.log.includes("pause 0"));
  stdin?.setWriteBufferLimits({ low: 50_000 });
  assert.deepEqual(stdin?.getWriteBufferLimits(), { high: 200_000, low: 50_000 });
  await recorder.noted("resume 0");
  stdin?.setWriteBufferLimits();
  assert.deepEqual(stdin?.getWriteBufferLimits(), { high: 65_536, low: 16_384 });
  transport.close();
  await recorder.ended;
});

test("U13: what is written before connectionMade and is too much pauses right after it", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["raise", "19", "drain"]);
  assert.equal(transport.write(Buffer.alloc(300_000)), false);
  assert.deepEqual(recorder.log, []);
  await transport.child.wait({ stopped: true });
  transport.sendSignal("SIGCONT");
  await recorder.noted("resume 0");
  assert.deepEqual(recorder.log.slice(0, 3), ["made", "pause 0", "resume 0"]);
  transport.closeStdin();
  await recorder.ended;
});

test("U13: reading can be paused and resumed: nothing comes meanwhile, the child is held up, nothing is lost", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["fill", "1", "1000000", "say", "2", "all written"]);
  const stdout = transport.getPipeTransport(1);
  stdout?.pauseReading();
  assert.equal(stdout?.isReading(), false);
  await recorder.noted("made");
  await idle();
  assert.deepEqual([recorder.bytes(1).length, recorder.text(2)], [0, ""]);
  stdout?.resumeReading();
  assert.equal(stdout?.isReading(), true);
  await recorder.noted("data 1");
  stdout?.pauseReading();
  const length = recorder.bytes(1).length;
  await idle();
  assert.equal(recorder.bytes(1).length, length);
  stdout?.resumeReading();
  await recorder.ended;
  assert.ok(recorder.bytes(1).equals(filling(1_000_000)));
});

test("U13: paused from within the callback: not one more chunk; the loss waits, too", async () => {
  let chunks = 0;
  const recorder = new Recorder({
    childDataReceived: () => {
      chunks++;
      recorder.transport?.pauseProducing(1);
    },
  });
  const transport = spawnProcess(recorder, act, ["fill", "1", "200000"]);
  for (let expected = 1; ; expected++) {
    await recorder.noted("data 1");
    while (chunks < expected && !recorder.log.includes("lost 1")) await turn();
    if (recorder.log.includes("lost 1")) break;
    await idle();
    assert.equal(chunks, expected);
    assert.ok(!recorder.log.includes("connectionLost"));
    transport.resumeProducing(1);
  }
  await recorder.ended;
  assert.ok(recorder.bytes(1).equals(filling(200_000)));
});

for (const size of [8191, 8192, 8193, 65_535, 65_536, 65_537, 219_263, 219_264, 1_000_000]) {
  test(`U16: ${size} bytes go through cat and come back, in one write and in small ones`, async () => {
    const data = filling(size);
    for (const piece of [size, 1021]) {
      const recorder = new Recorder();
      const transport = spawnProcess(recorder, "cat");
      for (let at = 0; at < size; at += piece) transport.write(data.subarray(at, at + piece));
      transport.closeStdin();
      await recorder.ended;
      assert.ok(recorder.bytes(1).equals(data));
      assert.equal(recorder.errors.get(0), undefined);
    }
  });
}

test("U16: several hundred KB to stdin while stdout is read", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "cat; echo end >&2"]);
  const data = filling(700_000);
  for (let at = 0; at < data.length; at += 70_000) {
    transport.write(data.subarray(at, at + 70_000));
    await turn();
  }
  transport.closeStdin();
  await recorder.ended;
  assert.ok(recorder.bytes(1).equals(data));
  assert.equal(recorder.text(2), "end\n");
});

test("U16: a child that exits without closing its stdin first has read all that it wanted", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", [
    "-c",
    "while read line; do [ $line = END ] && break; n=$((n+1)); done; echo $n",
  ]);
  transport.write(`${"x\n".repeat(5000)}END\n`);
  await recorder.ended;
  assert.equal(recorder.text(), "5000\n");
});

test("U19: a running child whose handle was dropped is not collected: its callbacks run, and no zombie stays", async () => {
  const { log, alive } = await inNode<{ log: string[]; alive: boolean[] }>(
    `
    import { spawnProcess } from ${JSON.stringify(import.meta.resolve("brood/protocol"))};
    const log = [];
    const pids = [];
    const collected = { count: 0 };
    const registry = new FinalizationRegistry(() => collected.count++);
    (() => {
      for (const stdio of ["pipe", "ignore"]) {
        const protocol = { processExited: (state) => log.push("exited " + state.signal), connectionLost: () => log.push("lost") };
        registry.register(protocol);
        pids.push(spawnProcess(protocol, ${JSON.stringify(act)}, ["pause"], { stdio }).getPid());
      }
    })();
    // An object that nobody holds does go.
    registry.register({});
    while (collected.count === 0) {
      globalThis.gc();
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    const before = collected.count;
    for (const pid of pids) process.kill(pid, "SIGKILL");
    while (log.length < 4) {
      globalThis.gc();
      await new Promise(setImmediate);
    }
    done({ log: [before, ...log.sort()], alive: pids.map((pid) => fs.existsSync("/proc/" + pid)) });
  `,
    { nodeArgs: ["--expose-gc"] },
  );
  assert.deepEqual(log, [1, "exited SIGKILL", "exited SIGKILL", "lost", "lost"]);
  assert.deepEqual(alive, [false, false]);
});

test("U21: EPERM, since the child changed its user, is thrown with its errno and not taken for dead", async () => {
  const result = await inNode<{ errors: unknown[]; closing: boolean[]; code: number | null; last: string; closed: unknown }>(`
    import { spawnProcess } from ${JSON.stringify(import.meta.resolve("brood/protocol"))};
    import { Recorder } from ${JSON.stringify(import.meta.resolve("../../helpers/recorder.js"))};
    // The child is root's, and we are not any more.
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, ${JSON.stringify(act)}, ["read"]);
    await recorder.noted("made");
    process.setgroups([]);
    process.setgid(65534);
    process.setuid(65534);
    const errors = [];
    for (const send of [() => transport.kill(), () => transport.terminate(), () => transport.sendSignal("HUP"), () => transport.close()]) {
      try { send(); errors.push("none"); } catch (error) { errors.push([error.code, error.errno]); }
    }
    const closing = [transport.isClosing()];
    const code = transport.getReturnCode();
    await recorder.ended;
    done({ errors, closing, code, last: recorder.log.at(-1), closed: transport.getReturnCode() });
  `);
  assert.deepEqual(result.errors, Array(4).fill(["EPERM", -1]));
  assert.equal(result.code, null);
  // close() has closed the pipes all the same: the child read the end of file, and ended.
  assert.deepEqual([result.closing, result.last, result.closed], [[true], "ended", 0]);
});

test("U10: a scope ends the child politely, and waits until all has been told", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["on", "15", "bye", "say", "1", "up", "pause"]);
  await recorder.said("up");
  await transport[Symbol.asyncDispose]();
  assert.equal(recorder.log.at(-1), "ended");
  assert.equal(transport.getReturnCode(), 7);
  assert.equal(recorder.text(), "up\nbye\n");
});

test("U22: stdin that the child closes while it lives is lost, without an error and without a write", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["read", "close", "0", "pause"]);
  transport.write("x");
  await recorder.noted("lost 0");
  assert.deepEqual([recorder.errors.get(0), transport.getReturnCode()], [undefined, null]);
  assert.equal(transport.getPipeTransport(0)?.isClosing(), true);
  transport.close();
  await recorder.ended;
});

test("U22: with a write on its way the error says that not all was read", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["read", "close", "0", "pause"]);
  transport.write(Buffer.alloc(1_000_000));
  await recorder.noted("lost 0");
  assert.equal((recorder.errors.get(0) as NodeJS.ErrnoException).code, "EPIPE");
  transport.close();
  await recorder.ended;
});

test("U23: a pipe describes itself: its fd and which way it goes", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["read"], { childFDs: { 0: "w", 1: "r", 5: "rw" } });
  const shown = [0, 1, 5].map((fd) => inspect(transport.getPipeTransport(fd)));
  assert.deepEqual(shown, [
    "PipeTransport { fd 0, written }",
    "PipeTransport { fd 1, read }",
    "PipeTransport { fd 5, read and written }",
  ]);
  transport.closeStdin();
  await recorder.ended;
});

test("U24: a command line for the shell", async () => {
  const recorder = new Recorder();
  const [transport, protocol] = await subprocessShell(() => recorder, "echo $FOO$BAR | tr a-z A-Z; exit 7", {
    env: { FOO: "sp", BAR: "am" },
  });
  assert.equal(protocol, recorder);
  await recorder.ended;
  assert.deepEqual([recorder.text(), transport.getReturnCode()], ["SPAM\n", 7]);
});
