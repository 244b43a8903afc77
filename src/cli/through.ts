/**
 * Output that passes through brood, where brood has to see it (`--idle-timeout`): the command writes to pipes, and
 * what comes is written on.
 */

import type { Writable } from "node:stream";
import type { Child } from "../process/child.js";
import type { SpawnOptions } from "../process/options.js";

/** The options of a command whose output passes through: what the flags send elsewhere goes there. */
export function throughOptions({ idleTimeout, drain }: SpawnOptions): SpawnOptions {
  if (idleTimeout === undefined || idleTimeout === 0) return { stdout: "inherit", stderr: "inherit" };
  // As for run(): a background process that is silent does not keep brood.
  return { stdout: "pipe", stderr: "pipe", drain: drain ?? { idle: 2000 } };
}

/** Writes on what the command writes, no faster than it is taken. */
export function passThrough(child: Child): void {
  for (const name of ["stdout", "stderr"] as const) {
    const from = child[name];
    // Ours is opened only where it is needed: on a terminal that has hung up by now that throws.
    if (from === null) continue;
    const to: Writable = process[name];
    // Nobody takes it any more: the command learns that as if it had written there itself.
    to.on("error", () => from.destroy());
    from.pipe(to, { end: false });
  }
}
