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
  const gone = new Promise<undefined>((resolve) => stdin.once("close", () => resolve(undefined)));
  for (;;) {
    // An input that never comes doesn't outlast the child.
    const next = await Promise.race([iterator.next(), gone]);
    if (next === undefined) break;
    if (next.done === true) {
      stdin.end();
      return;
    }
    if (!stdin.write(next.value)) await Promise.race([new Promise((resolve) => stdin.once("drain", resolve)), gone]);
  }
  // Not awaited: it may be stuck in what never comes. Nothing depends on it any more.
  void (async () => iterator.return?.())().catch(() => {});
}
