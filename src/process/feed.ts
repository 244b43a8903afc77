/**
 * Writing an input to a child's fd 0, no faster than the child reads it and no longer than it wants it.
 */

import type { Writable } from "node:stream";
import type { TextLike } from "../program/options.js";

/** What can be fed to a child. */
export type Input = TextLike | Iterable<TextLike> | AsyncIterable<TextLike>;

/**
 * Writes the input, then the end. A child that goes, or closes its end, without having read it all is no
 * error: what is left of the input is not asked for.
 *
 * @throws what the input throws. The stream is left open then.
 */
export async function feed(stdin: Writable, input: Input): Promise<void> {
  if (typeof input === "string" || input instanceof Uint8Array) {
    stdin.end(input);
    return;
  }
  const iterator = iteratorOf(input);
  const orGone = untilClosed(stdin);
  for (;;) {
    // An input that never comes doesn't outlast the child.
    const next = await orGone(Promise.resolve(iterator.next()));
    if (next === undefined) break;
    if (next.done === true) {
      stdin.end();
      return;
    }
    let hasRoom: boolean;
    try {
      hasRoom = stdin.write(next.value);
    } catch (error) {
      giveUp(input, iterator);
      throw error;
    }
    if (!hasRoom) await orGone(new Promise((resolve) => stdin.once("drain", resolve)));
  }
  giveUp(input, iterator);
}

/** Gives the iterator of an input. */
export function iteratorOf<Piece>(input: Iterable<Piece> | AsyncIterable<Piece>): Iterator<Piece> | AsyncIterator<Piece> {
  return Symbol.asyncIterator in input ? input[Symbol.asyncIterator]() : input[Symbol.iterator]();
}

/**
 * Gives up an input of which no more is wanted. A stream of Node's is destroyed here: its iterator would do that only if it has
 * begun, and not before something came; until then a socket or a terminal would hold the event loop.
 */
export function giveUp<Piece>(
  input: Iterable<Piece> | AsyncIterable<Piece>,
  iterator: Iterator<Piece> | AsyncIterator<Piece> | undefined,
): void {
  const end = async (): Promise<void> => {
    const { pipe, destroy } = input as { pipe?: unknown; destroy?: unknown };
    if (typeof pipe === "function" && typeof destroy === "function") destroy.call(input);
    await (iterator ?? iteratorOf(input)).return?.();
  };
  // Not awaited: it may be stuck in what never comes. Nothing depends on it any more.
  void end().catch(() => {});
}

/** Makes a function that waits for a promise, or gives undefined as soon as the stream has closed. */
function untilClosed(stream: Writable): <T>(promise: Promise<T>) => Promise<T | undefined> {
  let closed = false;
  let onClose = (): void => {};
  stream.once("close", () => {
    closed = true;
    onClose();
  });
  // Not Promise.race with one promise of the end: that would keep every step of a long input alive.
  return (promise) =>
    new Promise((resolve, reject) => {
      onClose = () => resolve(undefined);
      if (closed) onClose();
      promise.then(resolve, reject);
    });
}
