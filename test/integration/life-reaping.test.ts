/**
 * Every child is reaped, whether anybody waits for it or not.
 */

import assert from "node:assert/strict";
import { act, processState } from "../helpers/act.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

async function reaped(pid: number): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (processState(pid) !== undefined) {
    assert.ok(performance.now() < deadline, `process ${pid} is still there: ${processState(pid)}`);
    await new Promise(setImmediate);
  }
}

test("L12: a child that nobody waits for is reaped", async () => {
  const { pid } = await launch("true");
  await reaped(pid);
});

test("L12: an unref'ed child that nobody waits for is reaped", async () => {
  const pid = (await launch("true")).unref().pid;
  await reaped(pid);
});

test("U19: a running child whose object was dropped isn't collected: it is reaped, and its reader told", async () => {
  assert.ok(global.gc !== undefined, "tests run with --expose-gc");
  let pid = 0;
  let told: string | undefined;
  const stop = await (async () => {
    const child = await launch(act, ["read", "say", "1", "late", "exit", "4"]);
    pid = child.pid;
    child.stdout.on("data", (chunk: Buffer) => {
      told = chunk.toString();
    });
    void child.exited.then((exit) => {
      told += exit.kind === "exited" ? String(exit.code) : exit.kind;
    });
    const { stdin } = child;
    return () => stdin.end();
  })();
  for (let i = 0; i < 5; i++) {
    global.gc();
    await new Promise(setImmediate);
  }
  stop();
  await reaped(pid);
  await new Promise(setImmediate);
  assert.equal(told, "late\n4");
});

test("U19: children dropped with nothing that refers to them are reaped after a collection", async () => {
  const pids: number[] = [];
  await (async () => {
    for (let i = 0; i < 20; i++) pids.push((await launch("true", [], { stdio: "ignore" })).pid);
  })();
  global.gc?.();
  await Promise.all(pids.map(reaped));
});

test("a child that has ended and is dropped is collected: nothing in brood holds it", async () => {
  const refs: WeakRef<object>[] = [];
  await (async () => {
    for (let i = 0; i < 10; i++) {
      const child = await launch("true");
      await child.stdout.text();
      await child.closed;
      refs.push(new WeakRef(child));
    }
  })();
  for (let i = 0; i < 100 && refs.some((ref) => ref.deref() !== undefined); i++) {
    global.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  // The last one may still be on the stack of what ran it.
  assert.ok(refs.filter((ref) => ref.deref() !== undefined).length <= 1);
});

test("16: started with SIGCHLD ignored: exited settles, with the status where the kernel still tells it", async () => {
  // Node makes it default at its start, whatever it was.
  const { text, exit } = await inNode<{ text: string; exit: Record<string, unknown> }>(`
    self.ignoreSignal(17, 1);
    const child = spawn("sh", ["-c", "echo out; exit 5"]);
    const text = await child.stdout.text();
    done({ text, exit: await child.closed });
  `);
  assert.equal(text, "out\n");
  if (exit["kind"] === "unknown") assert.equal(exit["cause"], "ignored");
  else assert.deepEqual([exit["kind"], exit["code"]], ["exited", 5]);
  assert.equal(exit["usage"], null);
});

test("a hundred children that end at once are all told, each with its own code", async () => {
  const children = await Promise.all(Array.from({ length: 100 }, (_, i) => launch(act, ["read", "exit", String(i)])));
  for (const child of children) child.stdin.end();
  const codes = await Promise.all(children.map(async (child) => ((await child.closed) as { code?: number }).code));
  assert.deepEqual(
    codes,
    children.map((_, i) => i),
  );
});
