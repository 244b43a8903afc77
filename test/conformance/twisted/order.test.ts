/**
 * What a protocol is told: row T7 of docs/parity.md, and what Twisted's own tests of its base class say.
 */

import assert from "node:assert/strict";
import { type ProcessProtocol, spawnProcess } from "brood/protocol";
import { act } from "../../helpers/act.js";
import { Recorder } from "../../helpers/recorder.js";
import { test } from "../../helpers/test.js";

/** A protocol of these methods alone, and a promise of its end. */
function bare(methods: ProcessProtocol): { protocol: ProcessProtocol; ended: Promise<void> } {
  let end = (): void => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { protocol: { ...methods, processEnded: () => end() }, ended };
}

test("T7: childConnectionLost is told as the child closes one fd after the other, while it lives", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["read", "close", "2", "read", "close", "1", "read"]);
  transport.write("1");
  await recorder.noted("lost 2");
  assert.ok(!recorder.log.includes("lost 1"));
  transport.write("2");
  await recorder.noted("lost 1");
  assert.deepEqual(recorder.log, ["made", "lost 2", "lost 1"]);
  transport.write("3");
  await recorder.ended;
});

test("T7: writing goes on in the callbacks of a loss; five stages in their order", async () => {
  const stages: number[] = [];
  const recorder = new Recorder({
    connectionMade: (transport) => {
      stages.push(1);
      transport.write("abcd");
    },
    childConnectionLost: (fd) => {
      if (fd === 1) {
        stages.push(2);
        assert.equal(recorder.text(1), "abcd");
        recorder.transport?.write("1234");
      } else if (fd === 2) {
        stages.push(3);
        assert.equal(recorder.text(2), "1234");
        recorder.transport?.write("abcd");
        stages.push(4);
      } else if (fd === 0) stages.push(5);
    },
  });
  const script = "head -c4; exec 1>&-; head -c4 >&2; exec 2>&-; head -c4 >/dev/null; exec 0<&-; exit 23";
  const transport = spawnProcess(recorder, "sh", ["-c", script]);
  await recorder.ended;
  assert.deepEqual(stages, [1, 2, 3, 4, 5]);
  assert.equal(transport.getReturnCode(), 23);
  assert.throws(() => transport.signalProcess("INT"), { code: "ESRCH" });
});

test("T7: twenty of these at once", async () => {
  const script = "head -c4; exec 1>&-; head -c4 >&2; exec 2>&-; exit 23";
  const all = Array.from({ length: 20 }, () => {
    const recorder = new Recorder({
      connectionMade: (transport) => void transport.write("abcd"),
      childConnectionLost: (fd) => {
        if (fd === 1) recorder.transport?.write("1234");
      },
    });
    return { recorder, transport: spawnProcess(recorder, "sh", ["-c", script]) };
  });
  for (const { recorder, transport } of all) {
    await recorder.ended;
    assert.deepEqual([recorder.text(1), recorder.text(2), transport.getReturnCode()], ["abcd", "1234", 23]);
    assert.ok(recorder.log.lastIndexOf("data 1") < recorder.log.indexOf("lost 1"));
    assert.ok(recorder.log.lastIndexOf("data 2") < recorder.log.indexOf("lost 2"));
  }
});

test("T7: processExited comes with the exit, while fds are open; processEnded once all are closed", async () => {
  const recorder = new Recorder({ processExited: () => recorder.transport?.loseConnection() });
  // The grandchild has the pipes, and keeps them.
  spawnProcess(recorder, "sh", ["-c", "sleep 60 & echo $!"], { drain: { timeout: 0 }, stdin: "ignore" });
  await recorder.ended;
  process.kill(Number(recorder.text()), "SIGKILL");
  assert.equal(recorder.log.indexOf("exited") > 0, true);
  assert.deepEqual(recorder.log.slice(-2), ["connectionLost", "ended"]);
});

test("T7: all pipes closed before the exit: processEnded waits for it", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["say", "1", "here", "say", "1", "goodbye", "close", "1", "read"], {
    childFDs: { 0: "w", 1: "r", 2: 2 },
  });
  await recorder.noted("lost 1");
  assert.equal(recorder.text(), "here\ngoodbye\n");
  assert.ok(!recorder.log.includes("exited"));
  transport.closeStdin();
  await recorder.ended;
});

test("T7: the state tells a normal end, an exit code and a signal", async () => {
  for (const [args, kind, told] of [
    [["exit", "0"], "exited", 0],
    [["exit", "1"], "exited", 1],
    [["raise", "15"], "killed", "SIGTERM"],
  ] as const) {
    const recorder = new Recorder();
    spawnProcess(recorder, act, args);
    const { state } = await recorder.ended;
    assert.equal(state?.kind, kind);
    assert.equal(state?.kind === "killed" ? state.signal : state?.kind === "exited" ? state.code : undefined, told);
    assert.ok(state?.usage !== null);
  }
});

test("T7, T17: without childDataReceived fds 1 and 2 go to outReceived and errReceived, others to nobody", async () => {
  const seen: string[] = [];
  const { protocol, ended } = bare({
    outReceived: (data) => seen.push(`out ${data}`),
    errReceived: (data) => seen.push(`err ${data}`),
  });
  spawnProcess(protocol, act, ["say", "1", "1", "say", "2", "2", "say", "3", "3"], { fds: { 3: "pipe" } });
  await ended;
  assert.deepEqual(seen.toSorted(), ["err 2\n", "out 1\n"]);
});

test("T7, T17: without childConnectionLost the losses of 0, 1 and 2 go to three methods", async () => {
  const seen: string[] = [];
  const { protocol, ended } = bare({
    inConnectionLost: () => seen.push("in"),
    outConnectionLost: () => seen.push("out"),
    errConnectionLost: () => seen.push("err"),
  });
  spawnProcess(protocol, "true", [], { fds: { 3: "pipe" } });
  await ended;
  assert.deepEqual(seen.toSorted(), ["err", "in", "out"]);
});

test("T7, T17: with childDataReceived and childConnectionLost the special ones aren't called", async () => {
  const seen: string[] = [];
  const special = (): void => void seen.push("special");
  const { protocol, ended } = bare({
    childDataReceived: (fd) => seen.push(`data ${fd}`),
    childConnectionLost: (fd) => seen.push(`lost ${fd}`),
    outReceived: special,
    errReceived: special,
    inConnectionLost: special,
    outConnectionLost: special,
    errConnectionLost: special,
  });
  spawnProcess(protocol, act, ["say", "1", "x"]);
  await ended;
  assert.deepEqual(seen.toSorted(), ["data 1", "lost 0", "lost 1", "lost 2"]);
});

test("T7: a protocol without any method holds up nothing", async () => {
  const transport = spawnProcess({}, act, ["fill", "1", "1000000", "fill", "2", "1000000", "exit", "2"]);
  const state = await transport.wait();
  assert.equal(state.kind === "exited" && state.code, 2);
});
