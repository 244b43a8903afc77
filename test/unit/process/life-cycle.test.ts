/**
 * The state machine of a child's end: complete, closed is final, every state is reached and left, and the document's table
 * is the same.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { LIFE, LIFE_EVENTS, LIFE_STATES, type LifeAction, type LifeState } from "#dist/process/life-cycle.js";

interface Step {
  from: LifeState;
  event: string;
  to: LifeState;
  action: LifeAction | undefined;
}

const steps: Step[] = LIFE_STATES.flatMap((from) =>
  LIFE_EVENTS.map((event) => ({ from, event, to: LIFE[from][event].to, action: LIFE[from][event].action })),
);
const changes = steps.filter(({ from, to, action }) => from !== to || action !== undefined);

/** The states that can be reached from one, itself among them. */
function reachable(from: LifeState): Set<LifeState> {
  const seen = new Set([from]);
  for (const state of seen) for (const step of steps) if (step.from === state) seen.add(step.to);
  return seen;
}

test("every state has every event, and nothing else", () => {
  assert.deepEqual(Object.keys(LIFE).sort(), [...LIFE_STATES].sort());
  for (const state of LIFE_STATES) assert.deepEqual(Object.keys(LIFE[state]).sort(), [...LIFE_EVENTS].sort(), state);
});

test("every state is reached from running, and every one reaches closed", () => {
  assert.deepEqual([...reachable("running")].sort(), [...LIFE_STATES].sort());
  for (const state of LIFE_STATES) assert.ok(reachable(state).has("closed"), state);
});

test("closed is final, and nothing is done in it", () => {
  assert.deepEqual(
    changes.filter(({ from }) => from === "closed"),
    [],
  );
});

test("what is to be done belongs to the state that is entered; a change of state does something", () => {
  const entering: Record<LifeState, readonly (LifeAction | undefined)[]> = {
    running: [],
    terminating: ["signal"],
    killing: ["kill"],
    outlived: ["outlive"],
    clearing: ["clear"],
    emptying: ["kill"],
    draining: ["drain"],
    cutting: ["cut", "giveUp"],
    closed: ["close"],
  };
  for (const { from, event, to, action } of changes) {
    assert.notEqual(from, to, `${from} ${event}`);
    assert.ok(entering[to].includes(action), `${from} ${event}: ${action} on the way to ${to}`);
  }
});

test("SIGKILL comes only after the polite signal, and no signal after the end of all that is contained", () => {
  for (const { from, to, action } of changes) {
    // What is left behind by one that has been killed gets no polite signal of its own: the time for that is over.
    if (action === "kill") assert.ok(["terminating killing", "killing emptying", "clearing emptying"].includes(`${from} ${to}`));
    if (action === "signal") assert.equal(from, "running");
    if (action === "clear") assert.ok(["terminating", "outlived"].includes(from), from);
  }
  for (const state of ["draining", "cutting", "closed"] as const) {
    for (const other of reachable(state)) assert.ok(["draining", "cutting", "closed"].includes(other), `${state} to ${other}`);
  }
});

test("closed is reached by the end of the pipes alone, and only after the exit", () => {
  for (const { from, event, to } of changes) {
    if (to !== "closed") continue;
    assert.equal(event, "ended");
    assert.ok(["draining", "cutting"].includes(from), from);
  }
  // An exit leads out of every state in which it lives.
  for (const state of ["running", "terminating", "killing"] as const) {
    assert.ok(["draining", "cutting"].includes(LIFE[state].exited.to), state);
    assert.ok(["outlived", "clearing", "emptying"].includes(LIFE[state].left.to), state);
  }
  // And so does the end of what was left behind.
  for (const state of ["outlived", "clearing", "emptying"] as const) assert.equal(LIFE[state].cleared.to, "draining");
});

test("docs/ending.md has the same table", () => {
  const document = readFileSync(new URL("../../../../docs/ending.md", import.meta.url), "utf8");
  const rows = document
    .split("\n")
    .filter((line) => line.trim().startsWith("|"))
    .map((line) =>
      line
        .trim()
        .replace(/^\||\|$/g, "")
        .split("|")
        .map((cell) => cell.replaceAll("`", "").trim()),
    );
  const head = rows.findIndex((row) => row.join() === "state,event,next,action");
  assert.notEqual(head, -1, "no table of states");
  const table = rows
    .slice(head + 2)
    .filter((row) => row.length === 4 && (LIFE_STATES as readonly string[]).includes(row[0] ?? ""));
  const words = (list: string[][]): string[] => list.map((row) => row.join(" ")).sort();
  assert.deepEqual(words(table), words(changes.map(({ from, event, to, action }) => [from, event, to, action ?? ""])));
});
