/**
 * Waiting for AbortSignals: one listener of ours on each signal, however many of us wait for it. Commands that run at the same time
 * often share one, and Node 20 takes more than ten listeners for a leak, and warns.
 */

import { guarded } from "./uncaught.js";

interface Waiting {
  /** Each by itself: the same function may wait twice. */
  calls: Set<{ call: () => void }>;
  tell: () => void;
}

const waiting = new WeakMap<AbortSignal, Waiting>();

/** Calls a function when a signal aborts that has not yet. Gives the function by which that is given up. */
export function onAbort(signal: AbortSignal, call: () => void): () => void {
  const here = waiting.get(signal) ?? listen(signal);
  const own = { call };
  here.calls.add(own);
  return () => {
    if (!here.calls.delete(own) || here.calls.size > 0 || waiting.get(signal) !== here) return;
    waiting.delete(signal);
    signal.removeEventListener("abort", here.tell);
  };
}

function listen(signal: AbortSignal): Waiting {
  const calls = new Set<{ call: () => void }>();
  const tell = (): void => {
    waiting.delete(signal);
    // What one gives up meanwhile is not called any more.
    for (const { call } of calls) guarded(call);
  };
  const here = { calls, tell };
  waiting.set(signal, here);
  signal.addEventListener("abort", tell, { once: true });
  return here;
}
