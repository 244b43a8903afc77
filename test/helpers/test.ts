/**
 * `test` of node:test, which also fails where anything is left behind: an fd, a child, a zombie, a listener.
 */

import { once } from "node:events";
import { readdirSync, readlinkSync } from "node:fs";
import { connect } from "node:net";
import { test as nodeTest, type TestContext } from "node:test";
import { run, spawn, spawnAsync } from "brood";
import { takeStock } from "./leaks.js";
import { describeTree, killTree } from "./process-tree.js";
import { SLOWNESS } from "./slowness.js";

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
  // With its first stream libuv opens /dev/null, to have an fd in reserve: where our stdout is a file there has been none.
  await once(connect("/nonexistent/socket"), "error");
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

const PATIENCE_MS = 60_000 * SLOWNESS;
const AFTERWARDS_MS = 5_000;

let left = 0;
let failed = false;

/** Rejects when a test takes too long: what hangs is told, and its processes end, so that the file can. */
function patience(): { over: Promise<never>; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const resources = process.getActiveResourcesInfo().join(" ");
      const told = `still running after ${PATIENCE_MS / 1000} s, with ${resources}\n${describeTree(process.pid)}`;
      killTree(process.pid);
      reject(new Error(told));
    }, PATIENCE_MS);
  });
  return { over, stop: () => clearTimeout(timer) };
}

export function test(name: string, body: (context: TestContext) => unknown): void {
  left++;
  void nodeTest(name, async (context) => {
    await warm;
    const compare = takeStock();
    const { over, stop } = patience();
    try {
      await Promise.race([body(context), over]);
      await compare();
    } catch (error) {
      failed = true;
      throw error;
    } finally {
      stop();
      left--;
      // What a failure has left behind must not keep the file, and with it the whole run, from its end.
      if (failed && left === 0) setTimeout(end, AFTERWARDS_MS).unref();
    }
  });
}

function end(): void {
  killTree(process.pid);
  process.exit(1);
}
