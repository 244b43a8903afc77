/**
 * As pid 1, or as a subreaper: orphans become brood's children, and are reaped when they end.
 */

import { isReaper, reapStrangers } from "../kernel/strangers.js";

/** Reaps orphans from now on, if they come here. Gives the function that ends it. */
export function reapOrphans(): () => void {
  if (!isReaper()) return () => {};
  process.on("SIGCHLD", reapStrangers);
  // Some may have come, and ended, before there was a handler.
  reapStrangers();
  return () => {
    process.off("SIGCHLD", reapStrangers);
  };
}
