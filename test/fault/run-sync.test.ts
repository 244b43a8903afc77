/**
 * runSync in which one system call of the parent fails, each in turn: one clear error, or a run that is as it
 * should be; nothing is left, and the next run works.
 */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "../helpers/test.js";
import { inFaultyNode, RUNGS } from "./faulty-node.js";

type Outcome = { out: string } | { name: string; code: string; stage?: string; syscall?: string };

const GOOD: Outcome = { out: "hello exited 0" };
const failed = (code: string, stage: string): Outcome => ({ name: "SpawnError", code, stage });
const waiting = (code: string): Outcome => ({ name: "Error", code, syscall: "poll" });

interface Fault {
  call: string;
  errno: string;
  /** What an outcome that is not good may be. */
  bad: Outcome[];
  /** How many outcomes there are at least. */
  least: number;
}

const FAULTS: Fault[] = [
  { call: "pipe2", errno: "EMFILE", bad: [failed("EMFILE", "pipe")], least: 3 },
  { call: "fcntl", errno: "ENOMEM", bad: [failed("ENOMEM", "pipe")], least: 3 },
  { call: "malloc", errno: "ENOMEM", bad: [failed("ENOMEM", "memory"), failed("ENOMEM", "watch")], least: 1 },
  { call: "realloc", errno: "ENOMEM", bad: [waiting("ENOMEM")], least: 1 },
  { call: "ppoll", errno: "EINTR", bad: [], least: 1 },
  { call: "ppoll", errno: "ENOMEM", bad: [waiting("ENOMEM")], least: 1 },
  { call: "waitid", errno: "EINTR", bad: [], least: 1 },
  { call: "waitid", errno: "EINVAL", bad: [], least: 1 },
  { call: "read", errno: "EINTR", bad: [], least: 1 },
  // On the fork rung the report of the child is read, too.
  { call: "read", errno: "EAGAIN", bad: [failed("EAGAIN", "report")], least: 1 },
  { call: "write", errno: "EINTR", bad: [], least: 1 },
  { call: "write", errno: "EAGAIN", bad: [], least: 1 },
];

for (const rung of RUNGS) {
  test(`each call of a runSync on rung ${rung} fails in turn: one error or a fallback, nothing left`, async () => {
    const outcomes = await inFaultyNode<Outcome[][]>(
      `async function once() {
         const compare = takeStock();
         let outcome;
         try {
           const { stdout, exit } = brood.runSync("cat", [], { input: "hello", fds: { 1: "pipe" } });
           outcome = { out: stdout + " " + exit.kind + " " + exit.code };
         } catch (error) {
           outcome = told(error);
         }
         await compare();
         return outcome;
       }
       await once();
       const all = [];
       for (const { call, errno } of ${JSON.stringify(FAULTS)}) {
         const outcomes = [];
         for (let skip = 0; ; skip++) {
           fail(call, errno, skip);
           const outcome = await once();
           if (clear(call) === 1) break;
           outcomes.push(outcome);
           const next = await once();
           if (next.out !== "hello exited 0") throw new Error("after " + call + " " + skip + ": " + JSON.stringify(next));
         }
         all.push(outcomes);
       }
       done(all);`,
      rung,
    );
    FAULTS.forEach(({ call, errno, bad, least }, i) => {
      const got = outcomes[i] ?? [];
      const title = `${call} ${errno}: ${JSON.stringify(got)}`;
      assert.ok(got.length >= least, title);
      for (const outcome of got)
        assert.ok(
          [GOOD, ...bad].some((one) => JSON.stringify(one) === JSON.stringify(outcome)),
          title,
        );
    });
  });
}

test("no memory while much is read: the command is killed, what holds its pipes does not matter", async () => {
  const folder = mkdtempSync(join(tmpdir(), "brood-"));
  const [error, alive] = await inFaultyNode<[Outcome, boolean]>(
    `await run("true");
     fail("realloc", "ENOMEM", 3);
     let error;
     try { brood.runSync("sh", ["-c", "echo $$ > " + process.env.PID_FILE + "; exec yes"]); } catch (caught) { error = told(caught); }
     const pid = fs.readFileSync(process.env.PID_FILE, "utf8").trim();
     done([error, fs.existsSync("/proc/" + pid)]);`,
    "clone3",
    { env: { PID_FILE: join(folder, "pid") } },
  ).finally(() => rmSync(folder, { recursive: true }));
  assert.deepEqual([error, alive], [waiting("ENOMEM"), false]);
});
