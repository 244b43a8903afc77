/**
 * One listener for all who wait for a signal.
 */

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { onAbort } from "#dist/kernel/abort.js";

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

test("all that wait are called once, in order, by one listener", () => {
  const { signal, ...controller } = ofController();
  const calls: number[] = [];
  const stops = [1, 2, 3].map((n) => onAbort(signal, () => calls.push(n)));
  assert.equal(listeners(signal), 1);
  stops[1]?.();
  controller.abort();
  controller.abort();
  assert.deepEqual([calls, listeners(signal)], [[1, 3], 0]);
  for (const stop of stops) stop();
});

test("when the last gives up the listener is gone, and comes again with the next", () => {
  const { signal, ...controller } = ofController();
  const [first, second] = [onAbort(signal, assert.fail), onAbort(signal, assert.fail)];
  first();
  first();
  assert.equal(listeners(signal), 1);
  second();
  assert.equal(listeners(signal), 0);
  let called = 0;
  onAbort(signal, () => called++);
  first();
  second();
  assert.equal(listeners(signal), 1);
  controller.abort();
  assert.equal(called, 1);
});

test("one that is given up by another, while they are called, is not called any more", () => {
  const { signal, ...controller } = ofController();
  const stops: (() => void)[] = [];
  onAbort(signal, () => stops[0]?.());
  stops.push(onAbort(signal, assert.fail));
  controller.abort();
});

function ofController(): { signal: AbortSignal; abort(): void } {
  const controller = new AbortController();
  return { signal: controller.signal, abort: () => controller.abort() };
}
