/** prctl(2): what may be set and asked in an embryo by name. */

import { outOfRange, wrongValue } from "../errors.js";

/** The numbers are the kernel's. */
const PRCTL = {
  PR_SET_PDEATHSIG: 1,
  PR_GET_PDEATHSIG: 2,
  PR_GET_DUMPABLE: 3,
  PR_SET_DUMPABLE: 4,
  PR_GET_KEEPCAPS: 7,
  PR_SET_KEEPCAPS: 8,
  PR_GET_SECCOMP: 21,
  PR_CAPBSET_READ: 23,
  PR_CAPBSET_DROP: 24,
  PR_GET_SECUREBITS: 27,
  PR_SET_SECUREBITS: 28,
  PR_SET_TIMERSLACK: 29,
  PR_GET_TIMERSLACK: 30,
  PR_SET_CHILD_SUBREAPER: 36,
  PR_SET_NO_NEW_PRIVS: 38,
  PR_GET_NO_NEW_PRIVS: 39,
  PR_SET_THP_DISABLE: 41,
  PR_GET_THP_DISABLE: 42,
  PR_CAP_AMBIENT: 47,
} as const;

/** The name of a process attribute that `prctl` takes. */
export type PrctlName = keyof typeof PRCTL;

/** Gives the five arguments of a call, checked. */
export function prctlWords(name: PrctlName, rest: readonly (number | bigint)[]): bigint[] {
  if (!Object.hasOwn(PRCTL, name)) throw wrongValue("name", name, `must be one of ${Object.keys(PRCTL).join(", ")}`);
  if (rest.length > 4) throw outOfRange("the number of arguments of prctl", "at most 4 besides the name", rest.length);
  return [PRCTL[name], ...rest, 0, 0, 0, 0].slice(0, 5).map((value) => BigInt.asUintN(64, BigInt(value)));
}
