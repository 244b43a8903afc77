/**
 * The child's fds, from Node's list. Its pipes are socketpairs, which Node's own behaviour depends on: both ways,
 * handles sent along. socketpair(2), unix(7)
 */

import { constants } from "node:fs";
import { EBADF } from "../kernel/errno.js";
import { noPipe, notOpen } from "../launch/failure.js";
import { addon } from "../native/addon.js";
import type { FdMap, Source } from "../program/plan.js";
import type { PipeHandle, StdioItem } from "./node-internals.js";

const SOCK_STREAM = 1;
const NULL_DEVICE = "/dev/null";
const pair = new Int32Array(2);
const NO_FDS: FdMap = { inputs: [], opens: [], entries: [], closes: [] };

export interface NodeStdio {
  map: FdMap;
  /** Node's handles, each the owner of our end of a pipe. */
  handles: PipeHandle[];
  /** The child's ends, ours to close. */
  theirs: number[];
}

/**
 * Makes the pipes, and the map of the child's fds. From then on our ends belong to their handles.
 *
 * @throws SpawnError, and nothing is left behind.
 */
export function makeStdio(file: string, items: readonly StdioItem[]): NodeStdio {
  const stdio: NodeStdio = { map: NO_FDS, handles: [], theirs: [] };
  try {
    stdio.map = mapStdio(file, items, (item) => makePipe(file, item, stdio));
    return stdio;
  } catch (error) {
    closeTheirs(stdio);
    for (const handle of stdio.handles) handle.close();
    throw error;
  }
}

/**
 * Makes the map of the child's fds; `pipe` makes the source of one that is a pipe.
 *
 * @throws SpawnError, and what `pipe` throws.
 */
export function mapStdio<Item extends StdioItem>(
  file: string,
  items: readonly Item[],
  pipe: (item: Item, target: number, map: FdMap) => Source,
): FdMap {
  // Before the first pipe is made: it could get the number of a source that isn't open.
  for (const item of items) if (fdOf(item) !== undefined) checkOpen(file, fdOf(item) as number);
  const map: FdMap = { inputs: [], opens: [], entries: [], closes: [] };
  const blocking: number[] = [];
  items.forEach((item, target) => {
    const source = isPipe(item) ? pipe(item, target, map) : sourceOf(item, target, map);
    if (source === undefined) return;
    map.entries.push({ target, source });
    // An fd of ours may be non-blocking, because a stream of ours is over it. A child can't be expected to know.
    if (source.from === "parent" && target < 3 && !isPipe(item)) blocking.push(target);
  });
  map.blocking = blocking;
  return map;
}

/** Closes the child's ends. Not by Node's closeSync, which in a worker warns of fds that it has not opened. */
export function closeTheirs(stdio: NodeStdio): void {
  for (const fd of stdio.theirs.splice(0)) addon().closeFd(fd);
}

function isPipe({ type }: StdioItem): boolean {
  return type === "pipe" || type === "overlapped";
}

/** The fd of ours that an item names. */
function fdOf(item: StdioItem): number | undefined {
  if (item.type === "ignore" || isPipe(item)) return undefined;
  return item.type === "wrap" ? (item.handle?.fd ?? -1) : (item.fd ?? -1);
}

function checkOpen(file: string, fd: number): void {
  if (fd < 0 || addon().isOpen(fd) !== 1) throw notOpen({ file }, fd, "options.stdio", EBADF);
}

/** Makes a pipe, gives our end to Node's handle. */
function makePipe(file: string, item: StdioItem, stdio: NodeStdio): Source {
  const result = addon().socketpair(SOCK_STREAM, pair);
  if (result < 0) throw noPipe({ file }, -result);
  const [ours, theirs] = pair as unknown as [number, number];
  stdio.theirs.push(theirs);
  const handle = item.handle as PipeHandle;
  const opened = handle.open(ours) ?? 0;
  if (opened < 0) {
    addon().closeFd(ours);
    throw noPipe({ file }, -opened);
  }
  stdio.handles.push(handle);
  return { from: "parent", fd: theirs };
}

/** Where a fd of the child's comes from that is no pipe; undefined: it has none. */
function sourceOf(item: StdioItem, target: number, map: FdMap): Source | undefined {
  if (item.type !== "ignore") return { from: "parent", fd: fdOf(item) as number };
  if (target > 2) return undefined;
  const flags = target === 0 ? constants.O_RDONLY : constants.O_RDWR;
  map.opens.push({ path: NULL_DEVICE, flags, mode: 0, trusted: true });
  return { from: "open", open: map.opens.length - 1 };
}
