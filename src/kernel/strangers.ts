/**
 * The duty of pid 1 and of a subreaper: children that we never started, because their own parents have ended.
 */

import { addon } from "../native/addon.js";
import { monitor } from "./monitor.js";

/** Whether orphans come to this process. */
export function isReaper(): boolean {
  return addon().isReaper() === 1;
}

/**
 * Reaps the strangers that have ended. An ended child of our own hides those behind it: to be called again when
 * that has been reaped.
 */
export function reapStrangers(): void {
  monitor().native.reapStrangers();
}
