/**
 * What runs when, for one child: the five points of the contract.
 */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { once } from "node:events";
import { act, filling, lineOf } from "../helpers/act.js";
import { inNode } from "../helpers/in-node.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const storage = new AsyncLocalStorage<string>();

test("L9: (1) no callback runs before the turn of the spawn is over, however fast the child", async () => {
  const early = await inNode<string[]>(`
    const seen = [];
    let turn = true;
    const note = (what) => { if (turn) seen.push(what); };
    const child = spawn("sh", ["-c", "echo out"]);
    child.stdout.on("data", () => note("data")).on("end", () => note("end"));
    child.exited.then(() => note("exited"));
    child.closed.then(() => note("closed"));
    // The child is certainly done when a second one, started later, is.
    while (child.kill(0)) {}
    const before = Date.now() + 20;
    while (Date.now() < before) {}
    await null; // microtasks are still this turn
    turn = false;
    await child.closed;
    done(seen);
  `);
  assert.deepEqual(early, []);
});

test("(2) what was written before the exit is readable, in order, whatever the timing", async () => {
  for (const delay of ["none", "turn", "exited", "closed"] as const) {
    for (let i = 0; i < 20; i++) {
      const child = await launch(act, ["fill", "1", "30000", "say", "1", "mid", "fill", "1", "20000", "say", "2", "err"]);
      if (delay === "turn") await new Promise(setImmediate);
      if (delay === "exited") await child.exited;
      if (delay === "closed") await child.closed;
      const bytes = await child.stdout.bytes();
      assert.ok(bytes.equals(Buffer.concat([filling(30_000), Buffer.from("mid\n"), filling(20_000)])), delay);
      assert.equal(await child.stderr.text(), "err\n");
      await child.closed;
    }
  }
});

test("(3) exited settles before closed, also where both are due in the same batch; each once", async () => {
  for (let i = 0; i < 50; i++) {
    const child = await launch(act, ["say", "1", "x"]);
    const order: string[] = [];
    void child.closed.then(() => order.push("closed"));
    void child.exited.then(() => order.push("exited"));
    child.stdout.on("data", () => order.push("data"));
    await child.closed;
    await new Promise(setImmediate);
    assert.deepEqual(
      order.filter((what) => what !== "data"),
      ["exited", "closed"],
    );
    assert.ok(order.indexOf("data") < order.indexOf("closed"));
  }
});

test("(3) when exited settles the child has been reaped", async () => {
  const { existsSync } = await import("node:fs");
  const child = await launch("true");
  await child.exited;
  assert.equal(existsSync(`/proc/${child.pid}`), false);
  await child.closed;
});

test("(4) stream callbacks run in the async context of the spawn, wherever they were attached", async () => {
  const seen = new Map<string, Set<string | undefined>>();
  const note = (event: string): void => {
    if (!seen.has(event)) seen.set(event, new Set());
    seen.get(event)?.add(storage.getStore());
  };
  const child = await storage.run("spawn", () => launch(act, ["count", "0", "fill", "1", "300000"]));
  await storage.run("elsewhere", async () => {
    for (const event of ["data", "end", "close", "error"]) child.stdout.on(event, () => note(`stdout ${event}`));
    for (const event of ["drain", "finish", "close"]) child.stdin.on(event, () => note(`stdin ${event}`));
    child.stdin.write(filling(200_000), () => note("written later"));
    child.stdin.end(filling(10));
    await child.closed;
  });
  await new Promise(setImmediate);
  for (const [event, stores] of seen) assert.deepEqual([event, ...stores], [event, "spawn"]);
  assert.deepEqual(
    [...seen.keys()].sort(),
    ["stdin close", "stdin finish", "stdout close", "stdout data", "stdout end", "written later"].sort(),
  );
});

test("(4) the same for what was read late, and for a write that went through at once", async () => {
  const seen: [string, string | undefined][] = [];
  const child = await storage.run("spawn", () => launch(act, ["read", "fill", "1", "50000"]));
  await storage.run("elsewhere", async () => {
    await new Promise<void>((resolve) => {
      child.stdin.write("x", () => {
        seen.push(["written", storage.getStore()]);
        resolve();
      });
    });
    await child.closed;
    child.stdout.once("data", () => seen.push(["data", storage.getStore()]));
    child.stdout.on("end", () => seen.push(["end", storage.getStore()]));
    await once(child.stdout, "close");
  });
  assert.deepEqual(seen, [
    ["written", "spawn"],
    ["data", "spawn"],
    ["end", "spawn"],
  ]);
});

