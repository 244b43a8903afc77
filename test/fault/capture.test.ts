/**
 * Output that is kept natively while a system call of the parent fails: no byte is lost in silence, nothing is left.
 */

import assert from "node:assert/strict";
import { act, filling } from "../helpers/act.js";
import { test } from "../helpers/test.js";
import { inFaultyNode } from "./faulty-node.js";

const SCOPE = `
  const act = ${JSON.stringify(act)};
  async function collect(args, options) {
    const compare = takeStock();
    let outcome;
    try {
      const { stdout, stderr, reason } = await run(act, args, { encoding: "buffer", ...options });
      outcome = { stdout: stdout.length, stderr: stderr.toString(), reason };
    } catch (error) {
      const { name, code, message, stage, stdout, reason, cause, exit } = error;
      outcome = { name, code, message, stage, stdout: stdout?.length, head: stdout?.subarray(0, 100).toString("base64"), reason, cause: cause?.code, signal: exit?.signal };
    }
    await compare();
    return outcome;
  }
  await run("true");
`;

interface Collected {
  stdout: number;
  stderr: string;
  reason: string;
}

interface Failed {
  name: string;
  code: string;
  message: string;
  stage?: string;
  stdout: number;
  head: string;
  reason: string;
  cause: string;
  signal: string;
}

test("no memory to keep more: an OutputError with what came; the fd is closed, and the command feels it", async () => {
  for (const [skip, kept] of [
    [0, 0],
    [1, 4096],
    [3, 131_072],
  ] as const) {
    const [failed, next] = await inFaultyNode<[Failed, Collected]>(
      `${SCOPE}
       fail("realloc", "ENOMEM", ${skip});
       const failed = await collect(["fill", "1", "3000000", "exit", "0"]);
       clear("realloc");
       done([failed, await collect(["fill", "1", "3000000", "say", "2", "well"])]);`,
      undefined,
    );
    assert.deepEqual([failed.name, failed.code, failed.cause], ["OutputError", "ERR_OUTPUT_TOO_LONG", "ENOMEM"]);
    // What is left of its room may be too small to be worth a read.
    assert.ok(failed.stdout <= kept && failed.stdout >= kept - kept / 8, `${failed.stdout} of ${kept}`);
    assert.equal(failed.head, filling(Math.min(kept, 100)).toString("base64"));
    assert.equal(failed.reason, "output");
    assert.match(failed.message, /gave more than the \d+ bytes on fd 1 that there is memory for .*maxOutput/);
    assert.deepEqual(next, { stdout: 3_000_000, stderr: "well\n", reason: "exit" });
  }
});

test("what can't be kept natively from the first goes through JavaScript, whole", async () => {
  for (const [call, errno] of [
    ["malloc", "ENOMEM"],
    ["epoll_ctl", "ENOSPC"],
  ] as const) {
    const all = await inFaultyNode<(Collected | Failed)[]>(
      `${SCOPE}
       const all = [];
       for (let skip = 0; ; skip++) {
         fail(${JSON.stringify(call)}, ${JSON.stringify(errno)}, skip);
         const outcome = await collect(["fill", "1", "300000", "say", "2", "well"]);
         if (clear(${JSON.stringify(call)}) === 1) break;
         all.push(outcome);
       }
       done(all);`,
      undefined,
    );
    // The first are the launch's own; each of the two pipes then has one.
    const whole = all.filter((outcome) => "stderr" in outcome);
    assert.ok(whole.length >= 2, JSON.stringify(all));
    for (const outcome of whole) assert.deepEqual(outcome, { stdout: 300_000, stderr: "well\n", reason: "exit" });
    for (const outcome of all) assert.ok("stderr" in outcome || outcome.name === "SpawnError", JSON.stringify(outcome));
  }
});

test("pages that can't be had ahead come one by one", async () => {
  const [outcome, failures] = await inFaultyNode<[Collected, number]>(
    `${SCOPE}
     fail("madvise", "EINVAL", 0, 1000);
     const outcome = await collect(["fill", "1", "9000000", "say", "2", "well"]);
     done([outcome, 1000 - clear("madvise")]);`,
    undefined,
  );
  assert.deepEqual(outcome, { stdout: 9_000_000, stderr: "well\n", reason: "exit" });
  // It is asked for again only when the memory has grown.
  assert.ok(failures >= 1 && failures < 10, `${failures}`);
});

test("a read that is interrupted, or finds nothing after all, costs no byte; one that fails tells", async () => {
  const outcomes = await inFaultyNode<(Collected | Failed)[][]>(
    `${SCOPE}
     const all = [];
     for (const errno of ["EINTR", "EAGAIN", "EIO"]) {
       const outcomes = [];
       for (let skip = 0; skip < 5; skip++) {
         fail("read", errno, skip);
         outcomes.push(await collect(["fill", "1", "300000", "say", "2", "well"]));
         clear("read");
       }
       all.push(outcomes);
     }
     done(all);`,
    "clone3",
  );
  const good = { stdout: 300_000, stderr: "well\n", reason: "exit" };
  for (const outcome of outcomes.slice(0, 2).flat()) assert.deepEqual(outcome, good);
  for (const outcome of outcomes[2] ?? []) {
    if ("stderr" in outcome) assert.deepEqual(outcome, good);
    else assert.deepEqual([outcome.name, outcome.cause], ["OutputError", "EIO"]);
  }
  assert.ok((outcomes[2] ?? []).some((outcome) => "name" in outcome));
});

test("no fd for a pipe: a SpawnError, and nothing is kept for anybody", async () => {
  const outcomes = await inFaultyNode<Failed[]>(
    `${SCOPE}
     const all = [];
     for (const skip of [0, 1]) {
       fail("pipe2", "EMFILE", skip);
       all.push(await collect(["say", "1", "x"]));
       clear("pipe2");
     }
     done(all);`,
    undefined,
  );
  for (const { name, code, stage } of outcomes) assert.deepEqual([name, code, stage], ["SpawnError", "EMFILE", "pipe"]);
});

test("the watch failing gives up what is being kept, with what came", async () => {
  const outcome = await inFaultyNode<{ stdout: string; reason: string; drained: boolean }>(
    `process.removeAllListeners("warning");
     process.on("warning", () => {});
     const child = spawn(${JSON.stringify(act)}, ["say", "1", "first", "say", "3", "now", "read", "say", "1", "second", "read"], { fds: { 3: "pipe" } });
     const heard = new Promise((resolve) => child.fds.get(3).once("data", resolve));
     const output = child.output();
     await heard;
     fail("epoll_wait", "EINVAL", 0);
     child.stdin.write("x");
     const { stdout, reason, drained } = await output;
     done({ stdout: stdout.slice(0, 6), reason, drained });`,
    undefined,
  );
  assert.deepEqual(outcome, { stdout: "first\n", reason: "unknown", drained: true });
});
