/** What a child by spawnAsync takes over from us as it is at the call: read of /proc/self/status, whose fd is kept. */

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnAsync } from "brood";
import { runNode } from "../helpers/node.js";
import { self } from "../helpers/self.js";
import { test } from "../helpers/test.js";

const SIGUSR2 = 12;

async function told(): Promise<{ mask: string; ignored: bigint }> {
  const child = await spawnAsync("sh", ["-c", "umask; sed -n 's/^SigIgn:.//p' /proc/$$/status"], { stdin: "ignore" });
  const [mask = "", set = ""] = (await child.stdout.text()).split("\n");
  await child.closed;
  return { mask, ignored: BigInt(`0x${set}`) };
}

const ignores = (set: bigint, signal: number): boolean => ((set >> BigInt(signal - 1)) & 1n) === 1n;

test("umask and ignored signals are those of the call", async () => {
  const before = process.umask(0o027);
  try {
    assert.equal((await told()).mask, "0027");
    process.umask(0o035);
    self.ignoreSignal(SIGUSR2, 1);
    const { mask, ignored } = await told();
    assert.equal(mask, "0035");
    assert.ok(ignores(ignored, SIGUSR2));
    self.ignoreSignal(SIGUSR2, 0);
    assert.ok(!ignores((await told()).ignored, SIGUSR2));
  } finally {
    self.ignoreSignal(SIGUSR2, 0);
    process.umask(before);
  }
});

test("somebody who has closed that fd, and opened another file by its number, is not read", async () => {
  const { stdout, stderr } = await runNode(`
    import { closeSync, openSync, readdirSync, readlinkSync } from "node:fs";
    const mask = async () => (await (await brood.spawnAsync("sh", ["-c", "umask"])).stdout.text()).trim();
    const target = (fd) => { try { return readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
    const kept = () => readdirSync("/proc/self/fd").filter((fd) => target(fd) === "/proc/" + process.pid + "/status").map(Number);
    process.umask(0o027);
    const masks = [await mask()];
    const before = kept();
    for (const path of ["/proc/1/status", "/dev/zero"]) {
      const [fd] = kept();
      closeSync(fd);
      // The lowest number that is free is taken.
      while (openSync(path, "r") !== fd);
      masks.push(await mask());
    }
    console.log(JSON.stringify({ masks, kept: [before.length, kept().length] }));`);
  assert.equal(stderr, "");
  assert.deepEqual(JSON.parse(stdout), { masks: ["0027", "0027", "0027"], kept: [1, 1] });
});

test("without /proc it is asked the other way", async () => {
  const root = mkdtempSync(join(tmpdir(), "brood-"));
  try {
    // In a mount namespace of its own, in which /proc is another folder. The child tells it by itself, without /proc.
    const { stdout, stderr } = await runNode(
      `process.umask(0o031);
       console.log((await (await brood.spawnAsync("sh", ["-c", "umask"])).stdout.text()).trim());`,
      {
        wrapper: ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /proc && exec "$@"', root],
        // A sanitizer needs /proc.
        env: { LD_PRELOAD: undefined, BROOD_NATIVE_PATH: undefined },
      },
    );
    assert.equal(stderr, "");
    assert.equal(stdout, "0031\n");
  } finally {
    rmSync(root, { recursive: true });
  }
});
