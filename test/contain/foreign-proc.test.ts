/**
 * In a pid namespace that sees the /proc of the one above it: the numbers that are read there are not those that signals
 * take, so nothing may be signalled by them.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "../helpers/test.js";

/** Runs a module as the first process of a new pid namespace, below the /proc of ours. */
function inNamespace(code: string): unknown {
  const brood = `import { run } from ${JSON.stringify(import.meta.resolve("brood"))};`;
  const command = [process.execPath, "--input-type=module", "-e", `${brood}\n${code}`];
  const text = execFileSync("unshare", ["--pid", "--fork", "--kill-child", ...command], {
    encoding: "utf8",
    timeout: 20_000,
    killSignal: "SIGKILL",
  });
  return JSON.parse(text);
}

test("nobody is looked for in the /proc of another pid namespace: a group is refused, and so are the processes below a child", () => {
  const code = `
    import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
    const told = ({ name, feature }) => name + " " + feature;
    const said = [await run("true", { contain: "group" }).then(() => "held", told)];
    const child = spawn("cat");
    for (const ask of [() => child.descendants(), () => child.killTree(), () => child.suspend(), () => child.resume()])
      said.push(await (async () => ask())().then(() => "done", told));
    child.stdin.end();
    said.push((await child.exited).code);
    console.log(JSON.stringify(said));`;
  assert.deepEqual(inNamespace(code), ["UnsupportedError group", ...Array(4).fill("UnsupportedError descendants"), 0]);
});

test("a keeper, which finds processes in /proc, is refused where /proc is that of another pid namespace", () => {
  const code = `
    const said = await run("true", { contain: "keeper" }).then(
      () => "held",
      ({ name, message }) => [name, /\\/proc\\/self is \\d+, not 1/.test(message)],
    );
    console.log(JSON.stringify(said));`;
  assert.deepEqual(inNamespace(code), ["UnsupportedError", true]);
});
