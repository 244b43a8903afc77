/**
 * Who sent a signal. For signals that have a JavaScript handler, in the main thread.
 */

import { addon } from "../native/addon.js";
import { signalNumber } from "./signals.js";

/** `enum signal_sender` of native/signal_sender.h. */
const SENDERS = ["unknown", "kernel", "process"] as const;

/** The kernel: a terminal, which tells a whole process group. Or a process. */
export type Sender = (typeof SENDERS)[number];

/** Has a signal's senders counted. After its handler was set, and again each time that was done. */
export function traceSender(signal: string): void {
  addon().traceSignal(signalNumber(signal));
}

/** Gives the sender of a signal that its handler is called for. */
export function takeSender(signal: string): Sender {
  return SENDERS[addon().takeSender(signalNumber(signal))] ?? "unknown";
}
