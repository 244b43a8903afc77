/**
 * What a way of launching gives back: a child that has exec'ed, watched by this environment's monitor.
 */

import type { InputKind } from "../program/plan.js";

/** Our end of one of the child's fds. */
export interface LaunchedPipe {
  /** Its entry in the monitor, which owns the fd. */
  index: number;
  /** The child's fd. */
  target: number;
  kind: InputKind;
}

export interface Launched {
  /** The child's entry in the monitor, which owns the pidfd. */
  index: number;
  pid: number;
  pipes: LaunchedPipe[];
}
