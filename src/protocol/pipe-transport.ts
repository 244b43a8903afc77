/**
 * One of the child's fds, as the protocol's side handles it by itself: asyncio's read and write pipe transports in one.
 */

import { inspect } from "node:util";
import { outOfRange, wrongType, wrongValue } from "../errors.js";
import { checkInteger, checkNames } from "../program/validate.js";
import type { Inbound } from "./inbound.js";
import type { Producer, Source } from "./interface.js";
import type { Outbound } from "./outbound.js";
import { checkData, isSource, SourceProducer } from "./producers.js";

/** What a pipe transport is over. */
export interface PipeParts {
  fd: number;
  inbound: Inbound | undefined;
  outbound: Outbound | undefined;
  /** A source that was registered has failed. */
  readonly onFailure: (error: unknown) => void;
}

/** Moves the bytes of one of the child's fds. Made by `ProcessTransport.getPipeTransport`. */
export class PipeTransport {
  /** The child's fd. */
  readonly fd: number;
  readonly #parts: PipeParts;

  /** Not for users: `spawnProcess` makes one. */
  constructor(parts: PipeParts) {
    this.fd = parts.fd;
    this.#parts = parts;
  }

  /**
   * Writes a string (as UTF-8) or bytes, which are not copied: leave them as they are until they are written.
   *
   * @returns false if more is waiting than the upper limit: wait for `resumeWriting`.
   * @throws TypeError ERR_INVALID_ARG_VALUE if we read this fd. Error EPIPE after its loss was told;
   * ERR_INVALID_STATE after it was closed by us.
   */
  write(data: string | Uint8Array): boolean {
    const bytes = checkData(data, "data");
    return this.#outbound.write([bytes]);
  }

  /** Writes several strings or bytes, as one. */
  writeSequence(sequence: Iterable<string | Uint8Array>): boolean {
    const given: unknown = sequence;
    if (!isSource(given) || !(Symbol.iterator in given)) throw wrongType("sequence", "an array or another iterable", sequence);
    const pieces = Array.from(sequence, (data, i) => checkData(data, `sequence[${i}]`));
    return this.#outbound.write(pieces);
  }

  /** Closes our writing end when all is written. What the child writes is read on, if both ways are possible. */
  writeEof(): void {
    this.#outbound.close();
  }

  /** Closes it: what is to be written is written first, what is to be read is not read any more. */
  close(): void {
    this.#parts.inbound?.close();
    this.#parts.outbound?.close();
  }

  /** Closes it at once: what is to be written is lost. */
  abort(): void {
    this.#parts.inbound?.close();
    this.#parts.outbound?.abort();
  }

  /** Whether it is closed, or is to be when all is written. */
  isClosing(): boolean {
    const { inbound, outbound } = this.#parts;
    return inbound?.over !== false && outbound?.closing !== false;
  }

  /** Stops reading: the protocol gets no more data of this fd, and the child is held up when the pipe is full. */
  pauseReading(): void {
    this.#inbound.pause();
  }

  /** Reads on. */
  resumeReading(): void {
    this.#inbound.resume();
  }

  /** Whether it is read: not paused, and not at its end. */
  isReading(): boolean {
    const { inbound } = this.#parts;
    return inbound !== undefined && !inbound.over && !inbound.paused;
  }

  /** Gives how many bytes wait to be written. */
  getWriteBufferSize(): number {
    return this.#outbound.size;
  }

  /** Gives the limits, in bytes, for `pauseWriting` and `resumeWriting`. */
  getWriteBufferLimits(): { high: number; low: number } {
    return this.#outbound.limits;
  }

