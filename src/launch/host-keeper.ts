/**
 * A keeper that is a copy of a spawn host: it is asked for its commands over a socket of its own, one after the other. One of
 * whose command nothing is left is as good as a new one, and waits for the next: see host-keepers.ts.
 */

import { FIELDS_PER_EVENT } from "../kernel/events.js";
import { type Monitor, monitor, type Watcher } from "../kernel/monitor.js";
import type { Answer } from "./host-link.js";
import { HostLink } from "./host-link.js";
import type { KeeperBorrower, LaunchedKeeper, LentKeeper } from "./launcher.js";

/** `enum keeper_order` of native/keeper.h. */
const GO = "G".charCodeAt(0);

/** Where keepers wait for their next command. */
export interface KeeperHome {
  /** `common`: it is as the host is: no namespace, and no id, is its own. */
  welcome(keeper: HostKeeper, common: boolean): void;
  forget(keeper: HostKeeper): void;
}

export class HostKeeper implements Watcher, LentKeeper {
  readonly link: HostLink;
  readonly #monitor: Monitor = monitor();
  readonly #home: KeeperHome;
  readonly #socket: number;
  readonly #init: boolean;
  readonly #common: boolean;
  #index = -1;
  #pid = 0;
  #foreign = false;
  #borrower: KeeperBorrower | undefined;
  #exit: Float64Array | undefined;
  #onGone: (() => void) | undefined;
  #ended: Promise<void> | undefined;

  /** Takes over the entry of our end of its socket. */
  constructor(home: KeeperHome, socket: number, init: boolean, common: boolean) {
    this.#home = home;
    this.#socket = socket;
    this.#init = init;
    this.#common = common;
    this.link = new HostLink(socket, "copy", "the keeper", () => home.forget(this));
  }

  /** Tells it what the host has answered, in the very turn in which that came. */
  made({ rest }: Answer): void {
    const [index = -1, pid = 0, relayed = 0] = rest;
    this.#index = index;
    this.#pid = pid;
    this.#foreign = relayed === 1 || this.#init;
    this.#monitor.watch(index, this);
  }

  /** Gives what is known of it when it has its command. `peak`: the most memory that may have been in use before exec, in KiB. */
  launched(peak: number): LaunchedKeeper {
    // An init gives up its command's number, if that has ended, only now.
    if (this.#init) this.#monitor.native.keptOrder(this.#socket, GO);
    return { index: this.#index, socket: this.#socket, pid: this.#pid, peak, foreign: this.#foreign, lent: this };
  }

  borrow(borrower: KeeperBorrower): void {
    this.#borrower = borrower;
    this.link.onNotes = () => borrower.onNotes();
    // Of what has come with the answer no event will tell. Later, as always.
    setImmediate(() => {
      if (this.#borrower === borrower) borrower.onNotes();
    });
  }

  giveBack(): void {
    this.#borrower = undefined;
    this.link.onNotes = undefined;
    this.#home.welcome(this, this.#common && !this.#foreign);
  }

  /** Has it end, with all that it keeps. Settles when it has. */
  end(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    this.link.close();
    if (this.#index < 0 || this.#exit !== undefined || this.#monitor.failure !== undefined) return;
    await new Promise<void>((resolve) => {
      this.#onGone = resolve;
    });
  }

  /** Called by the monitor: it has ended. */
  onEvent(events: Float64Array, base: number): void {
    this.#exit = events.slice(base, base + FIELDS_PER_EVENT);
    if (this.#borrower !== undefined) this.#tellEnd(this.#exit);
    // Its answer may have come in this very turn: who has asked borrows it in a moment, and is to hear of its end, and before
    // that of what it has said of its command.
    else setImmediate(this.#tellEnd, this.#exit);
  }

  readonly #tellEnd = (exit: Float64Array): void => {
    this.#borrower?.onEnd(exit, 0);
    this.#borrower = undefined;
    this.link.close();
    this.#monitor.remove(this.#index);
    this.#onGone?.();
  };

  /** Called by the monitor. */
  onFailure(): void {
    this.#onGone?.();
  }
}
