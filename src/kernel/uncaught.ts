/**
 * Exceptions of a user's callback: never lost, and never in the way of what comes after the callback.
 */

/** Throws it as an `uncaughtException`, after what runs now. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error;
  });
}

/** Calls a function that is, or may run, a user's callback. */
export function guarded<Arguments extends unknown[]>(run: (...given: Arguments) => void, ...given: Arguments): void {
  try {
    run(...given);
  } catch (error) {
    throwLater(error);
  }
}
