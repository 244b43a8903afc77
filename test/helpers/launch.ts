/**
 * How integration tests start children: one place, so that each way of launching runs all of them.
 */

import { type Child, type RunOptions, type RunResult, run, type SpawnOptions, spawn, spawnAsync } from "brood";
import { SpawnHost } from "brood/host";

type Args = readonly (string | Uint8Array)[];

const throughHost = process.env["LAUNCH_THROUGH"] === "host";

/** Starts a child by the launcher under test. Failures are those of `spawn`. */
export async function launch<const Options extends SpawnOptions = Record<never, never>>(
  file: string,
  args: Args = [],
  options?: Options,
): Promise<Child<Options>> {
  return throughHost ? spawnAsync(file, args, options) : spawn(file, args, options);
}

/** Runs a command by the launcher under test. */
export async function launchRun<const Options extends RunOptions = Record<never, never>>(
  file: string,
  args: Args,
  options: Options,
): Promise<RunResult<Options>> {
  if (!throughHost) return run(file, args, options);
  const host = await SpawnHost.start();
  try {
    return await host.run(file, args, options);
  } finally {
    await host[Symbol.asyncDispose]();
  }
}
