/**
 * Producers that feed stdin: row T6 of docs/parity.md.
 */

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { type ProcessTransport, type Producer, spawnProcess, subprocessExec } from "brood/protocol";
import { act, filling } from "../../helpers/act.js";
import { inNode } from "../../helpers/in-node.js";
import { Recorder } from "../../helpers/recorder.js";
import { test } from "../../helpers/test.js";

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Nothing more comes: a producer that is not held up would have gone on. */
async function idle(): Promise<void> {
  for (let i = 0; i < 50; i++) await turn();
}

/** Writes pieces in every turn until it is told to pause. */
class Push implements Producer {
  readonly calls: string[] = [];
  written = 0;
  #paused = true;
  #stopped = false;

  constructor(
    readonly transport: ProcessTransport,
    readonly total: number,
  ) {}

  resumeProducing(): void {
    this.calls.push("resume");
    this.#paused = false;
    this.#produce();
  }

  pauseProducing(): void {
    this.calls.push("pause");
    this.#paused = true;
  }

  stopProducing(): void {
    this.calls.push("stop");
    this.#stopped = true;
  }

  #produce(): void {
    if (this.#paused || this.#stopped) return;
    if (this.written === this.total) {
      this.transport.unregisterProducer();
      return;
    }
    const size = Math.min(10_000, this.total - this.written);
    this.written += size;
    this.transport.write(filling(this.total).subarray(this.written - size, this.written));
    setImmediate(() => this.#produce());
  }
}

/** Writes one piece each time it is asked. */
class Pull implements Producer {
  asked = 0;
  stopped = 0;

  constructor(
    readonly transport: ProcessTransport,
    readonly pieces: number,
    readonly size = 1000,
  ) {}

  resumeProducing(): void {
    if (this.asked === this.pieces) {
      this.transport.unregisterProducer();
      return;
    }
    const at = this.asked++ * this.size;
    this.transport.write(filling(at + this.size).subarray(at));
  }

  stopProducing(): void {
    this.stopped++;
  }
}

test("T6: a push producer is paused when too much waits and resumed when there is room; a close waits for it", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, "cat");
  transport.pauseProducing(1);
  const producer = new Push(transport, 1_000_000);
  transport.registerProducer(producer, true);
  transport.closeStdin();
  assert.equal(producer.calls.length, 0);
  producer.resumeProducing();
  while (!producer.calls.includes("pause")) await turn();
  await idle();
  const { written } = producer;
  // Nobody reads cat's output, so it is held up, and so are we: two pipes of 64 KiB, cat's own buffer, and our limit.
  assert.ok(written < 500_000, String(written));
  assert.deepEqual(producer.calls.at(-1), "pause");
  transport.resumeProducing(1);
  await recorder.ended;
  assert.ok(producer.calls.filter((call) => call === "resume").length > 1);
  assert.ok(!producer.calls.includes("stop"));
  assert.ok(recorder.bytes(1).equals(filling(1_000_000)));
});

test("T6: a pull producer is asked for one piece each time all is written", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, "cat");
  const producer = new Pull(transport, 300);
  transport.registerProducer(producer, false);
  transport.closeStdin();
  await recorder.ended;
  assert.deepEqual([producer.asked, producer.stopped], [300, 0]);
  assert.ok(recorder.bytes(1).equals(filling(300_000)));
});

test("T6: a pull producer is not asked while the child doesn't read", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["pause"]);
  const producer = new Pull(transport, 1_000_000, 10_000);
  transport.registerProducer(producer, false);
  while (producer.asked < 7) await turn();
  await idle();
  // The pipe's 64 KiB, and the piece that didn't fit.
  assert.equal(producer.asked, 7);
  transport.kill();
  await recorder.ended;
  assert.equal(producer.stopped, 1);
});

test("T6: the producer is stopped, once, when stdin is lost", async () => {
  const recorder = new Recorder();
  const [transport] = await subprocessExec(() => recorder, act, ["read", "close", "0", "say", "1", "closed", "pause"]);
  const calls: string[] = [];
  const producer = {
    resumeProducing: () => calls.push("resume"),
    pauseProducing: () => calls.push("pause"),
    stopProducing: () => calls.push("stop"),
  };
  transport.registerProducer(producer, true);
  transport.write("x");
  await recorder.noted("lost 0");
  assert.deepEqual(calls, ["stop"]);
  transport.close();
  await recorder.ended;
  assert.deepEqual(calls, ["stop"]);
});

test("T6: with no stdin, or one that is closed, the producer is stopped at once", async () => {
  for (const options of [{ stdin: "ignore" }, { childFDs: { 1: "r" } }, {}] as const) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["drain"], options);
    transport.closeStdin();
    let stops = 0;
    const producer = { resumeProducing: () => assert.fail(), pauseProducing: () => assert.fail(), stopProducing: () => stops++ };
    transport.registerProducer(producer, true);
    transport.registerProducer(producer, false);
    assert.equal(stops, 2);
    let returned = 0;
    const iterator = {
      next: () => assert.fail(),
      return: () => {
        returned++;
        return { done: true as const, value: undefined };
      },
    };
    transport.registerProducer({ [Symbol.iterator]: () => iterator } as Iterable<string>);
    assert.equal(returned, 1);
    transport.unregisterProducer();
    await recorder.ended;
  }
});

test("T6: a second producer is refused, until the first is unregistered", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["drain"]);
  const producer = { resumeProducing: () => {}, pauseProducing: () => {}, stopProducing: () => {} };
  transport.registerProducer(producer, true);
  assert.throws(() => transport.registerProducer(producer, true), { name: "Error", code: "ERR_INVALID_STATE" });
  assert.throws(() => transport.registerProducer(["x"]), { name: "Error", code: "ERR_INVALID_STATE" });
  transport.unregisterProducer();
  transport.unregisterProducer();
  transport.registerProducer(["x"]);
  await recorder.ended;
});

