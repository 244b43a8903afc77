/**
 * The option `foreground`, in a process that has a controlling terminal.
 */

import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { Terminal } from "../helpers/terminal.js";
import { test } from "../helpers/test.js";

const index = fileURLToPath(import.meta.resolve("brood"));

/** Runs a script as the session's leader; it prints one line of JSON. */
async function inTerminal(script: string): Promise<{ pid: number; [name: string]: unknown }> {
  const prelude = `import { spawn } from ${JSON.stringify(index)};
    import { readFileSync } from "node:fs";
    const front = () => Number(readFileSync("/proc/self/stat", "latin1").split(") ")[1].split(" ")[5]);
    const tell = (what) => console.log("<" + JSON.stringify({ pid: process.pid, ...what }) + ">");`;
  await using terminal = new Terminal([process.execPath, "--input-type=module", "-e", `${prelude}\n${script}`]);
  await terminal.until("<");
  const told = JSON.parse(await terminal.until(">"));
  assert.equal(await terminal.end(), 0);
  return told;
}

test("the child's group has the foreground when it execs, and keeps it", async () => {
  const told = await inTerminal(`
    const child = spawn("sh", ["-c", "read x; exit 3"], { stdio: ["inherit", "ignore", "ignore"], processGroup: "new", foreground: true });
    const during = front();
    child.kill("SIGKILL");
    await child.closed;
    tell({ child: child.pid, during, after: front() });`);
  assert.equal(told["during"], told["child"]);
  assert.equal(told["after"], told["child"], "taking it back is the caller's");
});

test("a spawn that fails after that step leaves the foreground where it was", async () => {
  for (const options of ['"/nonexistent/file", []', '"true", [], { cwd: "/nonexistent" }']) {
    const told = await inTerminal(`
      const spawnIt = (file, args, more) =>
        spawn(file, args, { stdio: "inherit", processGroup: "new", foreground: 2, ...more });
      let stage;
      try { spawnIt(${options}); } catch (error) { stage = error.stage; }
      tell({ stage, after: front() });`);
    assert.match(String(told["stage"]), /^(exec|chdir)$/);
    assert.equal(told["after"], told.pid);
  }
});

test("an fd that is not our controlling terminal is refused", async () => {
  const told = await inTerminal(`
    let error;
    try { spawn("true", [], { stdio: "ignore", processGroup: "new", foreground: 1 }); } catch (e) { error = e; }
    tell({ stage: error.stage, code: error.code, fd: error.fd, message: error.message });`);
  assert.deepEqual([told["stage"], told["code"], told["fd"]], ["foreground", "ENOTTY", 1]);
  assert.match(String(told["message"]), /cannot take the foreground of the terminal on fd 1/);
});
