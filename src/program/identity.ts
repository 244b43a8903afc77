/**
 * Who the child runs as: user, group, supplementary groups. credentials(7)
 */

import { conflict, wrongType, wrongValue } from "../errors.js";
import type { Facts, ProgramOptions } from "./options.js";
import { checkArray, checkInteger, checkText, UINT_MAX } from "./validate.js";

export interface Identity {
  uid: number | undefined;
  gid: number | undefined;
  groups: number[] | undefined;
  /** Our effective user id, where the change needs the privilege that only our real one, 0, has. */
  effectiveUid?: number;
}

/** -1 means "unchanged" to the kernel, so it is no id. */
const MOST = UINT_MAX - 1;

export function planIdentity(options: ProgramOptions, facts: Facts): Identity {
  let uid = options.uid === undefined ? undefined : checkInteger(options.uid, "options.uid", 0, MOST);
  let gid = options.gid === undefined ? undefined : checkInteger(options.gid, "options.gid", 0, MOST);
  let groups =
    options.groups === undefined
      ? undefined
      : checkArray(options.groups, "options.groups").map((group, i) => checkInteger(group, `options.groups[${i}]`, 0, MOST));
  let account: number[] | undefined;
  if (options.user !== undefined) {
    if (uid !== undefined) throw conflict("options.user and options.uid exclude each other");
    if (typeof options.user !== "string") throw wrongType("options.user", "the name of an account", options.user);
    checkText(options.user, "options.user");
    account = facts.account(options.user);
    if (account === undefined) throw wrongValue("options.user", options.user, "must be an account of this system");
    uid = account[0];
  } else if (uid !== undefined && (gid === undefined || groups === undefined)) {
    account = facts.account(uid);
    if (account === undefined && gid === undefined) {
      throw wrongValue("options.gid", gid, `is needed: uid ${uid} has no account to take it from`);
    }
  }
  if (uid !== undefined) {
    gid ??= account?.[1];
    groups ??= account?.slice(2) ?? [];
  }
  const effectiveUid =
    uid === undefined && gid === undefined && groups === undefined ? undefined : facts.unprivilegedEffectiveUid();
  return { uid, gid, groups, ...(effectiveUid === undefined ? {} : { effectiveUid }) };
}
