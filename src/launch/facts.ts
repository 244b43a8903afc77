/**
 * What planning asks of the world: this process's fds, accounts and environment.
 */

import { readdirSync, readFileSync } from "node:fs";
import { isMainThread } from "../kernel/main-thread.js";
import type { SignalSet } from "../kernel/signals.js";
import { addon } from "../native/addon.js";
import type { Facts } from "../program/options.js";

const O_CLOEXEC = 0o2000000;

/** Gives the fds of ours, from 0 up, that a child would inherit. */
export function inheritableFds(): number[] {
  const inherited: number[] = [];
  for (const name of readdirSync("/proc/self/fdinfo")) {
    try {
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${name}`, "utf8"))?.[1];
      if (flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0) inherited.push(Number(name));
    } catch {
      // The directory's own fd, gone by now.
    }
  }
  return inherited;
}

const status = new Int32Array(3);

/** Gives our umask, and the signals that we ignore. */
export function ownStatus(): { umask: number; ignored: SignalSet } {
  addon().ownStatus(status);
  const [umask = 0, low = 0, high = 0] = status;
  return { umask, ignored: [low, high] };
}

/** Says that an account could not be looked up. The launcher makes a SpawnError of it. */
export class AccountError extends Error {
  constructor(
    readonly account: string | number,
    readonly errno: number,
  ) {
    super(`cannot look up the account ${account}`);
  }
}

const REPLACEMENT = "\ufffd";

export const facts: Facts = {
  isOpen: (fd) => addon().isOpen(fd) === 1,
  account(nameOrUid) {
    const account = addon().account(nameOrUid);
    if (Array.isArray(account)) return account;
    if (account === -1) return undefined;
    throw new AccountError(nameOrUid, account);
  },
  unprivilegedEffectiveUid() {
    const effective = process.geteuid?.();
    return effective !== 0 && process.getuid?.() === 0 ? effective : undefined;
  },
  identity: () => ({ uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }),
  path() {
    const path = process.env["PATH"];
    // Bytes that aren't UTF-8 are mangled there, and whole here.
    return path?.includes(REPLACEMENT) && isMainThread() ? rawVariable("PATH") : path;
  },
  environment: () => (isMainThread() ? undefined : process.env),
};

function rawVariable(name: string): Uint8Array | undefined {
  const block = addon().environment();
  const key = Buffer.from(`${name}=`);
  for (let at = 0; at < block.length; ) {
    const end = block.indexOf(0, at);
    if (block.subarray(at, at + key.length).equals(key)) return block.subarray(at + key.length, end);
    at = end + 1;
  }
  return undefined;
}
