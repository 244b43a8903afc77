/**
 * parentDeathSignal: what the child gets when our process dies. prctl(2), PR_SET_PDEATHSIG
 */

import assert from "node:assert/strict";
import { chmodSync, copyFileSync } from "node:fs";
import { constants } from "node:os";
import { childPath } from "../helpers/children.js";
import { TemporaryFiles } from "../helpers/files.js";
import { launch } from "../helpers/launch.js";
import { runNode } from "../helpers/node.js";
import { reportOf } from "../helpers/report.js";
import { test } from "../helpers/test.js";

const WITNESS = JSON.stringify(childPath("witness"));

/** Starts a witness, whose fd 1 is the process's own, and waits until it is ready. */
const START = `const start = async (options) => {
  const child = spawn(process.env.WITNESS ?? ${WITNESS}, [], {
    stdin: "ignore", stdout: "inherit", stderr: "ignore", fds: { 3: "pipe" }, env: { LD_PRELOAD: undefined }, cleanup: false, ...options,
  });
  await child.fds.get(3).text();
  return child;
};`;

test("the signal is set in the child, under each name and number", async () => {
  assert.equal((await reportOf()).parentDeathSignal, 0);
  assert.equal((await reportOf({ parentDeathSignal: "SIGTERM" })).parentDeathSignal, constants.signals.SIGTERM);
  assert.equal((await reportOf({ parentDeathSignal: 64 })).parentDeathSignal, 64);
});

test("PITFALL 18: it outlives a change of user, group and groups", async () => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  copyFileSync(childPath("report"), files.path("report"));
  chmodSync(files.path("report"), 0o755);
  const options = { parentDeathSignal: "SIGUSR1", uid: 12345, gid: 12345, groups: [] } as const;
  const report = await reportOf(options, { file: files.path("report") });
  assert.equal(report.parentDeathSignal, constants.signals.SIGUSR1);
  assert.equal(report.uids[0], "12345");
});

test("the child of a process that is killed gets it", async () => {
  const code = `${START}
    await start({ parentDeathSignal: "SIGUSR1" });
    process.kill(process.pid, "SIGKILL");`;
  const { signal, stdout } = await runNode(code);
  assert.deepEqual([signal, stdout], ["SIGKILL", "SIGUSR1\n"]);
});

test("the child of a process that exits gets it, as another user too", async () => {
  using files = new TemporaryFiles();
  chmodSync(files.directory, 0o755);
  copyFileSync(childPath("witness"), files.path("witness"));
  chmodSync(files.path("witness"), 0o755);
  const code = `${START}
    await start({ parentDeathSignal: "SIGUSR1", uid: 12345, gid: 12345, groups: [] });
    process.exit(0);`;
  const { code: status, stdout } = await runNode(code, { env: { WITNESS: files.path("witness") } });
  assert.deepEqual([status, stdout], [0, "SIGUSR1\n"]);
});

/** Starts a witness from a worker; ends the worker, then the process. The process's death alone is told. */
async function toldOfTheProcess(inWorker: string): Promise<void> {
  const code = `
    import { Worker } from "node:worker_threads";
    import { once } from "node:events";
    import { readFileSync } from "node:fs";
    const worker = new Worker(${JSON.stringify(inWorker)}, { eval: true });
    const [pid] = await once(worker, "message");
    await worker.terminate();
    // Had the worker's end, or that of its host, sent SIGUSR1, it would have been told before.
    process.kill(pid, "SIGUSR2");
    while (!/^ShdPnd:\\t0+$/m.test(readFileSync("/proc/" + pid + "/status", "utf8"))) await new Promise(setImmediate);
    process.kill(process.pid, "SIGKILL");`;
  const { signal, stdout } = await runNode(code);
  assert.deepEqual([signal, stdout], ["SIGKILL", "SIGUSR2\nSIGUSR1\n"]);
}

test("PITFALL 18: from a worker it is the process's death that counts, not the worker's end", async () => {
  const inWorker = `
    import { spawn } from ${JSON.stringify(import.meta.resolve("brood"))};
    import { parentPort } from "node:worker_threads";
    ${START}
    const { pid } = await start({ parentDeathSignal: "SIGUSR1" });
    parentPort.postMessage(pid);
    setInterval(() => {}, 1000);`;
  await toldOfTheProcess(inWorker);
});

test("PITFALL 18: so it is of a host that a worker has started, and of what that starts", async () => {
  const inWorker = `
    import { SpawnHost } from ${JSON.stringify(import.meta.resolve("brood/host"))};
    import { parentPort } from "node:worker_threads";
    const host = await SpawnHost.start({ cwd: "/" });
    ${START.replace("const child = spawn(", "const child = await host.spawn(")}
    const { pid } = await start({ parentDeathSignal: "SIGUSR1" });
    parentPort.postMessage(pid);
    setInterval(() => {}, 1000);`;
  await toldOfTheProcess(inWorker);
});

test("a number or name that is no signal is refused", async () => {
  for (const parentDeathSignal of ["SIGNOPE", 0, 65]) {
    await assert.rejects(launch("true", [], { parentDeathSignal }), { code: "ERR_UNKNOWN_SIGNAL" });
  }
});
