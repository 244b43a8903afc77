/**
 * `process.getActiveResourcesInfo()` lists what holds the event loop. Node knows of its own handles alone; the children on
 * brood's engine are added, by the name that Node has for them.
 */

import { type Linked, LinkedSet } from "../process/linked-set.js";
import type { Patch } from "./node-internals.js";

/** A child that lives. */
export class Living implements Linked {
  older: Linked | undefined;
  newer: Linked | undefined;
  readonly #handle: { hasRef(): boolean };

  constructor(handle: { hasRef(): boolean }) {
    this.#handle = handle;
  }

  /** Whether it holds the event loop. */
  get holds(): boolean {
    return this.#handle.hasRef();
  }
}

const PROCESS_WRAP = "ProcessWrap";
const living = new LinkedSet<Living>();

/** Notes that a child lives. */
export function addLiving(child: Living): void {
  living.add(child);
}

/** Notes that it has ended. */
export function removeLiving(child: Living): void {
  living.delete(child);
}

/** Has Node list our children, too. */
export function patchActiveResources(): Patch {
  const nodes = process.getActiveResourcesInfo;
  let active = true;
  function getActiveResourcesInfo(): string[] {
    const found = nodes.call(process);
    if (active) for (const { holds } of living.list()) if (holds) found.push(PROCESS_WRAP);
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
