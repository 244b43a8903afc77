/**
 * The host of this environment that `spawnAsync` uses: started on first use, replaced when our user has changed, let go with
 * the environment. It does not hold the event loop. What a child starts from is as near to our own as with `spawn`:
 * directory, umask and ignored signals are taken over at each request; the rest is as it was when the host was started.
 */

import type { SignalSet } from "../kernel/signals.js";
import { ownStatus } from "../launch/facts.js";
import type { Callers } from "../program/compile.js";
import { SpawnHost } from "./spawn-host.js";

interface Default {
  identity: Identity;
  host: SpawnHost;
  /** What is ours at the moment. */
  callers: () => Callers;
}

let current: Default | undefined;

/** Gives this environment's own host. */
export function defaultHost(): Default {
  const identity = identityNow();
  if (current === undefined || !same(current.identity, identity)) {
    current?.host.retire();
    current = start(identity);
  }
  return current;
}

function start(identity: Identity): Default {
  // The host inherits them, when it starts.
  let atStart: SignalSet | undefined;
  const callers = (): Callers => {
    const { umask, ignored } = ownStatus();
    atStart ??= ignored;
    const asThen = ignored[0] === atStart[0] && ignored[1] === atStart[1];
    return { umask, ignored: asThen ? undefined : ignored };
  };
  const plan = { options: {}, relay: false, elsewhere: () => ({ callers: callers() }) };
  return { identity, callers, host: new SpawnHost(plan) };
}

/** Our groups, then four ids. */
type Identity = readonly (number | undefined)[];

function identityNow(): Identity {
  const identity: (number | undefined)[] = process.getgroups?.() ?? [];
  identity.push(process.getuid?.(), process.geteuid?.(), process.getgid?.(), process.getegid?.());
  return identity;
}

/** Number by number: this is asked at each spawn, and to make text of it takes longer than to ask. */
function same(a: Identity, b: Identity): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}
