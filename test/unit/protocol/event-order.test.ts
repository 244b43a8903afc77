/**
 * The order in which a protocol is told: every interleaving of what may happen, and the table itself.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { EventOrder, type Happening, ORDER, ORDER_EVENTS, ORDER_STATES, type OrderState } from "#dist/protocol/event-order.js";

const bytes = Buffer.from("x");
const made: Happening = { what: "made" };
const exit: Happening = { what: "exit" };
const close: Happening = { what: "close" };
const data = (fd: number): Happening => ({ what: "data", fd, bytes });
const lost = (fd: number): Happening => ({ what: "lost", fd });

/** What a protocol with these pipes is told. */
function told(fds: number[], happenings: readonly Happening[]): string[] {
  const log: string[] = [];
  const order = new EventOrder(fds, {
    made: () => log.push("made"),
    data: (fd) => log.push(`data ${fd}`),
    lost: (fd) => log.push(`lost ${fd}`),
    exited: () => log.push("exited"),
    ended: () => log.push("ended"),
  });
  for (const happening of happenings) order.happened(happening);
  return log;
}

function* interleavings<T>(items: readonly T[]): Generator<T[]> {
  if (items.length === 0) yield [];
  for (let i = 0; i < items.length; i++) {
    for (const rest of interleavings([...items.slice(0, i), ...items.slice(i + 1)])) yield [items[i] as T, ...rest];
  }
}

/** What must hold whatever happened, and what must have come where all has happened. */
function check(log: string[], happenings: readonly Happening[]): void {
  const shown = `${happenings.map((one) => ("fd" in one ? `${one.what} ${one.fd}` : one.what)).join(", ")} -> ${log.join(", ")}`;
  const at = (entry: string): number => log.indexOf(entry);
  const before = (a: Happening, b: Happening): boolean => happenings.indexOf(a) < happenings.indexOf(b);
  assert.equal(log[0], "made", shown);
  assert.equal(log.at(-1), "ended", shown);
  for (const once of ["made", "lost 0", "lost 1", "lost 2", "exited", "ended"]) {
    assert.equal(log.filter((entry) => entry === once).length, 1, `${once}: ${shown}`);
  }
  for (const fd of [1, 2]) if (at(`data ${fd}`) >= 0) assert.ok(log.lastIndexOf(`data ${fd}`) < at(`lost ${fd}`), shown);
  // What has happened before the loss, or the close, is told; nothing is after it.
  for (const one of happenings) {
    if (one.what !== "data") continue;
    const cut = happenings.find((other) => other.what === "close" || (other.what === "lost" && other.fd === one.fd)) as Happening;
    assert.equal(log.includes(`data ${one.fd}`), before(one, cut), shown);
  }
  // Facts of one and the other kind keep their order.
  for (const fd of [0, 1, 2]) {
    const cut = happenings.find((other) => other.what === "close" || (other.what === "lost" && other.fd === fd)) as Happening;
    assert.equal(at(`lost ${fd}`) < at("exited"), before(cut, exit), shown);
  }
}

test("every interleaving of made, data, pipe lost x3, exit and close: one order", () => {
  let count = 0;
  for (const happenings of interleavings([made, data(1), lost(0), lost(1), lost(2), exit, close])) {
    check(told([0, 1, 2], happenings), happenings);
    count++;
  }
  assert.equal(count, 5040);
});

test("the same with data on both fds, without close", () => {
  for (const happenings of interleavings([made, data(1), data(2), lost(0), lost(1), lost(2), exit])) {
    check(told([0, 1, 2], happenings), happenings);
  }
});

test("whatever is repeated is told once", () => {
  for (const happenings of interleavings([made, lost(1), lost(1), exit, exit, close, close])) {
    assert.deepEqual(told([1], happenings).slice().sort(), ["ended", "exited", "lost 1", "made"]);
  }
});

test("without pipes the end follows the exit at once, and connectionMade is first all the same", () => {
  for (const happenings of interleavings([made, exit, close])) {
    assert.deepEqual(told([], happenings), ["made", "exited", "ended"]);
  }
});

test("nothing ends without the exit, nor without every loss", () => {
  for (const missing of [lost(0), lost(1), lost(2), exit, made]) {
    const rest = [made, lost(0), lost(1), lost(2), exit].filter((one) => JSON.stringify(one) !== JSON.stringify(missing));
    for (const happenings of interleavings(rest)) assert.ok(!told([0, 1, 2], happenings).includes("ended"));
  }
});

test("the table is complete; ended is final; every state is reached", () => {
  assert.deepEqual(Object.keys(ORDER).sort(), [...ORDER_STATES].sort());
  const reached = new Set<OrderState>(["connecting"]);
  for (const from of reached) {
    assert.deepEqual(Object.keys(ORDER[from]).sort(), [...ORDER_EVENTS].sort(), from);
    for (const event of ORDER_EVENTS) reached.add(ORDER[from][event].to);
  }
  assert.deepEqual([...reached].sort(), [...ORDER_STATES].sort());
  for (const event of ORDER_EVENTS) assert.deepEqual(ORDER.ended[event], { to: "ended" });
});

test("docs/protocol.md has the same table", () => {
  const document = readFileSync(new URL("../../../../docs/protocol.md", import.meta.url), "utf8");
  const listed = [...document.matchAll(/^\| (\w+) \| (\w+) \| (\w+) \| (\w+) \|$/gm)]
    .map((match) => match.slice(1).join(" "))
    .filter((row) => (ORDER_STATES as readonly string[]).includes(row.split(" ")[0] as string));
  const coded = ORDER_STATES.flatMap((from) =>
    ORDER_EVENTS.flatMap((event) => {
      const { to, action } = ORDER[from][event];
      return action === undefined ? [] : [`${from} ${event} ${to} ${action}`];
    }),
  );
  assert.deepEqual(listed.sort(), coded.sort());
});
