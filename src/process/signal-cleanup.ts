/**
 * Children and the signals that end us. Fatal signals are the application's; this opts in to taking the
 * children along, and changes nothing else: neither the application's own handlers nor how the process ends.
 */

import { UnsupportedError } from "../errors.js";
import { isMainThread } from "../kernel/main-thread.js";
import { liveChildren } from "./live-children.js";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
type CleanupSignal = (typeof SIGNALS)[number];

let installed: { remove(): void } | undefined;
let users = 0;

/**
 * Takes the children along when SIGINT, SIGTERM or SIGHUP comes: those of the main thread that are to be cleaned up
 * (`cleanup`) are terminated. A worker's children are out of reach from here, and live on if the process dies of the signal:
 * `parentDeathSignal` ends them then, or a handler of yours that ends the workers first.
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
    const children = liveChildren();
    if (ending) for (const child of children) quietly(() => child.killWithUs());
    for (const child of children) void child.terminateWithUs();
    // The application's own handlers decide what becomes of the process.
    if (ending || process.listenerCount(signal) > 1) return;
    ending = true;
    void terminateAll().then(() => {
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

/** Also those that are started meanwhile. */
async function terminateAll(): Promise<void> {
  for (let children = liveChildren(); children.length > 0; children = liveChildren())
    await Promise.all(children.map((child) => child.terminateWithUs()));
}

function quietly(run: () => void): void {
  try {
    run();
  } catch {
    // EPERM: beyond our reach.
  }
}
