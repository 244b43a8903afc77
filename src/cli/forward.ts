/**
 * Signals that brood gets and the command is to have. What a terminal sends it sends to a whole process group:
 * where the command is in ours it has got that by itself, and must not get it twice.
 */

import { takeSender, traceSender } from "../kernel/signal-sender.js";
import { leadsSession } from "../kernel/terminal.js";
import type { Child } from "../process/child.js";
import { complain } from "./messages.js";
import type { Placement } from "./placement.js";
import type { Terminal } from "./terminal.js";

/** Those that would end brood itself. */
const ENDING: readonly string[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];
const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"] as const;
type Forwarded = (typeof FORWARDED)[number];

export interface Forwarding {
  placement: Placement;
  terminal: Terminal | undefined;
  /** A second SIGINT ends the command. */
  interruptTwice: boolean;
  command(): Child | undefined;
  /** Ends the wait for who outlives the command. */
  giveUp(): void;
}

/** Passes signals on from now on. Gives the function that ends it. */
export function forward(forwarding: Forwarding): () => void {
  let interrupts = 0;
  const handlers = FORWARDED.map((signal) => {
    const handler = (): void => {
      const has = hasItAlready(signal, forwarding);
      const command = forwarding.command();
      if (command === undefined) return;
      const again = signal === "SIGINT" && forwarding.interruptTwice && ++interrupts >= 2;
      if (again) void command.terminate();
      const reached = again || has || send(signal, command, forwarding.placement);
      // It has ended, and brood waits for others, who hold its pipes or are contained with it: that is over now.
      if (ENDING.includes(signal) && (!reached || command.exit !== null)) forwarding.giveUp();
    };
    process.on(signal, handler);
    traceSender(signal);
    return [signal, handler] as const;
  });
  return () => {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  };
}

function hasItAlready(signal: Forwarded, { placement, terminal }: Forwarding): boolean {
  const sender = takeSender(signal);
  if (placement !== "shared") return false;
  // When the terminal hangs up the kernel tells the session's leader alone; the shell then tells each job's group.
  if (signal === "SIGHUP") return !leadsSession() && (sender === "kernel" || terminal?.hasHungUp === true);
  return sender === "kernel";
}

/** Gives whether it is there to be reached. */
function send(signal: Forwarded, command: Child, placement: Placement): boolean {
  try {
    // The shell, or the terminal, would have reached the whole job.
    return placement === "own" ? command.killGroup(signal) : command.kill(signal);
  } catch (error) {
    // It changed its user: not ours to signal any more.
    complain(`brood: ${error instanceof Error ? error.message : error}`);
    return true;
  }
}
