/**
 * `process.getActiveResourcesInfo()` lists what holds the event loop. Node knows of its own handles alone; the children on
 * brood's engine are added, by the name that Node has for them.
 */

import type { Patch } from "./node-internals.js";

/** A handle of a child that lives. */
interface Living {
  hasRef(): boolean;
}

const PROCESS_WRAP = "ProcessWrap";
const living = new Set<Living>();

/** Notes that a child lives. */
export function addLiving(handle: Living): void {
  living.add(handle);
}

/** Notes that it has ended. */
export function removeLiving(handle: Living): void {
  living.delete(handle);
}

/** Has Node list our children, too. */
export function patchActiveResources(): Patch {
  const nodes = process.getActiveResourcesInfo;
  let active = true;
  function getActiveResourcesInfo(): string[] {
    const found = nodes.call(process);
    if (active) for (const handle of living) if (handle.hasRef()) found.push(PROCESS_WRAP);
    return found;
  }
  process.getActiveResourcesInfo = getActiveResourcesInfo;
  return {
    undo() {
      // Who has wrapped ours since keeps it, without effect.
      active = false;
      if (process.getActiveResourcesInfo === getActiveResourcesInfo) process.getActiveResourcesInfo = nodes;
    },
  };
}
