/**
 * Namespaces that a child starts in, and the id maps of a user namespace. namespaces(7), user_namespaces(7)
 */

import { conflict, wrongType, wrongValue } from "../errors.js";
import type { Facts, IdRange, Namespace, ProgramOptions } from "./options.js";
import { checkArray, checkInteger, checkNames, UINT_MAX } from "./validate.js";

/** Flags of clone(2). */
export const NAMESPACES: Record<Namespace, number> = {
  mount: 0x0002_0000,
  cgroup: 0x0200_0000,
  uts: 0x0400_0000,
  ipc: 0x0800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  net: 0x4000_0000,
};

export interface IdMaps {
  /** As written to uid_map and gid_map. */
  uid: string;
  gid: string;
  /** Without privileges groups can be mapped only where they can't be dropped. */
  denySetgroups: boolean;
  /** Which of them are only our own id, since none was asked for: of another identity than ours that is its own. */
  own: { uid: boolean; gid: boolean };
}

export interface NamespacePlan {
  /** Flags of clone(2). */
  flags: number;
  /** Of a new user namespace. */
  maps: IdMaps | undefined;
  /** Whether /proc is to show the new pid namespace. */
  mountProc: boolean;
}

/** Those of our own. */
export const NO_NAMESPACES: NamespacePlan = { flags: 0, maps: undefined, mountProc: false };

/** Checks the options that concern namespaces. */
export function planNamespaces({ namespaces, uidMap, gidMap }: ProgramOptions, facts: Facts): NamespacePlan {
  let flags = 0;
  if (namespaces !== undefined) {
    checkArray(namespaces, "options.namespaces").forEach((name, i) => {
      if (typeof name !== "string") throw wrongType(`options.namespaces[${i}]`, "a string", name);
      if (!Object.hasOwn(NAMESPACES, name))
        throw wrongValue(`options.namespaces[${i}]`, name, `must be one of ${Object.keys(NAMESPACES).join(", ")}`);
      flags |= NAMESPACES[name as Namespace];
    });
  }
  const user = (flags & NAMESPACES.user) !== 0;
  for (const [name, map] of Object.entries({ uidMap, gidMap })) {
    if (map !== undefined && !user) throw conflict(`options.${name} needs "user" in options.namespaces`);
  }
  const both = NAMESPACES.pid | NAMESPACES.mount;
  return { flags, maps: user ? mapIds(uidMap, gidMap, facts) : undefined, mountProc: (flags & both) === both };
}

/** Gives the id maps of a user namespace; without any each of our own ids stays what it is. */
export function mapIds(uidMap: unknown, gidMap: unknown, facts: Facts): IdMaps {
  const { uid, gid } = facts.identity();
  const own = { uid: uidMap === undefined, gid: gidMap === undefined };
  return { uid: mapText(uidMap, "uidMap", uid), gid: mapText(gidMap, "gidMap", gid), denySetgroups: uid !== 0, own };
}

/** At most so many lines: the kernel's own limit. */
const MOST_RANGES = 340;

function mapText(map: unknown, name: string, own: number): string {
  if (map === undefined) return `${own} ${own} 1\n`;
  const ranges = checkArray(map, `options.${name}`);
  if (ranges.length === 0 || ranges.length > MOST_RANGES)
    throw wrongValue(`options.${name}`, map, `must have 1 to ${MOST_RANGES} ranges`);
  return ranges.map((range, i) => rangeText(range, `options.${name}[${i}]`)).join("");
}

function rangeText(range: unknown, name: string): string {
  const { inside, outside, count = 1 } = checkNames(range, name, ["inside", "outside", "count"]) as unknown as IdRange;
  const id = (value: unknown, field: string, least: number): number =>
    checkInteger(value, `${name}.${field}`, least, UINT_MAX - 1);
  return `${id(inside, "inside", 0)} ${id(outside, "outside", 0)} ${id(count, "count", 1)}\n`;
}
