/**
 * drain: pipes that others hold after the exit. What has arrived is never thrown away; the result says who holds them.
 */

import assert from "node:assert/strict";
import { DrainError, ExitError, type Holder, run } from "brood";
import { act, filling, lineOf } from "../helpers/act.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

/** Ends what a test left on purpose. */
async function end(holders: readonly Pick<Holder, "pid">[]): Promise<void> {
  for (const { pid } of holders) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }
  for (const { pid } of holders) await ended(pid);
}

/** Gives what a promise is rejected with. */
async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => assert.fail("it ended well"),
    (error) => error,
  );
}

const SLEEP = ["-c", "sleep 30 & echo done"];

test("25: the exit is seen at once, though a background process holds the pipes", async () => {
  const child = await launch("sh", SLEEP, { drain: { then: "close" } });
  const start = performance.now();
  assert.equal((await child.exited).kind, "exited");
  assert.ok(performance.now() - start < 2000);
  await child.closed;
  assert.equal(child.drained, false);
  assert.equal(await child.stdout.text(), "done\n");
  await end(child.heldBy);
});

for (const [name, drain, least] of [
  ["run's default", undefined, 1900],
  ["close at once", { then: "close" }, 0],
  ["close, by then's default", { timeout: 100 }, 90],
  ["close after a silence", { idle: 100, then: "close" }, 90],
  ["the first of both bounds", { idle: 10_000, timeout: 100, then: "close" }, 90],
  ["the first of both bounds, the other way round", { idle: 100, timeout: 10_000, then: "close" }, 90],
] as const) {
  test(`25: run gives all of the output, and who holds the pipes: ${name}`, async () => {
    const start = performance.now();
    const result = await run("sh", SLEEP, { drain });
    const took = performance.now() - start;
    assert.equal(result.stdout, "done\n");
    assert.equal(result.reason, "exit");
    assert.equal(result.drained, false);
    assert.deepEqual(
      result.heldBy.map(({ fds }) => fds),
      [[1, 2]],
    );
    // It may not have come to its exec.
    assert.match(result.heldBy[0]?.command ?? "", /sleep 30/);
    assert.ok(took >= least && took < least + 5000, String(took));
    await end(result.heldBy);
  });
}

test('then: "error" throws a DrainError that names who holds them, with all of the output', async () => {
  const error = await failureOf(run("sh", SLEEP, { drain: { timeout: 50, then: "error" } }));
  assert.ok(error instanceof DrainError);
  assert.equal(error.code, "ERR_NOT_DRAINED");
  assert.equal(error.stdout, "done\n");
  assert.equal(error.reason, "exit");
  assert.equal(error.drained, false);
  assert.match(error.message, /exited with code 0, its output is still held by \d+ \(.*sleep 30.*\)$/);
  await end(error.heldBy);
  const quiet = await run("sh", SLEEP, { drain: { then: "error" }, reject: false });
  assert.equal(quiet.drained, false);
  await end(quiet.heldBy);
});

test("an end that is not clean goes before a drain that is over", async () => {
  const error = await failureOf(run("sh", ["-c", "sleep 30 & exit 3"], { drain: { then: "error" } }));
  assert.ok(error instanceof ExitError);
  assert.equal(error.drained, false);
  assert.match(error.message, /exited with code 3, its output is still held by \d+ \(.*sleep 30.*\)$/);
  await end(error.heldBy);
});

test('then: "wait" waits for the end whatever the bounds', async () => {
  const { stdout, drained, heldBy } = await run("sh", ["-c", "(sleep 0.5; echo late) & echo done"], {
    drain: { timeout: 50, idle: 50, then: "wait" },
  });
  assert.equal(stdout, "done\nlate\n");
  assert.equal(drained, true);
  assert.deepEqual(heldBy, []);
});

test("spawn waits for the end by default", async () => {
  const child = await launch(act, ["fork", "ignore", "1", "read", "say", "1", "late", ";", "say", "1", "early"], {
    fds: { 5: { pipe: "w" } },
  });
  await child.exited;
  await child.closed;
  assert.equal(child.drained, true);
  assert.equal(await child.stdout.text(), "early\nlate\n");
});

test("a command whose pipes nobody holds is drained", async () => {
  const result = await run(act, ["fill", "1", "300000"], { drain: { then: "error" }, encoding: "buffer" });
  assert.equal(result.drained, true);
  assert.deepEqual(result.heldBy, []);
  assert.ok(result.stdout.equals(filling(300_000)));
});

test("each byte begins the silence anew; what a holder writes before it is given up is kept", async () => {
  const script = "(for i in 1 2 3 4 5 6 7 8; do sleep 0.25; echo $i; done; exec sleep 30) & echo 0";
  const result = await run("sh", ["-c", script], { drain: { idle: 1500 } });
  assert.equal(result.stdout, "0\n1\n2\n3\n4\n5\n6\n7\n8\n");
  assert.equal(result.drained, false);
  assert.ok(result.durationMs >= 2000 + 1400);
  await end(result.heldBy);
});

