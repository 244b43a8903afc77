/**
 * output() and run(): collecting everything, once; feeding input.
 */

import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { ExitError, run } from "brood";
import { act, filling } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

test("output() gives all that is piped, and the end", async () => {
  const child = await launch(act, ["fill", "1", "200000", "say", "2", "err", "say", "3", "three", "exit", "2"], {
    stdin: "ignore",
    fds: { 3: "pipe" },
  });
  const result = await child.output();
  assert.equal(result.stdout.length, filling(200_000).toString().length);
  assert.equal(result.stderr, "err\n");
  assert.deepEqual(result.fds, { 3: "three\n" });
  assert.equal(result.exit, child.exit);
  assert.equal(result.reason, "exit");
  assert.deepEqual(result.args.slice(0, 2), ["fill", "1"]);
});

test("output() of fds that aren't piped is null", async () => {
  const child = await launch("true", [], { stdio: ["ignore", "ignore", "pipe"] });
  const { stdout, stderr, fds } = await child.output();
  assert.equal(stdout, null);
  assert.equal(stderr, "");
  assert.equal(fds, undefined);
});

test("output() with encoding buffer gives the bytes as they came", async () => {
  const child = await launch("printf", ["\\377\\000a"]);
  const { stdout } = await child.output({ encoding: "buffer" });
  assert.deepEqual(stdout, Buffer.from([255, 0, 97]));
  const other = await launch("true");
  await assert.rejects(other.output({ encoding: "latin1" as never }), { name: "TypeError" });
  await other.closed;
});

test("output() twice is refused, and doesn't disturb the first", async () => {
  const child = await launch(act, ["read", "say", "1", "x"]);
  const first = child.output();
  await assert.rejects(child.output(), { code: "ERR_INVALID_STATE" });
  child.stdin.end();
  assert.equal((await first).stdout, "x\n");
  await assert.rejects(child.output(), { code: "ERR_INVALID_STATE" });
});

test("a stream over what output() collects is refused, and doesn't disturb it", async () => {
  const child = await launch(act, ["read", "say", "1", "x"]);
  const collecting = child.output();
  assert.throws(() => child.stdout, { code: "ERR_INVALID_STATE" });
  child.stdin.end();
  assert.equal((await collecting).stdout, "x\n");
});

test("output() also collects from a stream that was touched, with its encoding", async () => {
  const child = await launch("printf", ["grün"]);
  child.stdout.setEncoding("utf8");
  assert.equal((await child.output()).stdout, "grün");
});

test("output() called late, after the end, loses nothing", async () => {
  const child = await launch(act, ["fill", "1", "60000"]);
  await child.closed;
  assert.ok((await child.output({ encoding: "buffer" })).stdout.equals(filling(60_000)));
});

test("run's input that is not wanted any more is given up: a stream that waits is destroyed, an iterable is closed", async () => {
  const waiting = new Readable({ read: () => {} });
  await run("true", [], { input: waiting });
  assert.equal(waiting.destroyed, true);
  let closed = 0;
  const bad = {
    [Symbol.iterator]: () => ({
      next: () => ({ done: false as const, value: 5 as unknown as string }),
      return: () => {
        closed++;
        return { done: true as const, value: undefined };
      },
    }),
  };
  await assert.rejects(run("cat", [], { input: bad }), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
  assert.equal(closed, 1);
});

test("run's input: a string, bytes, an iterable, an async iterable", async () => {
  async function* slow(): AsyncGenerator<string | Uint8Array> {
    yield "gr";
    await new Promise(setImmediate);
    yield Buffer.from("ün");
  }
  for (const input of ["grün", Buffer.from("grün"), ["gr", "ün"], new Set(["gr", Buffer.from("ün")]), slow()]) {
    assert.equal((await run("cat", [], { input })).stdout, "grün");
  }
  assert.equal((await run("cat", [], { input: "" })).stdout, "");
});

test("run's input is taken no faster than the command reads it, and no further than it wants", async () => {
  let made = 0;
  async function* endless(): AsyncGenerator<Buffer> {
    for (;;) {
      made++;
      yield filling(10_000);
    }
  }
  const { stdout } = await run("head", ["-c", "5"], { input: endless(), encoding: "buffer" });
  assert.ok(stdout.equals(filling(5)));
  assert.ok(made < 200, `${made} chunks were made`);
});

test("a command that ends without wanting its input ends run, though the input never comes", async () => {
  async function* never(): AsyncGenerator<string> {
    await new Promise(() => {});
    yield "";
  }
  const alive = setInterval(() => {}, 1000);
  const { exit } = await run("true", [], { input: never() });
  clearInterval(alive);
  assert.equal(exit.kind, "exited");
});

test("an input that fails terminates the command, and run throws the input's error", async () => {
  async function* failing(): AsyncGenerator<string> {
    yield "some";
    throw new Error("of the input");
  }
  await assert.rejects(run("cat", [], { input: failing() }), { message: "of the input" });
  await assert.rejects(run("cat", [], { input: failing(), reject: false }), { message: "of the input" });
});

test("input and stdin exclude each other; input that is no input is refused", async () => {
  await assert.rejects(run("cat", [], { input: "x", stdin: "pipe" }), { code: "ERR_OPTION_CONFLICT" });
  await assert.rejects(run("cat", [], { input: 1 as never }), { name: "TypeError", code: "ERR_INVALID_ARG_TYPE" });
});

test("run with more fds, and with encoding buffer", async () => {
  const result = await run("sh", ["-c", "echo one; echo three >&3; exit 0"], { fds: { 3: "pipe" }, encoding: "buffer" });
  assert.deepEqual(result.stdout, Buffer.from("one\n"));
  assert.deepEqual(result.fds, { 3: Buffer.from("three\n") });
});

test("an ExitError carries bytes where bytes were asked for", async () => {
  await assert.rejects(run("sh", ["-c", "printf '\\377'; exit 1"], { encoding: "buffer" }), (error) => {
    assert.ok(error instanceof ExitError);
    assert.deepEqual(error.stdout, Buffer.from([255]));
    return true;
  });
});

test("output() of what a stream has given in part is refused, not cut short", async () => {
  const child = await launch(act, ["say", "1", "first", "read", "say", "1", "second"]);
  const lines = child.stdout.lines();
  assert.equal((await lines.next()).value, "first");
  await assert.rejects(child.output(), { code: "ERR_INVALID_STATE", message: /fd 1 of the child has been read by its stream/ });
  child.stdin.end();
  assert.equal((await lines.next()).value, "second");
});

test("output() of a stream that is touched, and has given nothing yet, gives all", async () => {
  const child = await launch(act, ["read", "say", "1", "x"]);
  let seen = "";
  child.stdout.on("data", (chunk) => {
    seen += chunk;
  });
  const collecting = child.output();
  child.stdin.end();
  assert.equal((await collecting).stdout, "x\n");
  assert.equal(seen, "x\n");
});

test("how long a command took does not grow with the time until its output is asked for", async () => {
  const start = performance.now();
  const child = await launch("true", [], { stdio: "ignore" });
  await child.exited;
  while (child.drained === null) await new Promise(setImmediate);
  const closed = performance.now();
  while (performance.now() - closed <= closed - start);
  const { durationMs } = await child.output();
  assert.ok(durationMs > 0 && durationMs <= closed - start, `${durationMs} of ${closed - start} ms`);
});
