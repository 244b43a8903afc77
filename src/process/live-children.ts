/** The children that are to end with us. */

import type { ExitState } from "../states.js";
import { type Linked, LinkedSet } from "./linked-set.js";

/** A child that is to end with us, on its way there. */
export interface EndsWithUs extends Linked {
  /** Terminates it, because our process is about to end. */
  terminateWithUs(): Promise<ExitState>;
  /** Ends it at once, with all that is contained with it. */
  killWithUs(): void;
}

const live = new LinkedSet<EndsWithUs>();

/** Keeps a child with those that are to end with us. */
export function addLive(child: EndsWithUs): void {
  live.add(child);
}

/** Gives a child up that has ended, with all that is contained with it. */
export function removeLive(child: EndsWithUs): void {
  live.delete(child);
}

/** Gives the children that live and are to be cleaned up, as they are now. */
export function liveChildren(): readonly EndsWithUs[] {
  return live.list();
}