test("nothing begins drain.timeout anew", async () => {
  const script = "(while :; do sleep 0.05; echo x; done) & echo 0";
  const result = await run("sh", ["-c", script], { drain: { timeout: 2000, idle: 1900 } });
  assert.match(result.stdout, /^0\n(x\n)+$/);
  assert.ok(result.durationMs < 20_000);
  await end(result.heldBy);
});

test("late bytes that nobody has read when the pipe is given up are kept", async () => {
  const child = await launch(act, ["fork", "read", "fill", "1", "50000", "say", "3", "written", "pause", ";"], {
    fds: { 3: "pipe", 0: "socket" },
    drain: { timeout: 3000 },
  });
  await child.exited;
  const tell = child.fds.get(3);
  assert.ok(tell !== undefined && "lines" in tell);
  assert.equal(await lineOf(tell), "written");
  await child.closed;
  assert.equal(child.drained, false);
  assert.deepEqual(
    child.heldBy.map(({ fds }) => fds),
    [[0, 1, 2, 3]],
  );
  assert.ok((await child.stdout.bytes()).equals(filling(50_000)));
  await end(child.heldBy);
});

test("streams read by for await end cleanly with close, and in a DrainError with error, after all that came", async () => {
  for (const then of ["close", "error"] as const) {
    const child = await launch("sh", SLEEP, { drain: { timeout: 50, then } });
    let got = "";
    let thrown: unknown;
    try {
      for await (const chunk of child.stdout) got += chunk;
    } catch (error) {
      thrown = error;
    }
    assert.equal(got, "done\n");
    if (then === "close") assert.equal(thrown, undefined);
    else {
      assert.ok(thrown instanceof DrainError);
      assert.match(thrown.message, /^fd 1 of sh .* is still held by another process, the child has exited$/);
    }
    await child.closed;
    await end(child.heldBy);
  }
});

test("streams that are read slowly get everything, too", async () => {
  const child = await launch(act, ["fork", "pause", ";", "fill", "1", "60000"], { drain: { timeout: 0 } });
  await child.closed;
  let length = 0;
  for await (const chunk of child.stdout) {
    length += chunk.length;
    await new Promise(setImmediate);
  }
  assert.equal(length, 60_000);
  await end(child.heldBy);
});

test("heldBy knows the other ends of sockets, and any fd", async () => {
  const child = await launch(act, ["fork", "close", "2", "pause", ";"], {
    stdin: "ignore",
    stdout: "socket",
    fds: { 5: "pipe" },
    drain: { then: "close" },
  });
  await child.closed;
  assert.equal(child.drained, false);
  const [holder] = child.heldBy;
  assert.deepEqual(holder?.fds, [1, 5]);
  assert.match(holder?.command ?? "", /act fork close 2 pause ;$/);
  assert.notEqual(holder?.pid, child.pid);
  await end(child.heldBy);
  child.stdout.destroy();
});

test("heldBy names every holder, and nobody else", async () => {
  const result = await run("sh", ["-c", "sleep 31 >&2 & sleep 32 2>&1 & sleep 33 >/dev/null 2>&1 & echo $!"], {
    drain: { idle: 1000 },
  });
  assert.deepEqual(result.heldBy.map(({ command }) => command).sort(), ["sleep 31", "sleep 32"]);
  assert.deepEqual(result.heldBy.find(({ command }) => command === "sleep 31")?.fds, [2]);
  await end([...result.heldBy, { pid: Number(result.stdout) }]);
});

test("a holder that we may not look into is not named, but the command is not drained", async () => {
  // It can't be seen by a parent without root's rights: that runs in a process of its own.
  if (process.getuid?.() !== 0) return;
  const { stdout, stderr } = await runNode(
    `const { stdout, drained, heldBy } = await run("sh", ["-c", "sleep 30 & echo $!"], { drain: { then: "close" } });
    console.log(JSON.stringify([drained, heldBy.length, stdout]));
    const hidden = await run("setpriv", ["--reuid=65533", "--clear-groups", "sh", "-c", "sleep 30 & echo $!"], { drain: { idle: 100 } });
    console.log(JSON.stringify([hidden.drained, hidden.heldBy.length, hidden.stdout]));`,
    {
      wrapper: ["setpriv", "--reuid=65534", "--clear-groups", "--ambient-caps=+setuid,+setgid", "--inh-caps=+setuid,+setgid"],
      cwd: "/",
    },
  );
  const [seen, hidden] = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as [boolean, number, string]);
  for (const result of [seen, hidden]) if (result !== undefined) await end([{ pid: Number(result[2]) }]);
  assert.deepEqual(seen?.slice(0, 2), [false, 1], stderr);
  assert.deepEqual(hidden?.slice(0, 2), [false, 0], stderr);
});
