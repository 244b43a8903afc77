/**
 * Whether this is the main thread's environment. Asked of the addon: to load `node:worker_threads` for it would cost each
 * import of brood more than half a millisecond.
 */

import { addon } from "../native/addon.js";

let known: boolean | undefined;

export function isMainThread(): boolean {
  known ??= addon().isMainThread() === 1;
  return known;
}
