/**
 * The order in which a protocol is told, as one state machine: whatever happens, and however early, its callbacks come
 * in an order that it can rely on. Pure: it holds no fd and knows no process. docs/protocol.md shows it; a test
 * compares, and drives every interleaving through it.
 *
 *   connecting  connectionMade has not been called: what happens is kept, in order
 *   open        the child lives, and has pipes
 *   exited      it has been reaped, and has pipes
 *   lost        it lives, all its pipes are lost
 *   ended       both: all has been told
 */

export const ORDER_STATES = ["connecting", "open", "exited", "lost", "ended"] as const;
export type OrderState = (typeof ORDER_STATES)[number];

/**
 *   made      it is time for connectionMade
 *   data      bytes of a pipe that is not lost
 *   pipeLost  one of several pipes is lost
 *   lastLost  the last pipe is lost; after `made`: there is none
 *   exit      the child has been reaped
 */
export const ORDER_EVENTS = ["made", "data", "pipeLost", "lastLost", "exit"] as const;
export type OrderEvent = (typeof ORDER_EVENTS)[number];

/**
 *   keep    for after connectionMade
 *   tell    call what belongs to the event
 *   finish  the same, then connectionLost and processEnded
 */
export type OrderAction = "keep" | "tell" | "finish";

interface Transition {
  to: OrderState;
  action?: OrderAction;
}

/** It can't happen here, or comes too late to matter. */
const stay = (to: OrderState): Transition => ({ to });
const keep: Transition = { to: "connecting", action: "keep" };

/** Every event in every state. The type makes it complete. */
export const ORDER: Record<OrderState, Record<OrderEvent, Transition>> = {
  connecting: { made: { to: "open", action: "tell" }, data: keep, pipeLost: keep, lastLost: keep, exit: keep },
  open: {
    made: stay("open"),
    data: { to: "open", action: "tell" },
    pipeLost: { to: "open", action: "tell" },
    lastLost: { to: "lost", action: "tell" },
    exit: { to: "exited", action: "tell" },
  },
  exited: {
    made: stay("exited"),
    data: { to: "exited", action: "tell" },
    pipeLost: { to: "exited", action: "tell" },
    lastLost: { to: "ended", action: "finish" },
    exit: stay("exited"),
  },
  lost: {
    made: stay("lost"),
    data: stay("lost"),
    pipeLost: stay("lost"),
    lastLost: stay("lost"),
    exit: { to: "ended", action: "finish" },
  },
  ended: {
    made: stay("ended"),
    data: stay("ended"),
    pipeLost: stay("ended"),
    lastLost: stay("ended"),
    exit: stay("ended"),
  },
};

/** Who is told. */
export interface Listener {
  made(): void;
  data(fd: number, bytes: Buffer): void;
  lost(fd: number): void;
  exited(): void;
  /** Nothing comes after it. */
  ended(): void;
}

/** Something that happened. `close`: our ends of all pipes are closed. */
export type Happening =
  | { what: "made" }
  | { what: "data"; fd: number; bytes: Buffer }
  | { what: "lost"; fd: number }
  | { what: "exit" }
  | { what: "close" };

const EVENT_OF: Record<Happening["what"], OrderEvent> = {
  made: "made",
  data: "data",
  lost: "pipeLost",
  exit: "exit",
  close: "pipeLost",
};

/** The order of one child's events. */
export class EventOrder {
  readonly #open: Set<number>;
  readonly #listener: Listener;
  readonly #kept: Happening[] = [];
  #state: OrderState = "connecting";

  /** `fds` are those of the child that have a pipe. */
  constructor(fds: Iterable<number>, listener: Listener) {
    this.#open = new Set(fds);
    this.#listener = listener;
  }

  get state(): OrderState {
    return this.#state;
  }

  /** The fds whose loss has not been told. */
  get open(): ReadonlySet<number> {
    return this.#open;
  }

  /** Tells what is due. The listener must not throw, nor call this. */
  happened(happening: Happening): void {
    if (ORDER[this.#state][EVENT_OF[happening.what]].action === "keep") {
      this.#kept.push(happening);
      return;
    }
    switch (happening.what) {
      case "made":
        this.#made();
        break;
      case "data":
        if (this.#open.has(happening.fd)) this.#step("data", () => this.#listener.data(happening.fd, happening.bytes));
        break;
      case "lost":
        this.#lose(happening.fd);
        break;
      case "exit":
        this.#step("exit", () => this.#listener.exited());
        break;
      case "close":
        for (const fd of [...this.#open]) this.#lose(fd);
        break;
    }
  }

  #made(): void {
    if (this.#state !== "connecting") return;
    this.#step("made", () => this.#listener.made());
    if (this.#open.size === 0) this.#step("lastLost", () => {});
    for (const happening of this.#kept.splice(0)) this.happened(happening);
  }

  #lose(fd: number): void {
    if (!this.#open.delete(fd)) return;
    this.#step(this.#open.size === 0 ? "lastLost" : "pipeLost", () => this.#listener.lost(fd));
  }

  #step(event: OrderEvent, tell: () => void): void {
    const { to, action } = ORDER[this.#state][event];
    this.#state = to;
    if (action === "tell" || action === "finish") tell();
    if (action === "finish") this.#listener.ended();
  }
}
