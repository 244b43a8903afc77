/**
 * 200 MB each way at once through `cat` by a transport and its protocol: nothing is lost or mixed, and backpressure keeps
 * memory flat whichever side is the slower one.
 */

import assert from "node:assert/strict";
import { randomFillSync } from "node:crypto";
import { type ProcessTransport, spawnProcess } from "brood/protocol";
import { test } from "../helpers/test.js";

const TOTAL = 200_000_000;
/** No multiple of any buffer's size, so that a lost or repeated piece is seen. */
const PATTERN = randomFillSync(Buffer.alloc(999_983));
const TWICE = Buffer.concat([PATTERN, PATTERN]);

/** The bytes of the stream from `at` on: no more than asked for, nor than one pattern. */
function piece(at: number, size: number): Buffer {
  const start = at % PATTERN.length;
  return TWICE.subarray(start, start + Math.min(size, TOTAL - at, PATTERN.length));
}

/** Compares what comes; pauses after each chunk when it is to be slow. */
class Consumer {
  length = 0;
  peak = 0;
  wrong = -1;
  mostWaiting = 0;
  onResume = (): void => {};
  writable = true;

  constructor(
    readonly slow: boolean,
    readonly onEnd: () => void,
  ) {}

  transport: ProcessTransport | undefined;

  connectionMade(transport: ProcessTransport): void {
    this.transport = transport;
  }

  childDataReceived(fd: number, data: Buffer): void {
    assert.equal(fd, 1);
    for (let at = 0; at < data.length; at += PATTERN.length) {
      const part = data.subarray(at, at + PATTERN.length);
      if (this.wrong < 0 && !part.equals(piece(this.length + at, part.length))) this.wrong = this.length + at;
    }
    // Some hundred looks in all.
    if (Math.floor(this.length / 1e6) !== Math.floor((this.length + data.length) / 1e6)) {
      this.peak = Math.max(this.peak, process.memoryUsage.rss());
    }
    this.length += data.length;
    const { transport } = this;
    if (!this.slow || transport === undefined) return;
    transport.pauseProducing(1);
    setImmediate(() => setImmediate(() => transport.resumeProducing(1)));
  }

  pauseWriting(): void {
    this.writable = false;
  }

  resumeWriting(): void {
    this.writable = true;
    this.onResume();
  }

  processEnded(): void {
    this.onEnd();
  }
}

async function write(transport: ProcessTransport, protocol: Consumer, size: number, slow: boolean): Promise<void> {
  for (let at = 0; at < TOTAL; ) {
    const chunk = piece(at, size);
    at += chunk.length;
    transport.write(chunk);
    protocol.mostWaiting = Math.max(protocol.mostWaiting, transport.getPipeTransport(0)?.getWriteBufferSize() ?? 0);
    if (!protocol.writable) {
      await new Promise<void>((resolve) => {
        protocol.onResume = resolve;
      });
    }
    if (slow) await new Promise(setImmediate);
  }
  transport.closeStdin();
}

for (const { name, size, slowReader, slowWriter, producer } of [
  { name: "as fast as it goes", size: 1 << 20, slowReader: false, slowWriter: false, producer: false },
  { name: "with a slow consumer", size: 1 << 20, slowReader: true, slowWriter: false, producer: false },
  { name: "with a slow producer", size: 50_000, slowReader: false, slowWriter: true, producer: false },
  { name: "from an iterable, with a slow consumer", size: 65_536, slowReader: true, slowWriter: false, producer: true },
]) {
  test(`200 MB each way at once by the protocol, ${name}: every byte arrives in order, memory stays flat`, async () => {
    (globalThis.gc as () => void)();
    const before = process.memoryUsage.rss();
    let end = (): void => {};
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const protocol = new Consumer(slowReader, end);
    const transport = spawnProcess(protocol, "cat", [], { stderr: "ignore" });
    if (producer) {
      transport.registerProducer(
        (function* () {
          for (let at = 0; at < TOTAL; ) {
            const chunk = piece(at, size);
            at += chunk.length;
            yield chunk;
          }
        })(),
      );
    } else {
      await new Promise(setImmediate);
      await write(transport, protocol, size, slowWriter);
    }
    await ended;
    assert.equal(protocol.wrong, -1);
    assert.equal(protocol.length, TOTAL);
    assert.equal(transport.getReturnCode(), 0);
    // The upper limit, and the write that went beyond it.
    assert.ok(protocol.mostWaiting <= 65_536 + size, String(protocol.mostWaiting));
    assert.ok(protocol.peak - before < 100 << 20, `memory grew by ${(protocol.peak - before) >> 20} MiB`);
  });
}
