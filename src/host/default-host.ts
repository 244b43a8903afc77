/**
 * The host of this environment that `spawnAsync` uses: started on first use, replaced when our user has changed, let go with
 * the environment. It does not hold the event loop. What a child starts from is as near to our own as with `spawn`:
 * directory, umask and ignored signals are taken over at each request; the rest is as it was when the host was started.
 */

import type { SignalSet } from "../kernel/signals.js";
import { ignoredSignals } from "../launch/facts.js";
import type { Callers } from "../program/compile.js";
import { SpawnHost } from "./spawn-host.js";

interface Default {
  identity: string;
  host: SpawnHost;
  /** What is ours at the moment. */
  callers: () => Callers;
}

let current: Default | undefined;

/** Gives this environment's own host. */
export function defaultHost(): Default {
  const identity = identityNow();
  if (current?.identity !== identity) {
    current?.host[Symbol.dispose]();
    current = start(identity);
  }
  return current;
}

function start(identity: string): Default {
  // The host inherits them, when it starts.
  let atStart: SignalSet | undefined;
  const callers = (): Callers => {
    const now = ignoredSignals();
    atStart ??= now;
    const same = now[0] === atStart[0] && now[1] === atStart[1];
    return { umask: process.umask(), ignored: same ? undefined : now };
  };
  const plan = { options: {}, relay: false, elsewhere: () => ({ callers: callers() }) };
  return { identity, callers, host: new SpawnHost(plan) };
}

function identityNow(): string {
  return `${process.getuid?.()},${process.geteuid?.()},${process.getgid?.()},${process.getegid?.()},${process.getgroups?.()}`;
}