test("(4) promise reactions run in their own context: exited, closed, wait, for await", async () => {
  const child = await storage.run("spawn", () => launch(act, ["say", "1", "one", "read", "say", "1", "two"]));
  const seen: (string | undefined)[] = [];
  await storage.run("reader", async () => {
    assert.equal(await lineOf(child.stdout), "one");
    seen.push(storage.getStore());
    child.stdin.end();
    for await (const line of child.stdout.lines()) seen.push(`${storage.getStore()} ${line}`);
    await child.wait({ exited: true });
    seen.push(storage.getStore());
  });
  await storage.run("waiter", async () => {
    await child.exited.then(() => seen.push(storage.getStore()));
    await child.closed;
    seen.push(storage.getStore());
  });
  assert.deepEqual(seen, ["reader", "reader two", "reader", "waiter", "waiter"]);
});

test("U15: (5) a throwing callback is an uncaughtException once; the rest of its batch still runs", async () => {
  const result = await inNode<{ caught: string[]; codes: number[]; outputs: string[]; other: number }>(`
    const caught = [];
    process.on("uncaughtException", (error) => caught.push(error.message));
    const children = Array.from({ length: 5 }, (_, i) => spawn("sh", ["-c", "read _; echo " + i + "; echo e >&2; exit " + i]));
    const outputs = [];
    let other = 0;
    for (const [i, child] of children.entries()) {
      child.stdout.on("data", (chunk) => {
        outputs.push(String(chunk).trim());
        throw new Error("of " + i);
      });
      child.stderr.on("data", () => other++);
      child.stdin.end("\\n");
    }
    // All are dead before the event loop looks: one batch.
    while (children.some((child) => child.kill(0))) {}
    const exits = await Promise.all(children.map((child) => child.closed));
    await new Promise(setImmediate);
    done({ caught: caught.sort(), codes: exits.map(({ code }) => code), outputs: outputs.sort(), other });
  `);
  const all = [0, 1, 2, 3, 4];
  assert.deepEqual(result, { caught: all.map((i) => `of ${i}`), codes: all, outputs: all.map(String), other: 5 });
});

test("(5) a throwing write callback is an uncaughtException, and closed still settles", async () => {
  const caught = await inNode<string[]>(`
    const caught = [];
    process.on("uncaughtException", (error) => caught.push(error.message));
    const child = spawn("sh", ["-c", "read _; exit 0"], { stdout: "socket" });
    child.stdin.write(Buffer.alloc(300_000, "x"), () => { throw new Error("of the write"); });
    child.stdin.write("more", () => { throw new Error("of the other"); });
    child.stdin.write("\\n");
    child.stdout.on("end", () => { throw new Error("of the end"); }).resume();
    child.kill();
    await child.closed;
    await new Promise(setImmediate);
    done(caught.sort());
  `);
  assert.deepEqual(caught, ["of the end", "of the other", "of the write"]);
});

test("L13: a callback may spawn, kill, or dispose any child of its own batch", async () => {
  const result = await inNode<{ kinds: string[]; spawned: number }>(`
    const children = Array.from({ length: 20 }, () => spawn("sh", ["-c", "echo x"]));
    let spawned = 0;
    const more = [];
    for (const [i, child] of children.entries()) {
      child.stdout.on("data", () => {
        children[(i + 1) % 20][Symbol.dispose]();
        children[(i + 2) % 20].kill("SIGKILL");
        more.push(run("true").then(() => spawned++));
      });
    }
    while (children.some((child) => child.kill(0))) {}
    const alive = setInterval(() => {}, 1000);
    const exits = await Promise.all(children.map((child) => child.closed));
    await Promise.all(more);
    clearInterval(alive);
    done({ kinds: [...new Set(exits.map(({ kind }) => kind))], spawned: Math.min(spawned, 1) });
  `);
  assert.deepEqual(result, { kinds: ["exited"], spawned: 1 });
});
