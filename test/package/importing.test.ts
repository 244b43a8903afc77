import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "../helpers/test.js";

const { exports } = JSON.parse(readFileSync(new URL("../../../package.json", import.meta.url), "utf8")) as {
  exports: Record<string, { default?: string }>;
};
const entries = Object.keys(exports)
  .filter((path) => exports[path]?.default !== undefined)
  .map((path) => path.replace(".", "brood"));

/** Who touches process.stdout or process.stderr opens them: a pipe is non-blocking from then on, for all who have it. */
const LOOK = `import { readFileSync, writeSync } from "node:fs";
  const touched = [];
  for (const name of ["stdin", "stdout", "stderr"]) {
    const { get } = Object.getOwnPropertyDescriptor(process, name);
    Object.defineProperty(process, name, { get() { touched.push(name); return get.call(process); }, configurable: true });
  }
  const flags = () => [1, 2].map((fd) => /flags:\\s*(\\d+)/.exec(readFileSync("/proc/self/fdinfo/" + fd, "latin1"))[1]);
  const before = flags();
  await import(process.argv[1]);
  writeSync(1, JSON.stringify({ touched, before, after: flags() }));`;

interface Look {
  touched: string[];
  before: string[];
  after: string[];
}

for (const entry of entries) {
  test(`importing ${entry} opens none of our standard streams, and leaves their pipes blocking`, () => {
    const args = ["--input-type=module", "--eval", LOOK, import.meta.resolve(entry)];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    const { touched, before, after } = JSON.parse(stdout || stderr) as Look;
    assert.deepEqual(touched, []);
    assert.deepEqual(after, before);
  });
}
