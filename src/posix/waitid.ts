/**
 * Waiting for one child. waitid(2)
 */

import { wrongValue } from "../errors.js";
import { CLD, decodeExit, decodeLive, FIELD, FIELDS_PER_EVENT } from "../kernel/events.js";
import { addon } from "../native/addon.js";
import { checkBoolean, checkInteger, checkNames, INT_MAX } from "../program/validate.js";
import type { ChildState } from "../states.js";
import { checked } from "./fds.js";

/** Whom waitid() waits for: a child by its pid, or by a pidfd. */
export type IdType = "P_PID" | "P_PIDFD";
const ID_TYPES: Record<IdType, number> = { P_PID: 1, P_PIDFD: 3 };
/** The least id of each. */
const LEAST: Record<IdType, number> = { P_PID: 1, P_PIDFD: 0 };
const ANY_CHILD = ["P_ALL", "P_PGID"];

/** Options of `waitid`: flags of waitid(2). */
export interface WaitidOptions {
  /** The child has ended. Default true where neither of the next two is asked for. WEXITED */
  exited?: boolean | undefined;
  /** The child was stopped. WSTOPPED */
  stopped?: boolean | undefined;
  /** The child was continued. WCONTINUED */
  continued?: boolean | undefined;
  /** Returns at once, null if there is nothing. Default false: this *thread* blocks, and nothing else runs. WNOHANG */
  noHang?: boolean | undefined;
  /** Leaves the state to be waited for again: an ended child is not reaped. WNOWAIT */
  noWait?: boolean | undefined;
}

const FLAGS: Record<keyof WaitidOptions, number> = {
  noHang: 1,
  stopped: 2,
  exited: 4,
  continued: 8,
  noWait: 0x01000000,
};
const NAMES = Object.keys(FLAGS) as (keyof WaitidOptions)[];
const ENDS: readonly number[] = [CLD.exited, CLD.killed, CLD.dumped];

const record = new Float64Array(FIELDS_PER_EVENT);

/**
 * Waits for a change of one child and gives it; with `noHang` null if there is none yet. Goes on when interrupted.
 *
 * A child of `spawn()` is brood's own to reap: only look at it, with `noWait`.
 *
 * @throws Error with the errno's code (ECHILD: no such child, or somebody else has reaped it; EBADF), `errno` and
 * `syscall`. TypeError for P_ALL and P_PGID: a wait for any child takes the statuses of those that others wait for,
 * such as node:child_process and brood itself. RangeError.
 */
export function waitid(idType: IdType, id: number, options: WaitidOptions = {}): ChildState | null {
  if (ANY_CHILD.includes(idType)) {
    const why = "is refused: it would take the statuses of children that others wait for (node:child_process, brood itself)";
    throw wrongValue("idType", idType, why);
  }
  if (typeof idType !== "string" || !Object.hasOwn(ID_TYPES, idType))
    throw wrongValue("idType", idType, 'must be "P_PID" or "P_PIDFD"');
  const number = checkInteger(id, "id", LEAST[idType], INT_MAX);
  const result = addon().waitid(ID_TYPES[idType], number, readOptions(options), record);
  const pid = checked(result, "waitid");
  if (pid === 0) return null;
  return ENDS.includes(record[FIELD.code] as number) ? decodeExit(record, 0, pid) : decodeLive(record, 0, pid);
}

function readOptions(options: WaitidOptions): number {
  const given = checkNames(options, "options", NAMES) as WaitidOptions;
  for (const name of NAMES) if (given[name] !== undefined) checkBoolean(given[name], `options.${name}`);
  const asked = { ...given, exited: given.exited ?? !(given.stopped || given.continued) };
  if (!asked.exited && !asked.stopped && !asked.continued) {
    throw wrongValue("options", options, "must ask for exited, stopped or continued");
  }
  return NAMES.reduce((flags, name) => (asked[name] ? flags | FLAGS[name] : flags), 0);
}
