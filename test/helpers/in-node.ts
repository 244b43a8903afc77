/**
 * Runs a piece of a test in a Node process of its own, whose result comes back as JSON.
 */

import assert from "node:assert/strict";
import { type NodeOptions, runNode } from "./node.js";

const IN_SCOPE = {
  children: "childPath",
  fork: "forkReport, forkToEnd, posix",
  files: "identity, TemporaryFiles",
  launch: "launch",
  report: "fdsOf, parseReport, reportOf, signalsOf",
  self: "self",
};

/**
 * Runs `code` with all of brood and of the test helpers in scope, and gives what it passes to `done()`. Fails if
 * the process does not end well.
 */
export async function inNode<Result>(code: string, options?: NodeOptions): Promise<Result> {
  const imports = Object.entries(IN_SCOPE).map(
    ([file, names]) => `import { ${names} } from ${JSON.stringify(import.meta.resolve(`./${file}.js`))};`,
  );
  const done = `const done = (result) => fs.writeSync(1, JSON.stringify(result));`;
  const {
    code: status,
    signal,
    stdout,
    stderr,
  } = await runNode(`${imports.join("\n")}\nimport fs from "node:fs";\n${done}\n${code}`, options);
  assert.deepEqual([status, signal, stderr], [0, null, ""]);
  return JSON.parse(stdout) as Result;
}
