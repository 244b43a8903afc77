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
  const iterator = Symbol.asyncIterator in input ? input[Symbol.asyncIterator]() : input[Symbol.iterator]();
  const orGone = untilClosed(stdin);
  for (;;) {
    // An input that never comes doesn't outlast the child.
    const next = await orGone(Promise.resolve(iterator.next()));
    if (next === undefined) break;
    if (next.done === true) {
      stdin.end();
      return;
    }
    if (!stdin.write(next.value)) await orGone(new Promise((resolve) => stdin.once("drain", resolve)));
  }
  // Not awaited: it may be stuck in what never comes. Nothing depends on it any more.
  void (async () => iterator.return?.())().catch(() => {});
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
