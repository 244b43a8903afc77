/**
 * A storm of signals at the parent while it spawns. It comes in gusts, one for each spawn: signals without a pause would
 * keep Node's own loop in its signal handlers.
 */

import assert from "node:assert/strict";
import { inNode } from "../helpers/in-node.js";
import { test } from "../helpers/test.js";

/** Sends fifty signals to its parent, or its parent's group, for each line that it reads. */
const storm = (target: string): string =>
  `while read -r line; do i=0; while [ $i -lt 50 ]; do kill -s USR1 -- ${target}; i=$((i + 1)); done; done`;

const SCOPE = `
import { addon, RUNGS } from ${JSON.stringify(import.meta.resolve("#dist/native/addon.js"))};
await run("true");
let signals = 0;
process.on("SIGUSR1", () => signals++);
function startStorm(script) {
  const child = spawn("sh", ["-c", script], { stdout: "ignore", stderr: "ignore", session: true });
  return { gust: () => child.stdin.write("\\n"), stop: () => { child.stdin.end(); return child.closed; } };
}
`;

/** node leads a group of its own, for the storm to hit. */
const OWN_GROUP = { wrapper: ["setsid", "-w"] };

for (const [receiver, target] of [
  ["the process", "$PPID"],
  ["its group", "-$PPID"],
] as const) {
  test(`PITFALL 27: SIGUSR1 rains on ${receiver} while it spawns on each rung: children are right, no EINTR is told`, async () => {
    const results = await inNode<{ rung: string; right: number; failed: number; handled: boolean }[]>(
      `${SCOPE}
       const { gust, stop } = startStorm(${JSON.stringify(storm(target))});
       // The children are in the group, too: without this it would end them, as it should.
       const options = { ignoreSignals: ["SIGUSR1"] };
       const results = [];
       for (const [rung, name] of RUNGS.entries()) {
         addon().configure(rung, 0);
         const before = signals;
         let right = 0, failed = 0;
         for (let i = 0; i < 100; i++) {
           gust();
           const child = spawn("cat", [], options);
           child.stdin.end("hello");
           const [said, exit] = await Promise.all([child.stdout.text(), child.closed]);
           if (said === "hello" && exit.kind === "exited" && exit.code === 0) right++;
           try { spawn("/nowhere/at/all", [], options); } catch (error) { if (error.code === "ENOENT") failed++; }
         }
         while (signals === before) await new Promise(setImmediate);
         results.push({ rung: name, right, failed, handled: signals > before });
       }
       await stop();
       done(results);`,
      OWN_GROUP,
    );
    assert.deepEqual(
      results,
      ["clone3", "clone", "vfork", "fork"].map((rung) => ({ rung, right: 100, failed: 100, handled: true })),
    );
  });
}

test("PARITY P15: a signal to the whole group ends a child, or its spawn is ERR_SPAWN_KILLED: no handler of ours runs in it", async () => {
  const { ends, others } = await inNode<{ ends: number; others: string[] }>(
    `${SCOPE}
     const { gust, stop } = startStorm(${JSON.stringify(storm("-$PPID"))});
     let ends = 0;
     const others = [];
     for (let i = 0; i < 200; i++) {
       addon().configure(i % RUNGS.length, 0);
       gust();
       try {
         const child = spawn("cat");
         gust();
         const exit = await child.closed;
         if (exit.signal === "SIGUSR1") ends++;
         else others.push(JSON.stringify(exit));
       } catch (error) {
         if (error.code === "ERR_SPAWN_KILLED" && error.message.includes("SIGUSR1")) ends++;
         else others.push(String(error));
       }
     }
     await stop();
     done({ ends, others });`,
    OWN_GROUP,
  );
  assert.deepEqual([ends, others], [200, []]);
});
