/**
 * Signals by name and number. signal(7). Names are the kernel's; real-time signals are SIGRTMIN+n.
 */

import { constants } from "node:os";
import { wrongType, wrongValue } from "../errors.js";

/** A signal: a name ("SIGTERM", "SIGRTMIN+3") or a number from 1 to 64. */
export type Signal = NodeJS.Signals | `SIGRTMIN+${number}` | "SIGRTMIN" | "SIGRTMAX" | (string & {}) | number;

/** libc keeps the first two real-time signals of the kernel for itself. */
const SIGRTMIN = 34;
const SIGRTMAX = 64;

const aliases = new Set(["SIGIOT", "SIGPOLL", "SIGUNUSED", "SIGCLD"]);

interface Table {
  numbers: Map<string, number>;
  names: Map<number, string>;
}

/** Made when it is first needed: see docs/decisions/0024-loaded-when-used.md. */
let known: Table | undefined;

function table(): Table {
  if (known !== undefined) return known;
  const numbers = new Map<string, number>(Object.entries(constants.signals));
  numbers.set("SIGRTMIN", SIGRTMIN).set("SIGRTMAX", SIGRTMAX).set("SIGSTKFLT", 16).set("SIGCLD", 17);
  const names = new Map<number, string>();
  for (const [name, number] of numbers) if (!aliases.has(name)) names.set(number, name);
  known = { numbers, names };
  return known;
}

/** The two signals that libc keeps for its threads. They have no name of their own, and end a process like all others. */
const libcs = new Map([32, 33].map((number) => [`SIG${number}`, number]));

/** Gives the name of a signal number; "SIG" and the number for one without a name. */
export function signalName(number: number): string {
  const name = table().names.get(number);
  if (name !== undefined) return name;
  return number > SIGRTMIN && number < SIGRTMAX ? `SIGRTMIN+${number - SIGRTMIN}` : `SIG${number}`;
}

/** Gives the names of all signals that have one. */
export function signalNames(): string[] {
  return [...table().names.values()];
}

/**
 * Gives the number of a signal. `least` 0 admits the null signal, which only probes.
 *
 * @throws TypeError ERR_UNKNOWN_SIGNAL for an unknown name or number, ERR_INVALID_ARG_TYPE otherwise.
 */
export function signalNumber(signal: unknown, what = "signal", least = 1): number {
  if (typeof signal === "number") {
    if (Number.isInteger(signal) && signal >= least && signal <= 64) return signal;
    throw wrongValue(what, signal, `must be a signal number from ${least} to 64`, "ERR_UNKNOWN_SIGNAL");
  }
  if (typeof signal !== "string") throw wrongType(what, "the name or number of a signal", signal);
  const { numbers } = table();
  const number = numbers.get(signal) ?? realTime(signal);
  if (number === undefined) {
    const likely = numbers.has(`SIG${signal.toUpperCase()}`) ? `SIG${signal.toUpperCase()}` : signal.toUpperCase();
    const hint = numbers.has(likely) ? `, did you mean "${likely}"?` : "";
    throw wrongValue(what, signal, `must be a signal of this system${hint}`, "ERR_UNKNOWN_SIGNAL");
  }
  return number;
}

function realTime(name: string): number | undefined {
  if (libcs.has(name)) return libcs.get(name);
  const match = /^SIGRT(?:MIN\+|MAX-)(\d{1,2})$/.exec(name);
  if (match === null) return undefined;
  const offset = Number(match[1]);
  const number = name.startsWith("SIGRTMIN") ? SIGRTMIN + offset : SIGRTMAX - offset;
  return number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}

/** A set of signals as the kernel's 64 bits: [low word, high word]. */
export type SignalSet = [low: number, high: number];

export function signalSet(signals: Iterable<number>): SignalSet {
  const set: SignalSet = [0, 0];
  for (const signal of signals) {
    const bit = signal - 1;
    if (bit < 32) set[0] = (set[0] | (1 << bit)) >>> 0;
    else set[1] = (set[1] | (1 << (bit - 32))) >>> 0;
  }
  return set;
}