const DATA = filling(400_000);
function* pieces(): Generator<Buffer | string> {
  for (let at = 0; at < DATA.length; at += 7001) yield DATA.subarray(at, at + 7001);
  yield "";
  yield "end";
}
const asynchronous = async function* (): AsyncGenerator<Buffer | string> {
  for (const piece of pieces()) {
    await turn();
    yield piece;
  }
};
for (const { name, source } of [
  { name: "an iterable", source: () => pieces() },
  { name: "an async iterable", source: asynchronous },
  { name: "a stream of Node", source: () => Readable.from(pieces(), { objectMode: false }) },
  { name: "a stream of the web", source: () => ReadableStream.from(asynchronous()) as AsyncIterable<Buffer | string> },
]) {
  test(`T6: ${name} feeds stdin to its end, which closes it`, async () => {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, "cat");
    transport.registerProducer(source());
    await recorder.ended;
    assert.ok(recorder.bytes(1).equals(Buffer.concat([DATA, Buffer.from("end")])));
    assert.equal(recorder.errors.get(0), undefined);
    assert.equal(transport.getReturnCode(), 0);
  });
}

test("T6: an iterable is read no faster than the child reads, and given up when the child goes", async () => {
  let given = 0;
  let returned = false;
  async function* endless(): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        given++;
        yield Buffer.alloc(10_000);
      }
    } finally {
      returned = true;
    }
  }
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["pause"]);
  transport.registerProducer(endless());
  while (given < 7) await turn();
  await idle();
  assert.equal(given, 7);
  transport.kill();
  await recorder.ended;
  assert.equal(returned, true);
});

test("T6: a stream that is given up is destroyed; so is one that is unregistered", async () => {
  for (const how of ["child gone", "unregistered"]) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["pause"]);
    const stream = new Readable({ read: () => stream.push(Buffer.alloc(1000)) });
    transport.registerProducer(stream);
    await recorder.noted("made");
    await idle();
    if (how === "unregistered") transport.unregisterProducer();
    else transport.kill();
    while (!stream.destroyed) await turn();
    transport.close();
    await recorder.ended;
  }
});

test("T6: a stream that has given nothing, or was not asked yet, is destroyed as well: it would hold the event loop", async () => {
  for (const how of ["child gone", "unregistered", "unregistered at once", "too late", "no stdin"]) {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, act, ["pause"], { stdin: how === "no stdin" ? "ignore" : "pipe" });
    const stream = new Readable({ read: () => {} });
    if (how === "too late") transport.closeStdin();
    transport.registerProducer(stream);
    if (how === "unregistered at once") transport.unregisterProducer();
    else {
      await recorder.noted("made");
      await idle();
      if (how === "unregistered") transport.unregisterProducer();
      else transport.kill();
    }
    while (!stream.destroyed) await turn();
    transport.close();
    await recorder.ended;
    assert.equal(recorder.error, undefined);
  }
});

test("T6: a stream of the web is locked only when it is asked; one that was refused, or is given up before, is free", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, act, ["pause"]);
  let cancelled = 0;
  const streams = [1, 2].map(
    () => new ReadableStream<string>({ pull: () => {}, cancel: () => void cancelled++ }, { highWaterMark: 0 }),
  );
  transport.registerProducer(streams[0] as AsyncIterable<string>);
  assert.throws(() => transport.registerProducer(streams[1] as AsyncIterable<string>), { code: "ERR_INVALID_STATE" });
  transport.unregisterProducer();
  await turn();
  assert.deepEqual([cancelled, streams[1]?.locked], [1, false]);
  transport.close();
  await recorder.ended;
});

for (const [name, source] of [
  [
    "throws",
    async function* () {
      yield "half";
      throw new Error("no more");
    },
  ],
  [
    "gives what is no data",
    function* () {
      yield "half";
      yield 5 as never;
    },
  ],
] as [string, () => AsyncIterable<string>][]) {
  test(`T6: an iterable that ${name} ends the child: an end of file would say that this was all`, async () => {
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, "sh", ["-c", "cat; echo complete"]);
    transport.registerProducer(source());
    await recorder.ended;
    assert.equal(transport.getReturnCode(), -15);
    assert.ok(!recorder.text().includes("complete"));
    assert.match(String(recorder.error), /no more|must be a string/);
    assert.equal(recorder.errors.get(0), recorder.error);
  });
}

test("T6: what a producer throws is an uncaughtException, and the transport goes on", async () => {
  const [uncaught, text] = await inNode<[string[], string]>(`
    import { spawnProcess } from ${JSON.stringify(import.meta.resolve("brood/protocol"))};
    import { Recorder } from ${JSON.stringify(import.meta.resolve("../../helpers/recorder.js"))};
    const uncaught = [];
    process.on("uncaughtException", (error) => uncaught.push(error.message));
    const recorder = new Recorder();
    const transport = spawnProcess(recorder, "cat");
    transport.registerProducer({
      resumeProducing() {
        transport.write("said");
        transport.unregisterProducer();
        transport.closeStdin();
        throw new Error("and then");
      },
      stopProducing() {},
    }, false);
    await recorder.ended;
    done([uncaught, recorder.text()]);
  `);
  assert.deepEqual([uncaught, text], [["and then"], "said"]);
});

test("T6: any fd that we write can have one", async () => {
  const recorder = new Recorder();
  const transport = spawnProcess(recorder, "sh", ["-c", "cat <&5"], { childFDs: { 1: "r", 5: "w" } });
  transport.getPipeTransport(5)?.registerProducer(["by ", "fd 5"]);
  await recorder.ended;
  assert.equal(recorder.text(), "by fd 5");
});
