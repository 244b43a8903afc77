/**
 * How integration tests start children: one place, so that each way of launching runs all of them.
 */

import { type Child, type SpawnOptions, spawn, spawnAsync } from "brood";

type Args = readonly (string | Uint8Array)[];

/** Starts a child by the launcher under test. Failures are those of `spawn`. */
export async function launch<const Options extends SpawnOptions = Record<never, never>>(
  file: string,
  args: Args = [],
  options?: Options,
): Promise<Child<Options>> {
  return process.env["LAUNCH_THROUGH"] === "host" ? spawnAsync(file, args, options) : spawn(file, args, options);
}
