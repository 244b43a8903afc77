/**
 * The end of what we read: its events, late readers, streams that nobody reads or that are destroyed.
 */

import assert from "node:assert/strict";
import { once } from "node:events";
import { act, filling, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { test } from "../helpers/test.js";

test("'end' comes after the last byte, then 'close'; no 'error'", async () => {
  const child = await launch(act, ["fill", "1", "100000"]);
  const events: string[] = [];
  let count = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    count += chunk.length;
  });
  for (const event of ["end", "close", "error"]) child.stdout.on(event, () => events.push(`${event} ${count}`));
  await once(child.stdout, "close");
  assert.deepEqual(events, ["end 100000", "close 100000"]);
  await child.closed;
});

test("the stream ends when the child closes its fd, though it lives on", async () => {
  const child = await launch(act, ["say", "1", "bye", "close", "1", "read"]);
  assert.equal(await child.stdout.text(), "bye\n");
  assert.equal(child.exit, null);
  child.stdin.end();
  await child.closed;
});

test("destroy() of stdout: the child gets SIGPIPE; one that ignores it gets EPIPE", async () => {
  const child = await launch(act, ["read", "fill", "1", "1000000"]);
  child.stdout.destroy();
  child.stdin.end();
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGPIPE");

  const ignoring = await launch(act, ["ignore", "13", "fill", "1", "1000000"]);
  await once(ignoring.stdout, "readable");
  ignoring.stdout.destroy();
  const failed = await ignoring.closed;
  // act exits with 100 + EPIPE.
  assert.equal(failed.kind === "exited" && failed.code, 100);
});

test("destroy(error) is told to the stream's listeners", async () => {
  const child = await launch(act, ["fill", "1", "1000000"]);
  const closed = new Promise((resolve) => child.stdout.on("close", resolve));
  const errors: Error[] = [];
  child.stdout.on("error", (error) => errors.push(error));
  child.stdout.destroy(new Error("enough"));
  await closed;
  assert.deepEqual(
    errors.map(({ message }) => message),
    ["enough"],
  );
  await child.closed;
});

test("leaving `for await` destroys the stream", async () => {
  const child = await launch(act, ["fill", "1", "10000000"]);
  for await (const chunk of child.stdout) {
    assert.ok(chunk.length > 0);
    break;
  }
  assert.equal(child.stdout.destroyed, true);
  const exit = await child.closed;
  assert.equal(exit.kind === "killed" && exit.signal, "SIGPIPE");
});

for (const size of [0, 1, 65_535, 65_536]) {
  test(`an unread stream doesn't keep closed from settling, and loses nothing: ${size} bytes`, async () => {
    const child = await launch(act, ["fill", "1", String(size), "say", "2", "x"]);
    await child.closed;
    await new Promise(setImmediate);
    assert.ok((await child.stdout.bytes()).equals(filling(size)));
    assert.equal(await child.stderr.text(), "x\n");
  });
}

test("an unread socket doesn't keep closed from settling, and loses nothing", async () => {
  const child = await launch(act, ["fill", "1", "100000"], { stdout: "socket" });
  await child.closed;
  assert.ok((await child.stdout.bytes()).equals(filling(100_000)));
});

test("nor does one that holds as much as a socket takes, more than a receive buffer", async () => {
  for (const stdout of ["socket", "pipe", { pipe: "r", size: 2 ** 20 }] as const) {
    const child = await launch(act, ["fillup", "1"], { stdout });
    await child.closed;
    const written = Number(await child.stderr.text());
    assert.ok((await child.stdout.bytes()).equals(filling(written)), `${written} bytes`);
  }
});

test("a stream that was touched, or paused half-way, is read late without loss", async () => {
  const child = await launch(act, ["fill", "1", "65536"]);
  const { stdout } = child;
  await child.closed;
  assert.ok((await stdout.bytes()).equals(filling(65_536)));

  const paused = await launch(act, ["fill", "1", "120000"]);
  const chunks: Buffer[] = [];
  paused.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    paused.stdout.pause();
  });
  await paused.closed;
  const ended = once(paused.stdout, "end");
  paused.stdout.removeAllListeners("data");
  paused.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  paused.stdout.resume();
  await ended;
  assert.ok(Buffer.concat(chunks).equals(filling(120_000)));
});

test("25: what a grandchild writes after the child's exit is read late, too, and closed finds the end unread", async () => {
  const child = await launch(act, ["fork", "read", "fill", "1", "60000", ";", "say", "1", "mine"], {
    // The end of fd 0, which we close when the child has exited, is the grandchild's cue.
    stdout: "pipe",
  });
  await child.closed;
  const bytes = await child.stdout.bytes();
  assert.ok(bytes.equals(Buffer.concat([Buffer.from("mine\n"), filling(60_000)])));
});

test("an exception in a 'data' listener is an uncaughtException, and later data and the end still come", async () => {
  const result = await runNode(`
    const caught = [];
    process.on("uncaughtException", (error) => caught.push(error.message));
    const child = spawn("sh", ["-c", "echo 1; read _; echo 2; read _; echo 3"]);
    const seen = [];
    child.stdout.on("data", (chunk) => {
      seen.push(String(chunk).trim());
      child.stdin.write("\\n");
      throw new Error("of " + seen.length);
    });
    child.stdout.on("end", () => seen.push("end"));
    await child.closed;
    await new Promise(setImmediate);
    console.log(JSON.stringify({ seen, caught }));
  `);
  assert.equal(result.stderr, "");
  assert.deepEqual(JSON.parse(result.stdout), { seen: ["1", "2", "3", "end"], caught: ["of 1", "of 2", "of 3"] });
});

test("the same for a stream read late, and for one that ends with the data", async () => {
  const result = await runNode(`
    let caught = 0;
    process.on("uncaughtException", () => caught++);
    for (const late of [true, false]) {
      const child = spawn("head", ["-c", "200000", "/dev/zero"]);
      if (late) await new Promise((resolve) => setTimeout(resolve, 50));
      let count = 0;
      caught = 0;
      child.stdout.on("data", (chunk) => {
        count += chunk.length;
        throw new Error("no");
      });
      const ended = new Promise((resolve) => child.stdout.on("end", resolve));
      await child.closed;
      await ended;
      console.log(count, caught > 0);
    }
  `);
  assert.deepEqual(result, { code: 0, signal: null, stdout: "200000 true\n200000 true\n", stderr: "" });
});

test("lineOf leaves the rest unread: read(n) works across chunks", async () => {
  const child = await launch(act, ["say", "1", "one", "say", "1", "two"]);
  assert.equal(await lineOf(child.stdout), "one");
  assert.equal(await child.stdout.text(), "two\n");
  await child.closed;
});