  /**
   * Sets them. Default: 65536 and 16384, as in asyncio. With `high` alone `low` is a quarter of it, with `low` alone `high` is four times that.
   *
   * @throws RangeError unless 0 <= low <= high.
   */
  setWriteBufferLimits(limits: { high?: number | undefined; low?: number | undefined } = {}): void {
    const given = checkNames(limits, "limits", ["high", "low"]);
    const check = (name: "high" | "low"): number | undefined =>
      given[name] === undefined ? undefined : checkInteger(given[name], `limits.${name}`, 0, Number.MAX_SAFE_INTEGER);
    const wanted = { high: check("high"), low: check("low") };
    const high = wanted.high ?? (wanted.low === undefined ? 65536 : 4 * wanted.low);
    const low = wanted.low ?? Math.floor(high / 4);
    if (low > high) throw outOfRange("limits.low", `at most limits.high, ${high}`, low);
    this.#outbound.setLimits(high, low);
  }

  /**
   * Feeds it from a producer (`streaming` true: push, false: pull), an iterable or a stream, with backpressure. The end
   * of an iterable or a stream closes it; one that throws ends the child, as by its `terminate()`, and `connectionLost` gets the
   * error. Too late for any data: the producer is stopped at once.
   *
   * @throws Error ERR_INVALID_STATE if it has a producer already.
   */
  registerProducer(producer: Source): void;
  registerProducer(producer: Producer, streaming: boolean): void;
  registerProducer(producer: Producer | Source, streaming?: boolean): void {
    const { onFailure } = this.#parts;
    const outbound = this.#outbound;
    const { made, push } = readProducer(producer, streaming, (source) => {
      return new SourceProducer(source, {
        write: (data) => void outbound.write([data]),
        done: () => {
          outbound.unregister();
          outbound.close();
        },
        // It stays registered: the end of file would say that this was all.
        failed: onFailure,
      });
    });
    outbound.register(made, push);
  }

  /** Takes the producer off, if there is one. An iterable or a stream is given up. */
  unregisterProducer(): void {
    const producer = this.#outbound.unregister();
    if (producer instanceof SourceProducer) producer.stopProducing();
  }

  /** Gives what is known besides under a name; nothing is, so `otherwise`. */
  getExtraInfo(name: string, otherwise: unknown = null): unknown {
    if (typeof name !== "string") throw wrongType("name", "a string", name);
    return otherwise;
  }

  /** What `util.inspect` shows of it, on one line. */
  [inspect.custom](): string {
    const { inbound, outbound } = this.#parts;
    const ways = [inbound && "read", outbound && "written"].filter(Boolean).join(" and ");
    return `PipeTransport { fd ${this.fd}, ${ways}${this.isClosing() ? ", closing" : ""} }`;
  }

  get #inbound(): Inbound {
    const { inbound, fd } = this.#parts;
    if (inbound === undefined) throw wrongValue("fd", fd, "must be an fd of the child that we read");
    return inbound;
  }

  get #outbound(): Outbound {
    const { outbound, fd } = this.#parts;
    if (outbound === undefined) throw wrongValue("fd", fd, "must be an fd of the child that we write");
    return outbound;
  }
}

/** Sorts out what was given as a producer. */
export function readProducer(
  producer: unknown,
  streaming: unknown,
  adapt: (source: Source) => Producer,
): { made: Producer; push: boolean } {
  if (isSource(producer)) {
    if (streaming !== undefined)
      throw wrongValue("streaming", streaming, "is for a producer object, not for an iterable or a stream");
    return { made: adapt(producer), push: false };
  }
  if (typeof producer !== "object" || producer === null)
    throw wrongType("producer", "a producer, an iterable or a stream", producer);
  if (typeof streaming !== "boolean") throw wrongType("streaming", "a boolean", streaming);
  const needed = streaming
    ? (["resumeProducing", "pauseProducing", "stopProducing"] as const)
    : (["resumeProducing", "stopProducing"] as const);
  for (const method of needed) {
    const value = (producer as Producer)[method];
    if (typeof value !== "function") throw wrongType(`producer.${method}`, "a function", value);
  }
  return { made: producer as Producer, push: streaming };
}
