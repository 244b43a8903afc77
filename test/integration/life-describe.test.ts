/**
 * What a child says of itself: inspect, JSON, duration, usage.
 */

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { run } from "brood";
import { act, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("inspect shows command, pid, state and the pipes that are open", async () => {
  const child = await launch(act, ["say", "1", "two words", "read", "exit", "3"]);
  assert.match(
    inspect(child),
    new RegExp(`^Child \\{ \\S+act say 1 "two words" read exit 3, pid ${child.pid}, running, pipes: fd 0 fd 1 fd 2 \\}$`),
  );
  child.stdin.end();
  await child.closed;
  assert.match(inspect(child), /exited 3 \}$/);

  const killed = await launch(act, ["pause"]);
  killed.kill();
  await killed.closed;
  assert.match(inspect(killed), /killed.*\}$/);
});

test("toJSON gives command, args, pid and exit", async () => {
  const child = await launch(act, ["exit", "3"]);
  assert.deepEqual(JSON.parse(JSON.stringify(child)), { command: act, args: ["exit", "3"], pid: child.pid, exit: null });
  await child.closed;
  const { exit } = JSON.parse(JSON.stringify(child));
  assert.deepEqual([exit.kind, exit.code, exit.pid], ["exited", 3, child.pid]);
});

test("T14: a child can't be cloned or posted: its handle would mean nothing elsewhere", async () => {
  const child = await launch("true");
  const { port1, port2 } = new MessageChannel();
  try {
    assert.throws(() => structuredClone(child), { name: "DataCloneError" });
    assert.throws(() => port1.postMessage(child), { name: "DataCloneError" });
  } finally {
    port1.close();
    port2.close();
  }
  await child.closed;
});

test("usage is honest: a busy child has used CPU time, an idle one hardly any", async () => {
  const busy = await run("sh", ["-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"]);
  const { usage } = busy.exit;
  assert.ok(usage !== null);
  const cpu = usage.userCPU + usage.systemCPU;
  assert.ok(cpu > 20_000, `${cpu} µs`);
  assert.ok(cpu / 1000 <= busy.durationMs * 1.5 + 20, `${cpu} µs in ${busy.durationMs} ms`);
  const idle = await run("sleep", ["0.3"]);
  assert.ok(idle.exit.usage !== null);
  assert.ok(idle.exit.usage.userCPU + idle.exit.usage.systemCPU < 250_000);
  assert.ok(idle.exit.usage.voluntarySwitches >= 1);
  assert.ok(idle.durationMs >= 300);
});

test("maxRSS is the child's own or null: never the parent's", async () => {
  const ballast = Buffer.alloc(50 << 20, 1);
  const small = (await run("true")).exit.usage;
  assert.ok(small !== null);
  assert.ok(small.maxRSS === null || small.maxRSS < 20 << 20, `true(1) is said to have used ${small.maxRSS} bytes`);
  assert.equal(ballast.length, 50 << 20);

  // Larger than this process can be: then the number is told, and is the child's.
  const size = 2 * Math.ceil((process.resourceUsage().maxRSS * 1024) / (1 << 20)) + 50;
  const large = (await run(act, ["touch", String(size)])).exit.usage;
  assert.ok(large?.maxRSS !== null && large?.maxRSS !== undefined);
  assert.ok(large.maxRSS >= size << 20 && large.maxRSS < (size + 100) * (1 << 20), `${large.maxRSS} for ${size} MiB`);
});

test("usage is the same object's in exited, closed and the output", async () => {
  const child = await launch(act, ["say", "1", "x"]);
  assert.equal(await lineOf(child.stdout), "x");
  const exit = await child.exited;
  assert.equal((await child.closed).usage, exit.usage);
});
