/**
 * The life of a child as one state machine: what may happen, and what is done then. Whatever asks for a
 * child's end (`terminate()`, `timeout`, `idleTimeout`, `signal`, the end of its scope) goes through it, so
 * that all have the same bounds. docs/ending.md shows it; a test compares.
 *
 *   running      it lives, and nobody wants otherwise
 *   terminating  the polite signal has been sent, the grace period runs
 *   killing      SIGKILL has been sent, to everything that is contained with it
 *   outlived     it has been reaped; of what is contained something lives on, and has time to end by itself
 *   clearing     what it has left behind has been sent the polite signal, the grace period runs
 *   emptying     what it has left behind has been sent SIGKILL
 *   draining     it has been reaped; others may still hold its pipes, and what they write is read
 *   cutting      our ends of pipes that are held are being closed
 *   closed       every pipe of ours is at its end, or closed
 */

export const LIFE_STATES = [
  "running",
  "terminating",
  "killing",
  "outlived",
  "clearing",
  "emptying",
  "draining",
  "cutting",
  "closed",
] as const;
export type LifeState = (typeof LIFE_STATES)[number];

/**
 *   asked      somebody wants its end
 *   graceOver  the grace period is over, or the time of those that have outlived it
 *   exited     it has been reaped, and nothing that is contained with it lives
 *   left       it has been reaped, and something that is contained with it lives
 *   cleared    nothing that is contained lives any more, or nothing that can be ended
 *   drainOver  the pipes have been held for longer than `drain` allows
 *   ended      the last pipe of ours is at its end
 */
export const LIFE_EVENTS = ["asked", "graceOver", "exited", "left", "cleared", "drainOver", "ended"] as const;
export type LifeEvent = (typeof LIFE_EVENTS)[number];

/**
 *   signal  send the polite signal, start the grace period
 *   kill    send SIGKILL, to everything that is contained with it
 *   outlive start the time of those that have outlived it
 *   clear   send them the polite signal, start what is left of the grace period
 *   drain   read on, start the clocks of `drain`
 *   cut     close what is held: what has arrived stays readable, then comes the error of the cause
 *   giveUp  the same by `drain.then`
 *   close   settle `closed`
 */
export type LifeAction = "signal" | "kill" | "outlive" | "clear" | "drain" | "cut" | "giveUp" | "close";

interface Transition {
  to: LifeState;
  action?: LifeAction;
}

/** Nothing changes: it can't happen here, or comes too late to matter. */
const stay = (to: LifeState): Transition => ({ to });

/** Every event in every state. The type makes it complete. */
export const LIFE: Record<LifeState, Record<LifeEvent, Transition>> = {
  running: {
    asked: { to: "terminating", action: "signal" },
    graceOver: stay("running"),
    exited: { to: "draining", action: "drain" },
    left: { to: "outlived", action: "outlive" },
    cleared: stay("running"),
    drainOver: stay("running"),
    ended: stay("running"),
  },
  terminating: {
    asked: stay("terminating"),
    graceOver: { to: "killing", action: "kill" },
    exited: { to: "cutting", action: "cut" },
    left: { to: "clearing", action: "clear" },
    cleared: stay("terminating"),
    drainOver: stay("terminating"),
    ended: stay("terminating"),
  },
  killing: {
    asked: stay("killing"),
    graceOver: stay("killing"),
    exited: { to: "cutting", action: "cut" },
    left: { to: "emptying", action: "kill" },
    cleared: stay("killing"),
    drainOver: stay("killing"),
    ended: stay("killing"),
  },
  outlived: {
    asked: { to: "clearing", action: "clear" },
    graceOver: { to: "clearing", action: "clear" },
    exited: stay("outlived"),
    left: stay("outlived"),
    cleared: { to: "draining", action: "drain" },
    drainOver: stay("outlived"),
    ended: stay("outlived"),
  },
  clearing: {
    asked: stay("clearing"),
    graceOver: { to: "emptying", action: "kill" },
    exited: stay("clearing"),
    left: stay("clearing"),
    cleared: { to: "draining", action: "drain" },
    drainOver: stay("clearing"),
    ended: stay("clearing"),
  },
  emptying: {
    asked: stay("emptying"),
    graceOver: stay("emptying"),
    exited: stay("emptying"),
    left: stay("emptying"),
    cleared: { to: "draining", action: "drain" },
    drainOver: stay("emptying"),
    ended: stay("emptying"),
  },
  draining: {
    asked: { to: "cutting", action: "cut" },
    graceOver: stay("draining"),
    exited: stay("draining"),
    left: stay("draining"),
    cleared: stay("draining"),
    drainOver: { to: "cutting", action: "giveUp" },
    ended: { to: "closed", action: "close" },
  },
  cutting: {
    asked: stay("cutting"),
    graceOver: stay("cutting"),
    exited: stay("cutting"),
    left: stay("cutting"),
    cleared: stay("cutting"),
    drainOver: stay("cutting"),
    ended: { to: "closed", action: "close" },
  },
  closed: {
    asked: stay("closed"),
    graceOver: stay("closed"),
    exited: stay("closed"),
    left: stay("closed"),
    cleared: stay("closed"),
    drainOver: stay("closed"),
    ended: stay("closed"),
  },
};
