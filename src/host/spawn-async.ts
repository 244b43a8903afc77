/**
 * spawnAsync: spawn that never blocks, and that can run code between clone and exec.
 */

import { SpawnError } from "../errors.js";
import { onAbort } from "../kernel/abort.js";
import type { Child } from "../process/child.js";
import { DRAIN_TO_THE_END, readArguments, type SpawnOptions } from "../process/options.js";
import { PIPES, type Prepared, prepare, unlessAborted } from "../process/spawn.js";
import type { PathLike, TextLike } from "../program/options.js";
import { defaultHost } from "./default-host.js";
import type { Embryo } from "./embryo.js";
import { readPreexec, SPAWN_ASYNC_OPTION_NAMES, type SpawnAsyncOptions } from "./options.js";

/**
 * Starts a child process without blocking the event loop, whatever the size of this process and wherever the executable
 * lies. Takes what `spawn` takes, and `preexec`; gives the same Child.
 *
 * It goes through a spawn host that is started on first use, so that a child begins with our user, directory and umask
 * as they are now, and with our limits, nice value and namespaces as they were then.
 *
 * @throws SpawnError, as `spawn`; with stage "host" if that host ended meanwhile (the next call starts a new one); with
 * stage "preexec" if `preexec` threw. TypeError, RangeError, AbortError, UnsupportedError as `spawn`. Always by rejection.
 */
export function spawnAsync<const Options extends SpawnAsyncOptions = object>(
  file: PathLike,
  options?: Options & SpawnAsyncOptions,
): Promise<Child<Options>>;
export function spawnAsync<const Options extends SpawnAsyncOptions = object>(
  file: PathLike,
  args: readonly TextLike[] | undefined,
  options?: Options & SpawnAsyncOptions,
): Promise<Child<Options>>;
export async function spawnAsync(file: PathLike, args?: unknown, options?: unknown): Promise<Child<SpawnOptions>> {
  const call = readArguments<SpawnAsyncOptions>(args, options, SPAWN_ASYNC_OPTION_NAMES);
  const { preexec, ms, rest } = readPreexec(call.options);
  const prepared = prepare(file, call.args, rest, PIPES, DRAIN_TO_THE_END);
  if (preexec === undefined) return defaultHost().host.launch(prepared);
  return withPreexec(prepared, preexec, ms);
}

async function withPreexec(prepared: Prepared, preexec: (embryo: Embryo) => unknown, ms: number): Promise<Child<SpawnOptions>> {
  const { file } = prepared.planned.plan;
  const name = typeof file === "string" ? file : Buffer.from(file).toString();
  const { host, callers } = defaultHost();
  const elsewhere = { callers: callers() };
  const { embryo, planned } = await host.createFor(prepared);
  try {
    const finish = await embryo.setUp(prepared, planned, elsewhere);
    // From here on the signal is listened to.
    prepared.checkAborted();
    await inTime(preexec, embryo, ms, prepared.life.signal).catch((error) => {
      const why = error instanceof Error ? error.message : String(error);
      const message = `cannot spawn ${JSON.stringify(name)}: preexec failed: ${why} (ERR_PREEXEC at preexec)`;
      throw new SpawnError(message, "ERR_PREEXEC", { stage: "preexec", errno: 0, file: name }, { cause: error });
    });
    return await unlessAborted(prepared, await finish());
  } catch (error) {
    await embryo.abandon();
    prepared.checkAborted();
    throw error;
  }
}

/** Waits for the callback, for so long. */
async function inTime(preexec: (embryo: Embryo) => unknown, embryo: Embryo, ms: number, signal?: AbortSignal): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  let unlisten: (() => void) | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it has not come to an end in ${ms} ms (preexecTimeout)`)), ms);
    if (signal !== undefined) unlisten = onAbort(signal, () => reject(signal.reason));
  });
  try {
    await Promise.race([preexec(embryo), late]);
  } finally {
    clearTimeout(timer);
    unlisten?.();
  }
}
