/**
 * Children and the signals that end us. Fatal signals are the application's; this opts in to taking the
 * children along, and changes nothing else: neither the application's own handlers nor how the process ends.
 */

import { UnsupportedError } from "../errors.js";
import { isMainThread } from "../kernel/main-thread.js";
import { addon } from "../native/addon.js";
import { endLive, endLiveElsewhere, terminateLive } from "./live-children.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type CleanupSignal = (typeof SIGNALS)[number];

let installed: { remove(): void } | undefined;
let users = 0;

/**
 * Takes the children along when SIGINT, SIGTERM or SIGHUP comes: those that are to be cleaned up (`cleanup`) are terminated,
 * also those of workers. A worker that has not come to its event loop within two seconds is not waited for: its children live
 * on if the process dies of the signal, unless they have a `parentDeathSignal`.
 *
 * Where the application has a handler of its own for the signal, that decides what happens to the process. Where it
 * has none, the process dies of the signal when the children have ended, so its status is what it would have been. A
 * second signal meanwhile kills them at once.
 *
 * @returns a function that takes it back. Safe to call any number of times; each call is taken back by itself.
 * @throws UnsupportedError in a worker, which gets no signals.
 */
export function installSignalCleanup(): () => void {
  if (!isMainThread())
    throw new UnsupportedError("signals", "installSignalCleanup works in the main thread only: workers get no signals");
  installed ??= install();
  users++;
  let mine = true;
  return () => {
    if (!mine) return;
    mine = false;
    if (--users > 0) return;
    installed?.remove();
    installed = undefined;
  };
}

function install(): { remove(): void } {
  let ending = false;
  const handler = (signal: CleanupSignal): void => {
    endLive(ending);
    const elsewhere = endLiveElsewhere(ending);
    // The application's own handlers decide what becomes of the process.
    if (ending || process.listenerCount(signal) > 1) return;
    ending = true;
    void endAll(elsewhere).then(() => {
      remove();
      process.kill(process.pid, signal);
    });
  };
  const remove = (): void => {
    for (const signal of SIGNALS) process.off(signal, handler);
  };
  for (const signal of SIGNALS) process.on(signal, handler);
  return { remove };
}

async function endAll(elsewhere: Promise<boolean>): Promise<void> {
  await terminateLive();
  // What a worker has started since it answered; not of one that does not listen.
  if (await elsewhere) await endLiveElsewhere(false);
  await terminateLive();
  addon().awaitOrphans();
}
