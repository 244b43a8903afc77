/**
 * Waiting for silence, on a clock of the test's.
 */

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { Quiet } from "#dist/process/quiet.js";

/** Time that only moves when told. */
class Clock implements Disposable {
  now = 1000;
  activity = 0;
  calls: number[] = [];
  readonly #performance = mock.method(performance, "now", () => this.now);

  constructor() {
    mock.timers.enable({ apis: ["setTimeout"] });
  }

  watch(ms: number): Quiet {
    return new Quiet(
      ms,
      () => this.activity,
      () => this.calls.push(this.now),
    );
  }

  pass(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.now++;
      mock.timers.tick(1);
    }
  }

  [Symbol.dispose](): void {
    this.#performance.mock.restore();
    mock.timers.reset();
  }
}

test("silence from the start is told once, when the time is over", () => {
  const clock = new Clock();
  clock.watch(100);
  clock.pass(98);
  assert.deepEqual(clock.calls, []);
  clock.pass(500);
  assert.equal(clock.calls.length, 1);
  assert.ok(clock.calls[0] === 1100 || clock.calls[0] === 1099);
  clock[Symbol.dispose]();
});

test("activity from before the start does not count", () => {
  const clock = new Clock();
  clock.activity = 10;
  clock.watch(100);
  clock.pass(90);
  assert.deepEqual(clock.calls, []);
  clock[Symbol.dispose]();
});

test("each activity begins the time anew", () => {
  const clock = new Clock();
  clock.watch(100);
  for (let i = 0; i < 10; i++) {
    clock.pass(60);
    clock.activity = clock.now;
  }
  assert.deepEqual(clock.calls, []);
  clock.pass(98);
  assert.deepEqual(clock.calls, []);
  clock.pass(10);
  assert.equal(clock.calls.length, 1);
  assert.ok((clock.calls[0] ?? 0) <= 1000 + 600 + 101);
  clock[Symbol.dispose]();
});

test("stop() ends it, also after a look", () => {
  const clock = new Clock();
  const quiet = clock.watch(100);
  clock.pass(50);
  clock.activity = clock.now;
  clock.pass(60);
  quiet.stop();
  clock.pass(1000);
  assert.deepEqual(clock.calls, []);
  clock[Symbol.dispose]();
});
