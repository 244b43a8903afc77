/**
 * What a user of the protocol style writes: a protocol that is told, and producers that are asked.
 */

import type { TextLike } from "../program/options.js";
import type { ExitState } from "../states.js";
import type { ProcessTransport } from "./process-transport.js";

/**
 * Is told what happens to a child, by the transport that it is given first. Every method is optional: an object with
 * the wanted ones will do, or a class that implements this.
 *
 * The order is fixed, see docs/protocol.md: `connectionMade` first; of each fd its data, then its loss; the exit
 * anywhere between; `connectionLost` and `processEnded` last. Each is called in the async context in which the
 * transport was made, never before that turn is over. An exception in one is an `uncaughtException`, and the others are
 * called all the same; in `connectionMade` it also kills the child.
 */
export interface ProcessProtocol {
  /** The child runs. It has what is needed to write to it and to end it. */
  connectionMade?(transport: ProcessTransport): void;

  /**
   * The child wrote. The bytes are the protocol's from then on.
   *
   * A protocol without this method gets those of fds 1 and 2 by `outReceived` and `errReceived`.
   */
  childDataReceived?(fd: number, data: Buffer): void;
  /** The child wrote to fd 1. Only without `childDataReceived`. */
  outReceived?(data: Buffer): void;
  /** The child wrote to fd 2. Only without `childDataReceived`. */
  errReceived?(data: Buffer): void;

  /**
   * An fd is closed, at either end. With an error: not all was written (code EPIPE), the reading failed, or it was cut
   * short by a `timeout`, a `signal` or a `drain` whose `then` is "error".
   *
   * A protocol without this method is told of fds 0, 1 and 2 by the three others.
   */
  childConnectionLost?(fd: number, error: Error | undefined): void;
  /** Fd 0 is closed. Only without `childConnectionLost`. */
  inConnectionLost?(error: Error | undefined): void;
  /** Fd 1 is closed. Only without `childConnectionLost`. */
  outConnectionLost?(error: Error | undefined): void;
  /** Fd 2 is closed. Only without `childConnectionLost`. */
  errConnectionLost?(error: Error | undefined): void;

  /** More is waiting to be written than the upper limit. Called from within the write, or the change of limits, that did it. */
  pauseWriting?(fd: number): void;
  /** Again no more than the lower limit is waiting. Not called for an fd that is lost meanwhile. */
  resumeWriting?(fd: number): void;

  /** The child has been reaped. Its pipes may still be open, and held by others. */
  processExited?(state: ExitState): void;

  /**
   * It is all over: the child has been reaped and no pipe is open. With an error: a `timeout` (TimeoutError), a
   * `signal` (AbortError) or a producer that failed has ended it.
   */
  connectionLost?(error: Error | undefined): void;
  /** The same, with the state. Called after `connectionLost`, last of all. */
  processEnded?(state: ExitState): void;
}

/** Makes data and can be held up. Push: goes on by itself until paused. Pull: makes one piece each time it is resumed. */
export interface Producer {
  /** Push: goes on. Pull: writes one piece. */
  resumeProducing(): void;
  /** Makes no more for now. A pull producer is never paused. */
  pauseProducing?(): void;
  /** Nobody wants its data any more. Called at most once. */
  stopProducing(): void;
}

/** What can be registered besides a producer: iterables, Node's and web's readable streams. Read to the end, then fd 0 is closed. */
export type Source = Iterable<TextLike> | AsyncIterable<TextLike>;
