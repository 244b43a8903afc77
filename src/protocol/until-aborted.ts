/**
 * A wait that can be given up.
 */

import { AbortError, wrongType } from "../errors.js";
import { onAbort } from "../kernel/abort.js";

/** Throws unless it is an AbortSignal or undefined. */
export function checkSignal(signal: unknown, name: string): AbortSignal | undefined {
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw wrongType(name, "an AbortSignal", signal);
  return signal;
}

/** Waits for the promise, or throws an AbortError as soon as the signal aborts. The promise must not reject. */
export async function untilAborted<Value>(promise: Promise<Value>, given: unknown, name: string): Promise<Value> {
  const signal = checkSignal(given, name);
  if (signal === undefined) return promise;
  return new Promise<Value>((resolve, reject) => {
    const abort = (): void => reject(new AbortError("the wait was aborted", signal.reason));
    if (signal.aborted) {
      abort();
      return;
    }
    const unlisten = onAbort(signal, abort);
    void promise.then((value) => {
      unlisten();
      resolve(value);
    });
  });
}
