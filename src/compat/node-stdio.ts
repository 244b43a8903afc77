/**
 * The child's fds, from Node's list. Its pipes are socketpairs, which Node's own behaviour depends on: both ways,
 * handles sent along. socketpair(2), unix(7)
 */

import { constants } from "node:fs";
import { noPipe, notOpen } from "../launch/failure.js";
import { addon } from "../native/addon.js";
import { type FdMap, INPUT, type Source } from "../program/plan.js";
import type { PipeHandle, StdioItem } from "./node-internals.js";

const SOCK_STREAM = 1;
const NULL_DEVICE = "/dev/null";
const pair = new Int32Array(2);

/** Lists of few items, of the kinds that come again and again, by wordOf() of each: so what is made of one is kept. */
const usual = new Map<string, FdMap>();
const USUAL_ITEMS = 4;

/**
 * Makes the map of the child's fds, whose pipes are inputs in their order; our ends of them are to be the caller's.
 *
 * @throws SpawnError, and nothing is left behind.
 */
export function mapStdio(file: string, items: readonly StdioItem[]): FdMap {
  let words: string | undefined = "";
  for (const item of items) {
    const fd = fdOf(item);
    // Before the first pipe is made: it could get the number of a source that isn't open.
    if (fd !== undefined && (fd < 0 || addon().isOpen(fd) !== 1)) throw notOpen({ file }, fd, "options.stdio");
    const word = wordOf(item, fd);
    words = word === undefined || words === undefined ? undefined : words + word;
  }
  if (words === undefined || words.length > USUAL_ITEMS) return makeMap(items);
  const before = usual.get(words);
  if (before !== undefined) return before;
  const map = { ...makeMap(items), common: true };
  usual.set(words, map);
  return map;
}

/** Gives the handles of the pipes, in the order of the map's inputs. */
export function handlesOf(items: readonly StdioItem[]): PipeHandle[] {
  const handles: PipeHandle[] = [];
  for (const item of items) if (isPipe(item)) handles.push(item.handle as PipeHandle);
  return handles;
}

/**
 * Gives the handles their fds.
 *
 * @throws SpawnError: one has refused, and is closed with those that had none yet.
 */
export function openHandles(file: string, handles: readonly PipeHandle[], ends: readonly number[]): void {
  for (const [i, handle] of handles.entries()) {
    const opened = handle.open(ends[i] as number) ?? 0;
    if (opened >= 0) continue;
    for (const end of ends.slice(i)) addon().closeFd(end);
    throw noPipe({ file }, -opened);
  }
}

/** Gives the handles the ends of pipes whose other ends are closed. Where there can be none they stay as they are. */
export function openEnded(handles: readonly PipeHandle[]): void {
  for (const handle of handles) {
    if (addon().socketpair(SOCK_STREAM, pair) < 0) return;
    const [ours, theirs] = pair as unknown as [number, number];
    // Not by Node's closeSync, which in a worker warns of fds that it has not opened.
    addon().closeFd(theirs);
    if ((handle.open(ours) ?? 0) < 0) addon().closeFd(ours);
  }
}

/** Closes handles that Node will not use. */
export function closeHandles(handles: readonly PipeHandle[]): void {
  for (const handle of handles) handle.close();
}

function makeMap(items: readonly StdioItem[]): FdMap {
  const map: FdMap = { inputs: [], given: true, opens: [], entries: [], closes: [] };
  const blocking: number[] = [];
  items.forEach((item, target) => {
    const source = sourceOf(item, target, map);
    if (source === undefined) return;
    map.entries.push({ target, source });
    // An fd of ours may be non-blocking, because a stream of ours is over it. A child can't be expected to know.
    if (source.from === "parent" && target < 3) blocking.push(target);
  });
  map.blocking = blocking;
  return map;
}

function wordOf(item: StdioItem, fd: number | undefined): string | undefined {
  if (fd !== undefined) return fd < 3 ? `${fd}` : undefined;
  return isPipe(item) ? "p" : "i";
}

function isPipe({ type }: StdioItem): boolean {
  return type === "pipe" || type === "overlapped";
}

/** The fd of ours that an item names. */
function fdOf(item: StdioItem): number | undefined {
  if (item.type === "ignore" || isPipe(item)) return undefined;
  return item.type === "wrap" ? (item.handle?.fd ?? -1) : (item.fd ?? -1);
}

/** Where a fd of the child's comes from; undefined: it has none. */
function sourceOf(item: StdioItem, target: number, { inputs, opens }: FdMap): Source | undefined {
  if (isPipe(item)) {
    inputs.push({ kind: INPUT.socket, target });
    return { from: "input", input: inputs.length - 1 };
  }
  if (item.type !== "ignore") return { from: "parent", fd: fdOf(item) as number };
  if (target > 2) return undefined;
  const flags = target === 0 ? constants.O_RDONLY : constants.O_RDWR;
  // Fds 1 and 2 share one: of the null device nobody can tell.
  const before = opens.findIndex((opened) => opened.flags === flags);
  if (before >= 0) return { from: "open", open: before };
  opens.push({ path: NULL_DEVICE, flags, mode: 0, trusted: true });
  return { from: "open", open: opens.length - 1 };
}
