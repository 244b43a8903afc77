/**
 * Transfers around every boundary: of the page, the pipe, the chunk, the socket buffer. (U16)
 */

import assert from "node:assert/strict";
import { run } from "brood";
import { act, filling } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { test } from "../helpers/test.js";

const SIZES = [0, 1, 4095, 4096, 4097, 8191, 8192, 8193, 65535, 65536, 65537, 131_072, 1_000_000];

test("every size comes out of the child unharmed, by pipe and by socket", async () => {
  for (const stdout of ["pipe", "socket"] as const) {
    for (const size of SIZES) {
      const child = await launch(act, ["fill", "1", String(size)], { stdout });
      const bytes = await child.stdout.bytes();
      assert.ok(bytes.equals(filling(size)), `${size} bytes by ${stdout}: got ${bytes.length}`);
      await child.closed;
    }
  }
});

test("every size goes into the child and back unharmed, in one write", async () => {
  for (const stdin of ["pipe", "socket"] as const) {
    for (const size of SIZES) {
      const child = await launch("cat", [], { stdin });
      child.stdin.end(filling(size));
      const bytes = await child.stdout.bytes();
      assert.ok(bytes.equals(filling(size)), `${size} bytes by ${stdin}: got ${bytes.length}`);
      await child.closed;
    }
  }
});

test("half a megabyte in many small writes goes through while the output is read", async () => {
  const child = await launch("cat");
  const whole = filling(500_000);
  for (let at = 0; at < whole.length; at += 1000) child.stdin.write(whole.subarray(at, at + 1000));
  child.stdin.end();
  assert.ok((await child.stdout.bytes()).equals(whole));
  await child.closed;
});

test("both outputs at once, each more than a pipe holds", async () => {
  const child = await launch(act, ["fork", "fill", "2", "400000", ";", "fill", "1", "400000"]);
  const [out, err] = await Promise.all([child.stdout.bytes(), child.stderr.bytes()]);
  assert.ok(out.equals(filling(400_000)));
  assert.ok(err.equals(filling(400_000)));
  await child.closed;
});

test("every size through the options: stdin as bytes, run with input", async () => {
  for (const size of SIZES) {
    const child = await launch("cat", [], { stdin: filling(size) });
    assert.equal(child.stdin, null);
    assert.ok((await child.stdout.bytes()).equals(filling(size)), `${size} bytes`);
    await child.closed;
    const { stdout } = await run("cat", [], { input: filling(size), encoding: "buffer" });
    assert.ok(stdout.equals(filling(size)), `${size} bytes`);
  }
});
