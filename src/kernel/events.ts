/**
 * Event records of the monitor, and how they become states of a child. waitid(2), getrusage(2).
 */

import type { ChildState, ExitState, LiveState, Usage } from "../states.js";
import { signalName } from "./signals.js";

/** Field numbers of an event record: `enum monitor_field` of native/monitor.h. */
export const FIELD = {
  index: 0,
  type: 1,
  code: 2,
  status: 3,
  uid: 4,
  usage: 5,
  utime: 6,
  stime: 7,
  maxrss: 8,
  minflt: 9,
  majflt: 10,
  inblock: 11,
  oublock: 12,
  nvcsw: 13,
  nivcsw: 14,
  group: 15,
} as const;
export const FIELDS_PER_EVENT = 16;
export const EVENTS_PER_BATCH = 256;
export const EVENT = { child: 1, state: 2, pipe: 3, host: 4, captured: 5 } as const;
/** What is left of a group that a child led (none: it led none): `enum group_left`. */
export const GROUP = { gone: 0, left: 1, lost: 2, none: 3 } as const;

/** si_code of a SIGCHLD, from the kernel's siginfo.h. */
export const CLD = { exited: 1, killed: 2, dumped: 3, trapped: 4, stopped: 5, continued: 6 } as const;
/** `enum unknown_cause` of native/monitor.h. */
const CAUSES = { 1: "stolen", 2: "ignored", 3: "foreign", 4: "foreign", 5: "keeper" } as const;
const UNREAPED = 3;
const UNKNOWN_KEEPER = 5;

/** Writes the end of a child whose keeper is gone. */
export function unknownByKeeper(index: number): Float64Array {
  const event = new Float64Array(FIELDS_PER_EVENT);
  event[FIELD.index] = index;
  event[FIELD.type] = EVENT.child;
  event[FIELD.status] = UNKNOWN_KEEPER;
  event[FIELD.uid] = -1;
  return event;
}

/** Reads the end of a child from an event record. */
export function decodeExit(events: Float64Array, base: number, pid: number): ExitState {
  const code = events[base + FIELD.code] as number;
  const status = events[base + FIELD.status] as number;
  const uid = uidOf(events, base);
  const usage = events[base + FIELD.usage] === 1 ? decodeUsage(events, base) : null;
  switch (code) {
    case CLD.exited:
      return { kind: "exited", code: status, pid, uid, usage };
    case CLD.killed:
    case CLD.dumped:
      return { kind: "killed", signal: signalName(status), coreDumped: code === CLD.dumped, pid, uid, usage };
    default:
      return { kind: "unknown", cause: CAUSES[status as keyof typeof CAUSES] ?? "stolen", pid, uid, usage };
  }
}

/** Whether an end is unknown only until the process is reaped by its parent. */
export function awaitsReaping(events: Float64Array, base: number): boolean {
  return events[base + FIELD.code] === 0 && events[base + FIELD.status] === UNREAPED;
}

function uidOf(events: Float64Array, base: number): number | null {
  const uid = events[base + FIELD.uid] as number;
  return uid < 0 ? null : uid;
}

function decodeUsage(events: Float64Array, base: number): Usage {
  const maxrss = events[base + FIELD.maxrss] as number;
  return {
    userCPU: events[base + FIELD.utime] as number,
    systemCPU: events[base + FIELD.stime] as number,
    maxRSS: maxrss < 0 ? null : maxrss * 1024,
    minorFaults: events[base + FIELD.minflt] as number,
    majorFaults: events[base + FIELD.majflt] as number,
    blockInput: events[base + FIELD.inblock] as number,
    blockOutput: events[base + FIELD.oublock] as number,
    voluntarySwitches: events[base + FIELD.nvcsw] as number,
    involuntarySwitches: events[base + FIELD.nivcsw] as number,
  };
}

/** Reads a stop or continue of a child from an event record. */
export function decodeLive(events: Float64Array, base: number, pid: number): LiveState {
  const status = events[base + FIELD.status] as number;
  const whose = { pid, uid: uidOf(events, base) };
  switch (events[base + FIELD.code]) {
    case CLD.continued:
      return { kind: "continued", ...whose };
    case CLD.trapped:
      // The upper bits tell which ptrace event it is; the signal is the lower byte.
      return { kind: "trapped", signal: signalName(status & 0x7f), ...whose };
    default:
      return { kind: "stopped", signal: signalName(status), ...whose };
  }
}

const WHY_UNKNOWN = {
  stolen: "another waiter took it",
  ignored: "SIGCHLD is ignored",
  foreign: "it is not our child",
  lost: "the host that is its parent has ended",
  unwatched: "the watch failed",
  keeper: "its keeper was killed",
} as const;

/** Puts a state into words: "exited with code 3", "was killed by SIGSEGV (core dumped)". */
export function describeState(state: ChildState): string {
  switch (state.kind) {
    case "exited":
      return `exited with code ${state.code}`;
    case "killed":
      return `was killed by ${state.signal}${state.coreDumped ? " (core dumped)" : ""}`;
    case "unknown":
      return `ended, its status is unknown (${WHY_UNKNOWN[state.cause]})`;
    case "continued":
      return "continued";
    default:
      return `${state.kind} by ${state.signal}`;
  }
}
