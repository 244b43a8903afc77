/**
 * One environment, one addon, one monitor: also where a module of ours is there twice, or the end is near.
 */

import assert from "node:assert/strict";
import { runNode } from "../helpers/node.js";
import { ended } from "../helpers/processes.js";
import { test } from "../helpers/test.js";

test("two copies of the code over one addon both hear of their children", async () => {
  const inner = JSON.stringify(import.meta.resolve("#dist/process/run.js"));
  const { code, stdout, stderr } = await runNode(`
    const other = await import(${inner});
    const first = await run("echo", ["first"]);
    const second = await other.run("echo", ["second"]);
    const [third, fourth] = await Promise.all([run("echo", ["third"]), other.run("echo", ["fourth"])]);
    console.log([first, second, third, fourth].map(({ stdout }) => stdout.trim()).join(" "));
  `);
  assert.equal(stdout, "first second third fourth\n", stderr);
  assert.equal(code, 0);
});

for (const used of ["", 'await run("true");']) {
  test(`a child that a listener of "exit" starts ends with us${used === "" ? ", though it is the first" : ""}`, async () => {
    const { code, stdout, stderr } = await runNode(`
      ${used}
      process.on("exit", () => console.log(spawn("sleep", ["60"], { stdio: "ignore" }).pid));
      process.exit(3);
    `);
    assert.equal(code, 3, stderr);
    await ended(Number(stdout));
  });
}
