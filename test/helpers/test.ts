/**
 * `test` of node:test, which also fails where anything is left behind: an fd, a child, a zombie, a listener.
 */

import { readdirSync, readlinkSync } from "node:fs";
import { test as nodeTest, type TestContext } from "node:test";
import { run, spawn, spawnAsync } from "brood";
import { takeStock } from "./leaks.js";

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return "";
  }
}

const pidfds = (): number => readdirSync("/proc/self/fd").filter((fd) => linkOf(fd).includes("pidfd")).length;

/** What brood and Node create once, on first use, is no leak. What else lasts is to be made after this. */
export const warm = (async () => {
  await run("true");
  const before = pidfds();
  const child = spawn("true");
  await child.wait({ stopped: true, exited: true });
  await child.closed;
  // The thread that watched for stops ends, and closes its pidfd, a little later than the child.
  while (pidfds() > before) await new Promise(setImmediate);
  // The spawn host of this environment stays, with its pidfd and its socket.
  await (await spawnAsync("true")).closed;
  return process.stdout.isTTY;
})();

export function test(name: string, body: (context: TestContext) => unknown): void {
  void nodeTest(name, { timeout: 60_000 }, async (context) => {
    await warm;
    const compare = takeStock();
    await body(context);
    await compare();
  });
}
